"""The bound on PxAP by resolution: bilinear steps against torch, the bound against sorted pixels, closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from wsol.errors import ParameterError
from wsol.metrics.resolution import low_side, resolution_bounds, simulated_maps


def blobs(count: int, side: int) -> np.ndarray:
    """Discs of random place and size, with an ignored stripe beside."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:side, :side]
    masks = np.zeros((count, side, side), dtype=np.uint8)
    for mask in masks:
        centre, radius = rng.uniform(0.3, 0.7, 2) * side, rng.uniform(0.1, 0.3) * side
        mask[np.hypot(y - centre[0], x - centre[1]) < radius] = 1
        mask[:, :2] = 255
    return masks


@pytest.mark.parametrize("factor", [1, 2, 3, 7, 8])
def test_the_steps_are_torchs_bilinear_ones(factor: int) -> None:
    masks = blobs(3, 30)
    objects = torch.from_numpy((masks == 1).astype(np.float64))[:, None]
    low = interpolate(objects, scale_factor=1 / factor, mode="bilinear", recompute_scale_factor=True)
    assert low.shape[-1] == low_side(30, factor)
    expected = interpolate(low, size=(30, 30), mode="bilinear")[:, 0].numpy()
    np.testing.assert_allclose(simulated_maps(masks, factor), expected, atol=1e-12)


def test_the_bound_is_the_average_precision_of_sorted_pixels() -> None:
    masks = blobs(4, 32)
    found = resolution_bounds([masks[:1], masks[1:]], [1, 4, 8], thresholds=1000)
    assert found[1] == 1.0  # a mask against itself
    for factor in (4, 8):
        scores = np.floor(simulated_maps(masks, factor) * 1000 + 1e-9) / 1000
        kept = masks != 255
        values, truth = scores[kept], masks[kept] == 1
        precision_sum, last = 0.0, 0.0
        for level in sorted(set(values.tolist()), reverse=True):
            chosen = values >= level
            recall = truth[chosen].sum() / truth.sum()
            precision_sum += (recall - last) * truth[chosen].mean()
            last = recall
        assert found[factor] == pytest.approx(precision_sum, abs=2e-3)
    assert found[1] > found[4] > found[8]


def test_a_half_plane_on_the_grid_keeps_its_order() -> None:
    # The object is the left half, in whole cells: upscaled, every object pixel still scores above every other.
    mask = np.zeros((1, 32, 32), dtype=np.uint8)
    mask[:, :, :16] = 1
    assert resolution_bounds([mask], [2, 8])[8] == pytest.approx(1.0, abs=1e-9)


def test_an_object_between_the_samples_is_lost() -> None:
    mask = np.zeros((1, 32, 32), dtype=np.uint8)
    mask[0, 0, 0] = 1  # factor 16 samples pixels 7 and 8 of each cell
    assert simulated_maps(mask, 16).max() == 0
    assert resolution_bounds([mask], [16])[16] == pytest.approx(1 / 32**2)


def test_a_factor_that_leaves_no_pixel_is_refused() -> None:
    with pytest.raises(ParameterError, match="side 16 cannot be downscaled by 17"):
        low_side(16, 17)
