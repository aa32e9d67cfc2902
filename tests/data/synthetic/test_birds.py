"""The fine-grained classes: known differences, confined to known parts."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest

from wsol.data.synthetic import differing_parts
from wsol.data.synthetic.birds import MAX_CLASSES, PART_OF_ATTRIBUTE, PARTS, attributes, bird, class_name
from wsol.data.synthetic.layout import fit
from wsol.data.synthetic.raster import Canvas


def test_classes_are_distinct() -> None:
    rows = {tuple(attributes(k).values()) for k in range(MAX_CLASSES)}
    assert len(rows) == MAX_CLASSES
    assert len({class_name(k) for k in range(MAX_CLASSES)}) == MAX_CLASSES


@pytest.mark.parametrize("classes", [10, 20, MAX_CLASSES])
def test_pairs_differ_in_one_two_and_three_parts(classes: int) -> None:
    counts = {len(differing_parts(a, b)) for a, b in combinations(range(classes), 2)}
    assert {1, 2, 3} <= counts and 0 not in counts


def test_differing_parts_by_hand() -> None:
    assert differing_parts(0, 0) == ()
    assert differing_parts(0, 1) == ("head",)
    assert differing_parts(0, 3) == ("wing",)
    assert differing_parts(0, 2) == ("head", "wing")
    assert differing_parts(0, 4) == ("head", "beak")
    assert differing_parts(0, 6) == ("head", "beak", "wing")
    assert differing_parts(1, 10) == ("breast",)


def drawn(class_index: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat colours and parts of a bird on nothing, with the same draws of the generator for every class."""
    figure = bird(np.random.default_rng(seed), attributes(class_index), False)
    canvas = Canvas(96)
    canvas.draw(figure, fit(figure, np.eye(2), 0.8, (0.5, 0.5)), 1)
    return canvas.average(canvas.table("colour")), canvas.parts(1, len(PARTS))


@pytest.mark.parametrize(("a", "b"), [(0, 1), (4, 11), (1, 10), (0, 3), (2, 15)])
def test_pixels_differ_only_in_the_differing_parts(a: int, b: int) -> None:
    (colours_a, parts_a), (colours_b, parts_b) = drawn(a, 5), drawn(b, 5)
    changed = np.abs(colours_a - colours_b).max(axis=2) > 0
    allowed = [PARTS.index(name) + 1 for name in differing_parts(a, b)]
    assert changed.sum() > 20
    assert np.array_equal(parts_a, parts_b)
    # A pixel on a part's border holds some of its neighbours' subpixels, so the allowed region grows by a pixel.
    region = cv2.dilate(np.isin(parts_a, allowed).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert region[changed].all()


def test_attributes_name_their_parts() -> None:
    assert set(PART_OF_ATTRIBUTE) == set(attributes(0))
    assert set(PART_OF_ATTRIBUTE.values()) < set(PARTS)
