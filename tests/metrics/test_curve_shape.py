"""How flat a curve is, against loops and curves whose share is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wsol.metrics.curve_shape import dice, near_best


def test_flat_curves_and_peaks_have_known_shares() -> None:
    assert near_best([70.0] * 8) == 1.0
    assert near_best([0.0, 0.0, 90.0, 0.0]) == 0.25
    # A triangle is above 90 % of its height on a tenth of its base.
    triangle = 1 - np.abs(np.linspace(-1, 1, 20001))
    assert near_best(triangle) == pytest.approx(0.1, abs=1e-4)
    assert near_best(triangle, 0.5) == pytest.approx(0.5, abs=1e-4)


def test_a_curve_without_a_best_has_no_share() -> None:
    assert near_best([0.0, 0.0]) is None
    assert near_best([math.nan, 0.0]) is None
    assert near_best([]) is None
    assert near_best([math.nan, 5.0]) == 0.5


def test_the_share_is_that_of_a_loop() -> None:
    curve = np.random.default_rng(0).uniform(0, 100, 997)
    count = 0
    for value in curve:
        count += value >= 0.9 * max(curve)
    assert near_best(curve) == count / 997


def test_dice_is_the_overlap_of_two_sets() -> None:
    rng = np.random.default_rng(1)
    scores, truth = rng.integers(0, 8, 400), rng.random(400) < 0.3
    precision, recall, expected = [], [], []
    for level in range(10):  # nothing scores 8 or 9
        chosen = scores >= level
        both = int((chosen & truth).sum())
        precision.append(both / chosen.sum() if chosen.any() else math.nan)
        recall.append(both / truth.sum())
        expected.append(2 * both / (chosen.sum() + truth.sum()))
    np.testing.assert_allclose(dice(precision, recall), expected, rtol=1e-12)
