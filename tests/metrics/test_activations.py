"""The distribution of activations, against a loop over pixels and distributions whose modes are known."""

from __future__ import annotations

import numpy as np
import pytest

from wsol.metrics.activations import activation_counts, rise_to_one, share_above


def test_counts_are_those_of_a_loop_in_blocks_of_any_size() -> None:
    maps = np.random.default_rng(0).random((5, 6, 7))
    maps[0, 0, :3] = 0.0, 1.0, 0.5
    expected = [0] * 10
    for value in maps.flat:
        expected[min(int(value * 10), 9)] += 1
    assert activation_counts([maps], 10).tolist() == expected
    assert activation_counts([maps[:2], maps[2:2], maps[2:]], 10).tolist() == expected
    assert sum(expected) == maps.size


def test_shares_are_those_of_the_pixels() -> None:
    maps = np.random.default_rng(1).random((4, 9, 9)) ** 2
    counts = activation_counts([maps])
    for level in (0.0, 0.5, 0.9):
        assert share_above(counts, level) == (maps >= level).mean()
    with pytest.raises(ValueError, match="not an edge"):
        share_above(counts, 0.905)
    assert share_above([0, 0], 0.5) is None


def test_only_a_mode_near_one_makes_the_density_rise() -> None:
    rng = np.random.default_rng(2)
    one_mode = rng.beta(0.4, 4, (1, 300, 300))
    two_modes = np.where(rng.random((1, 300, 300)) < 0.7, one_mode, rng.beta(6, 0.4, one_mode.shape))
    rises = [rise_to_one(activation_counts([maps])) for maps in (one_mode, two_modes)]
    assert rises[0] is not None and rises[0] < 0.5
    assert rises[1] is not None and rises[1] > 2
    flat = rise_to_one(activation_counts([(np.arange(1000) / 1000)[None, None]]))
    assert flat == pytest.approx(1.0)
    assert rise_to_one(activation_counts([np.ones((1, 2, 2))])) is None
    assert rise_to_one(activation_counts([np.full((1, 2, 2), 0.3)])) == 0.0
