"""Score maps of the difference of two classes, against loops over pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wsol.attribution.contrast import contrast_scores
from wsol.errors import ParameterError


def bilinear(values: np.ndarray, size: int) -> np.ndarray:
    """Half-pixel centres, edge repeated, a pixel at a time."""
    side = values.shape[0]
    result = np.zeros((size, size))
    for y in range(size):
        for x in range(size):
            for (row, a), (column, b) in ((i, j) for i in taps(y, side, size) for j in taps(x, side, size)):
                result[y, x] += a * b * values[row, column]
    return result


def taps(position: int, side: int, size: int) -> list[tuple[int, float]]:
    where = (position + 0.5) * side / size - 0.5
    low = int(np.floor(where))
    return [(min(max(low, 0), side - 1), 1 - (where - low)), (min(max(low + 1, 0), side - 1), where - low)]


def test_difference_then_resize_then_absolute_value_then_normalisation() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0, 0.4, (2, 4, 4)), rng.uniform(0, 0.4, (2, 4, 4))
    maps = torch.from_numpy(first), torch.from_numpy(second)
    expected = np.stack([np.abs(bilinear(a - b, 9)) for a, b in zip(first, second, strict=True)])
    np.testing.assert_allclose(contrast_scores(*maps, 9, "clip"), expected, atol=1e-12)
    for values, scores, by_max in zip(
        expected, contrast_scores(*maps, 9, "minmax"), contrast_scores(*maps, 9, "max"), strict=True
    ):
        np.testing.assert_allclose(scores, (values - values.min()) / (values.max() - values.min()), atol=1e-12)
        np.testing.assert_allclose(by_max, values / values.max(), atol=1e-12)
    assert np.abs(expected - np.stack([bilinear(np.abs(d), 9) for d in first - second])).max() > 1e-3, "order matters"
    np.testing.assert_array_equal(contrast_scores(*maps, 9, "max"), contrast_scores(*maps[::-1], 9, "max"))


def test_clip_cuts_off_above_one_and_leaves_a_map_of_the_frame_alone() -> None:
    first = torch.tensor([[[3.0, 0.5], [0.25, -0.5]]])
    scores = contrast_scores(first, torch.zeros(1, 2, 2), 2, "clip")
    np.testing.assert_array_equal(scores, [[[1.0, 0.5], [0.25, 0.5]]])


@pytest.mark.parametrize("normalisation", ["clip", "minmax", "max"])
def test_constant_and_broken_maps_become_zero(normalisation: str) -> None:
    good = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    broken = good.clone()
    broken[0, 1] = torch.nan
    maps = torch.stack([torch.full((2, 2), 0.3), broken, good])
    scores = contrast_scores(maps, torch.zeros(3, 2, 2), 5, normalisation)
    assert (scores[:2] == 0).all() and scores[2].max() > 0.3


def test_an_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ParameterError, match="clip, minmax, max"):
        contrast_scores(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), 2, "softmax")
