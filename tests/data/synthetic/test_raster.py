"""Rasterised masks against a slow point-in-shape count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.data.synthetic.raster import SUPERSAMPLE, Canvas, Decal, Figure, Shape
from wsol.data.synthetic.shapes import box, ellipse, limb, smooth
from wsol.errors import DataError

UNIT = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def plain(points: np.ndarray, part: int = 1, colour: tuple[float, float, float] = (200, 10, 30)) -> Figure:
    return Figure((Shape((points,), colour, part),))


@settings(deadline=None, max_examples=30)
@given(
    centre=st.tuples(st.floats(0.3, 0.7), st.floats(0.3, 0.7)),
    radii=st.tuples(st.floats(0.1, 0.28), st.floats(0.1, 0.28)),
)
def test_mask_is_the_pixels_half_covered(centre: tuple[float, float], radii: tuple[float, float]) -> None:
    size, fine = 32, 12
    canvas = Canvas(size)
    canvas.draw(plain(ellipse(*centre, *radii, corners=64)), UNIT, 1)
    grid = (np.arange(size * fine) + 0.5) / (size * fine)
    inside = ((grid[None, :] - centre[0]) / radii[0]) ** 2 + ((grid[:, None] - centre[1]) / radii[1]) ** 2 <= 1
    coverage = inside.reshape(size, fine, size, fine).mean(axis=(1, 3))
    (mask,) = canvas.masks([1])
    # The polygon filler includes its border, half a subpixel: so only pixels near one half may fall on either side.
    assert mask[coverage > 0.6].all()
    assert not mask[coverage < 0.15].any()
    assert abs(mask.sum() - coverage.sum()) < 0.12 * coverage.sum() + 6


def test_image_and_masks_come_from_the_same_subpixels() -> None:
    rng = np.random.default_rng(0)
    canvas = Canvas(24)
    for owner in range(1, 6):
        canvas.draw(plain(ellipse(*rng.uniform(0.1, 0.9, 2), 0.2, 0.2)), UNIT, owner)
    owners = canvas.table("owner")[canvas.index]
    blocks = owners.reshape(24, SUPERSAMPLE, 24, SUPERSAMPLE)
    masks = canvas.masks(range(1, 6))
    for owner in range(1, 6):
        share = (blocks == owner).mean(axis=(1, 3))
        assert np.array_equal(masks[owner - 1], share >= 0.5)
    colours = canvas.table("colour")[canvas.index].reshape(24, SUPERSAMPLE, 24, SUPERSAMPLE, 3).mean(axis=(1, 3))
    assert np.abs(canvas.average(canvas.table("colour")) - colours).max() <= 0.51


def test_parts_take_the_larger_share() -> None:
    canvas = Canvas(40)
    canvas.draw(
        Figure((Shape((box(0.1, 0.1, 0.9, 0.9),), (9, 9, 9), 1), Shape((box(0.5, 0.1, 0.9, 0.9),), (9, 9, 9), 2))),
        UNIT,
        3,
    )
    parts = canvas.parts(3, 2)
    (mask,) = canvas.masks([3])
    assert np.array_equal(parts > 0, mask)
    assert set(np.unique(parts[10:30, 6:18])) == {1} and set(np.unique(parts[10:30, 22:34])) == {2}


def test_decals_stay_on_their_shape_and_holes_stay_open() -> None:
    canvas = Canvas(60)
    marked = Shape(
        (box(0.3, 0.3, 0.7, 0.7), box(0.45, 0.45, 0.55, 0.55)),
        (10, 20, 30),
        1,
        decals=(Decal(box(0, 0.4, 1, 0.6), (1, 2, 3), 2),),
    )
    canvas.draw(Figure((marked,)), UNIT, 1)
    (mask,) = canvas.masks([1])
    assert not mask[:, :17].any() and not mask[:, 43:].any()
    assert not mask[29:31, 29:31].any(), "the hole"
    assert canvas.parts(1, 2)[30, 20] == 2


def test_later_figures_hide_earlier_ones() -> None:
    canvas = Canvas(32)
    canvas.draw(plain(box(0.2, 0.2, 0.8, 0.8)), UNIT, 1)
    canvas.draw(plain(box(0.0, 0.0, 1.0, 1.0)), UNIT, 2)
    first, second = canvas.masks([1, 2])
    assert not first.any() and second.all()


def test_too_many_surfaces_is_an_error() -> None:
    canvas = Canvas(32)
    with pytest.raises(DataError, match="more than 255 surfaces"):
        for k in range(256):
            canvas.draw(plain(box(0, 0, 1, 1), colour=(k, 0, 0)), UNIT, 1)


def test_curves_pass_through_their_corners() -> None:
    corners = [(0.0, 0.0), (1.0, 0.2), (1.2, 1.0), (0.1, 0.8)]
    curve = smooth(corners, steps=5)
    assert np.allclose(curve[::5], corners)
    ends = limb((0.0, 0.0), (3.0, 4.0), 1.0, 0.5)
    reach = np.minimum(np.hypot(*(ends - (0, 0)).T) - 0.5, np.hypot(*(ends - (3, 4)).T) - 0.25)
    assert np.abs(reach).max() < 1e-9
