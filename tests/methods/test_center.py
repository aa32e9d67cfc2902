from __future__ import annotations

import numpy as np
import pytest

from wsol.errors import ParameterError
from wsol.methods.center import center_gaussian, image_free_map


def test_it_is_an_isotropic_gaussian_from_zero_to_one():
    score, sigma = center_gaussian(224), 56.0
    assert score.shape == (224, 224)
    assert score.dtype == np.float64
    assert score.min() == 0
    assert score.max() == score[112, 112] == 1
    assert (score == score.T).all()
    corner = np.exp(-(2 * 112**2) / (2 * sigma**2))  # the farthest pixel, which min-max sets to 0
    for y, x in ((112, 150), (80, 112), (60, 61)):
        value = np.exp(-((y - 112) ** 2 + (x - 112) ** 2) / (2 * sigma**2))
        assert score[y, x] == pytest.approx((value - corner) / (1 - corner), rel=1e-12)


def test_centre_sigma_and_shape_can_be_chosen():
    even = center_gaussian(10, 4.5, 3.0)
    np.testing.assert_allclose(even, even[::-1, ::-1], rtol=0, atol=1e-15)
    wide = center_gaussian((6, 12), (1, 9))
    assert wide.shape == (6, 12)
    assert np.unravel_index(wide.argmax(), wide.shape) == (1, 9)
    assert (image_free_map(16) == center_gaussian(16)).all()
    assert (image_free_map(16, sigma=2.0) == center_gaussian(16, 8, 2.0)).all()
    assert center_gaussian(1).tolist() == [[0.0]]


def test_impossible_blobs_are_refused():
    with pytest.raises(ParameterError, match="size"):
        center_gaussian(0)
    for sigma in (0, -1, float("nan")):
        with pytest.raises(ParameterError, match="sigma"):
            center_gaussian(8, sigma=sigma)
