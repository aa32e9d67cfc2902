from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.errors import ParameterError
from wsol.metrics.levels import check_contours, check_corners, level_index, quantise, threshold_grid


def test_grid_is_that_of_the_released_evaluator():
    grid = threshold_grid(1000)
    assert grid.shape == (1000,)
    assert (grid == np.arange(0, 1, 0.001)).all()
    assert threshold_grid(10).tolist() == np.arange(0, 1, 0.1).tolist()
    assert len(threshold_grid(49)) == len(np.arange(0, 1, 1 / 49))
    assert threshold_grid([0.5, 0.1, 0.1]).tolist() == [0.5, 0.1, 0.1]


@pytest.mark.parametrize("wrong", [0, -3, [], [[0.1]], [np.nan], [-0.1], [np.inf]])
def test_impossible_grids_are_refused(wrong):
    with pytest.raises(ParameterError, match="thresholds"):
        threshold_grid(wrong)


def test_quantisation_truncates_in_float64():
    assert quantise([[0.0, 1 / 255 - 1e-12, 1 / 255, 0.999, 1.0]]).tolist() == [[0, 0, 1, 254, 255]]
    single = np.float32([0.1, 0.5, 0.7, 0.9])
    assert (quantise(single) == quantise(single.astype(np.float64))).all()


def test_levels_equal_exact_fractions_but_for_the_six_float_traps():
    grid = threshold_grid(1000)
    thousandths = np.arange(1000)
    lower = set()
    for maximum in range(1, 256):
        exact = thousandths * maximum // 1000
        levels = level_index(grid, maximum)
        lower |= {(maximum, int(i)) for i in np.flatnonzero(levels == exact - 1)}
        assert (levels >= exact - 1).all()
        assert (levels <= exact).all()
    assert lower == {(50, 580), (100, 290), (100, 580), (200, 145), (200, 290), (200, 580)}


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 3), min_size=1, max_size=8), st.lists(st.integers(0, 255), min_size=1, max_size=4))
def test_levels_of_many_maps_are_those_of_each(thresholds, maxima):
    grid = threshold_grid(thresholds)
    table = level_index(grid, np.array(maxima, dtype=np.uint8))
    assert table.shape == (len(maxima), len(thresholds))
    for row, maximum in zip(table, maxima, strict=True):
        assert row.tolist() == [min(int(tau * maximum), 255) for tau in thresholds]
        assert (level_index(grid, maximum) == row).all()


def test_unknown_rules_are_named_with_the_known_ones():
    with pytest.raises(ParameterError, match=r"outer.*all, largest, external"):
        check_contours("outer")
    with pytest.raises(ParameterError, match=r"half.*exclusive, inclusive"):
        check_corners("half")
