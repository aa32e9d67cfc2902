"""Hits kept by grey level: equal to counting them threshold by threshold, however the images are split."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.errors import DataError
from wsol.metrics.curves import HitCurves
from wsol.metrics.levels import LEVELS, threshold_grid

N_IOU = 3


def some_hits(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.random((count, N_IOU, LEVELS)) < 0.3, random.integers(0, 256, count).astype(np.uint8)


def slow_hits(hits: np.ndarray, maximum: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(N, D, T): one image and one threshold at a time."""
    result = np.empty((len(hits), N_IOU, len(thresholds)), dtype=bool)
    for image, top in enumerate(maximum):
        for column, threshold in enumerate(thresholds):
            result[image, :, column] = hits[image, :, min(int(threshold * float(top)), LEVELS - 1)]
    return result


def filled(hits: np.ndarray, maximum: np.ndarray, thresholds: np.ndarray) -> HitCurves:
    curves = HitCurves(N_IOU, thresholds)
    curves.add(hits, maximum)
    return curves


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.integers(1, 12), st.sampled_from([1, 7, 49, 100, [0.5, 1.2, 0.0, 0.5]]))
def test_counts_and_hits_equal_those_of_each_threshold(seed, count, thresholds):
    grid = threshold_grid(thresholds)
    hits, maximum = some_hits(seed, count)
    curves = filled(hits, maximum, grid)
    expected = slow_hits(hits, maximum, grid)
    assert curves.n_images == count
    assert (curves.hits() == expected).all()
    assert (curves.counts == expected.sum(axis=0)).all()
    best = curves.best_index()
    assert best.tolist() == [int(row.argmax()) for row in expected.sum(axis=0)]  # the first, so the lowest, of equals
    for level in range(N_IOU):
        assert (curves.hits_at(best)[:, level] == expected[:, level, best[level]]).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 12), st.data())
def test_blocks_merged_jobs_and_stored_states_change_nothing(seed, count, data):
    grid = threshold_grid(30)
    hits, maximum = some_hits(seed, count)
    cut = data.draw(st.integers(0, count))
    whole = filled(hits, maximum, grid)
    blocks, merged, restored = filled(hits[:cut], maximum[:cut], grid), HitCurves(N_IOU, grid), HitCurves(N_IOU, grid)
    blocks.add(hits[cut:], maximum[cut:])
    parts = [filled(hits[:cut], maximum[:cut], grid), filled(hits[cut:], maximum[cut:], grid)]
    merged.merge(parts)
    for part in parts:
        restored.restore(part.state())
    for other in (blocks, merged, restored):
        assert (other.hits() == whole.hits()).all()
        assert (other.counts == whole.counts).all()


def test_what_is_kept_of_an_image_is_small():
    curves = filled(*some_hits(0, 10), threshold_grid(1000))
    assert sum(array.nbytes for array in curves.state().values()) == 10 * 97


def test_what_was_given_may_change_afterwards():
    hits, maximum = some_hits(1, 3)
    curves = filled(hits, maximum, threshold_grid(20))
    before = curves.counts
    hits[:], maximum[:] = False, 0
    assert (curves.counts == before).all()


def test_wrong_shapes_and_other_grids_are_refused():
    hits, maximum = some_hits(0, 4)
    curves = HitCurves(N_IOU, threshold_grid(10))
    for wrong in (hits[:, :2], hits[:3], hits[..., :255]):
        with pytest.raises(DataError, match="shape"):
            curves.add(wrong, maximum)
    for other in (HitCurves(2, threshold_grid(10)), HitCurves(N_IOU, threshold_grid(11))):
        with pytest.raises(DataError, match="cannot be put together"):
            curves.merge([other])
    with pytest.raises(DataError, match="no image"):
        curves.require_images()
