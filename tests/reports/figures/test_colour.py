from __future__ import annotations

import numpy as np
import pytest

from wsol.reports.figures.colour import blend, resized, shared_limits, symmetric_limits


def test_shared_limits_hold_for_every_map_of_a_row() -> None:
    assert shared_limits([np.array([[0.0, 0.2]]), np.array([[0.1, 0.7]])]) == (0.0, 0.7)
    assert shared_limits([np.zeros((2, 2))]) == (0.0, 1.0)


def test_counterfactual_limits_are_symmetric() -> None:
    assert symmetric_limits(np.array([[-0.5, 0.2]])) == (-0.5, 0.5)
    assert symmetric_limits(np.array([[-0.1, 0.3]])) == (-0.3, 0.3)
    assert symmetric_limits(np.array([[-0.1, 0.3]]), np.array([[-0.4, 0.1]])) == (-0.4, 0.4)
    assert symmetric_limits(np.zeros((2, 2))) == (-1.0, 1.0)


def test_red_is_positive_blue_negative_and_zero_has_no_colour() -> None:
    grey = np.full((1, 3, 3), 128, dtype=np.uint8)
    negative, zero, positive = blend(grey, np.array([[-2.0, 0.0, 2.0]]), (-2.0, 2.0), "diverging")[0].astype(int)
    assert positive[0] > positive[2] + 40
    assert negative[2] > negative[0] + 40
    assert zero.max() - zero.min() <= 3


def test_the_same_value_has_the_same_colour_in_every_panel_of_a_row() -> None:
    grey = np.full((1, 2, 3), 90, dtype=np.uint8)
    first, second = np.array([[0.0, 0.25]]), np.array([[0.25, 0.5]])
    limits = shared_limits([first, second])
    assert (
        blend(grey, first, limits, "sequential")[0, 1].tolist()
        == blend(grey, second, limits, "sequential")[0, 0].tolist()
    )


def test_colour_does_not_depend_on_the_hue_of_the_image() -> None:
    red, grey = np.zeros((1, 1, 3), dtype=np.uint8), np.zeros((1, 1, 3), dtype=np.uint8)
    red[..., 0] = 100
    grey[:] = 30  # 0.299 · 100, rounded
    values = np.array([[0.4]])
    difference = blend(red, values, (0, 1), "sequential").astype(int) - blend(grey, values, (0, 1), "sequential")
    assert abs(difference).max() <= 1


def test_resizing_never_leaves_the_range_of_the_map() -> None:
    block = np.zeros((4, 4))
    block[1:3, 1:3] = 0.6
    large = resized(block, 32)
    assert large.shape == (32, 32)
    assert large.min() == 0.0
    assert large.max() == pytest.approx(0.6)
    np.testing.assert_array_equal(resized(block, 4), block)
