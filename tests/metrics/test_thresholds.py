from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.errors import DataError, ParameterError
from wsol.metrics.curves import HitCurves
from wsol.metrics.levels import threshold_grid
from wsol.metrics.thresholds import at_threshold, freeze, hits_at_threshold

RESULT = {
    "dataset": "toy",
    "split": "test",
    "parameters": {"boxes": {"thresholds": 4}, "other": {"thresholds": [0.2, 0.9]}, "classes": {"top": [1]}},
    "values": {"A": 40.0, "B": 60.0, "C": 7.0, "Mean": 50.0, "Cls": 11.0},
    "thresholds": {"A": 0.25, "B": 0.75, "C": 0.9},
    "threshold_index": {"A": 1, "B": 3, "C": 1},
    "curves": {"A": [10.0, 40.0, 30.0, 20.0], "B": [10.0, 20.0, 50.0, 60.0], "C": [5.0, 7.0], "P": {"precision": []}},
    "means": {"Mean": ["A", "B"]},
}
BOXES = RESULT | {
    "values": {name: value for name, value in RESULT["values"].items() if name != "C"},
    "threshold_index": {"A": 1, "B": 3},
}


def test_a_fixed_threshold_is_looked_up_on_every_curve():
    found = at_threshold(BOXES, 0.5)
    assert found == {"values": {"A": 30.0, "B": 50.0, "Cls": 11.0, "Mean": 40.0}, "thresholds": {"A": 0.5, "B": 0.5}}


def test_a_threshold_off_the_grid_is_refused():
    with pytest.raises(ParameterError, match=r"0\.6 is not on the curve of A; the nearest that is has 0\.5"):
        at_threshold(BOXES, 0.6)
    with pytest.raises(ParameterError, match="curve of C"):
        at_threshold(RESULT, 0.5)
    for wrong in (-0.1, np.nan, np.inf):
        with pytest.raises(ParameterError, match="from 0 up"):
            at_threshold(BOXES, wrong)
    with pytest.raises(DataError, match="thresholds of A"):
        at_threshold(BOXES | {"parameters": {"boxes": {"thresholds": 5}}}, 0.5)


def test_frozen_and_fixed_agree_where_the_threshold_is_one():
    val = BOXES | {"split": "val", "threshold_index": {"A": 2, "B": 2}, "thresholds": {"A": 0.5, "B": 0.5}}
    frozen = freeze(BOXES, val)
    assert frozen.pop("chosen_on") == {"dataset": "toy", "split": "val"}
    assert frozen == at_threshold(BOXES, 0.5)


@given(st.integers(0, 2**31), st.lists(st.floats(0, 1.3), min_size=2, max_size=2))
@settings(deadline=None, max_examples=50)
def test_any_threshold_can_be_asked_of_the_curves(seed, taus):
    rng = np.random.default_rng(seed)
    hits, maximum = rng.random((5, 2, 256)) < 0.5, rng.integers(0, 256, 5).astype(np.uint8)
    curves = HitCurves(2, threshold_grid(7))
    curves.add(hits, maximum)
    found = hits_at_threshold(curves, taus)
    for image in range(5):
        for iou in range(2):
            level = min(int(float(maximum[image]) * taus[iou]), 255)
            assert found[image, iou] == hits[image, iou, level]
    assert (hits_at_threshold(curves, curves.thresholds[3]) == curves.hits()[..., 3]).all()
