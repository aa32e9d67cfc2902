"""What a map says is the object: against loops over pixels, and against the metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wsol.metrics.oracle import boxes_at
from wsol.reports.figures.regions import (
    BACKGROUND,
    FALSE,
    HIT,
    MISSED,
    above_chance,
    box_cut,
    lowest,
    outcomes,
    pixel_iou,
)


def scores(seed: int, side: int = 12) -> np.ndarray:
    """Whole hundredths, so that many pixels lie on a threshold."""
    return np.random.default_rng(seed).integers(0, 101, (side, side)) / 100


def masks(seed: int, side: int = 12) -> np.ndarray:
    return np.random.default_rng(seed + 100).choice(np.array([0, 1, 255], dtype=np.uint8), (side, side))


@pytest.mark.parametrize("seed", range(5))
def test_outcomes_are_those_of_a_loop_over_pixels(seed: int) -> None:
    score, mask = scores(seed), masks(seed)
    found = outcomes(score, mask, 0.8)
    counts = dict.fromkeys((BACKGROUND, HIT, MISSED, FALSE), 0)
    for y in range(12):
        for x in range(12):
            expected = BACKGROUND
            if mask[y, x] == 1:
                expected = HIT if score[y, x] >= 0.8 else MISSED
            elif mask[y, x] == 0 and score[y, x] >= 0.8:
                expected = FALSE
            assert found[y, x] == expected
            counts[expected] += 1
    assert min(counts.values()) > 0
    assert pixel_iou(found) == counts[HIT] / (counts[HIT] + counts[MISSED] + counts[FALSE])


def test_nothing_found_and_nothing_there_is_no_overlap() -> None:
    assert pixel_iou(np.zeros((4, 4), dtype=np.uint8)) == 0.0


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.62, 0.9])
def test_the_box_of_the_metric_is_around_the_cut_that_is_drawn(threshold: float) -> None:
    score = np.zeros((20, 20))
    score[3:9, 4:15] = np.random.default_rng(1).uniform(0.7, 0.8, (6, 11))
    score[3, 4] = score[8, 14] = 0.8
    cut = box_cut(score, threshold)
    if threshold >= 0.9:
        assert 0 < cut.sum() < 66  # of the map's own maximum, 0.8, so that something is always left
        return
    y, x = np.nonzero(cut)
    assert boxes_at(score, threshold, "largest") == [(x.min(), y.min(), x.max() + 1, y.max() + 1)]


def slow_above_chance(score: np.ndarray, mask: np.ndarray) -> float:
    """Precision summed over the gain in recall, from the highest of 1001 thresholds down."""
    pixels = [(s, m) for s, m in zip(score.ravel(), mask.ravel(), strict=True) if m != 255]
    objects = sum(m == 1 for _, m in pixels)
    area, recall_before = 0.0, 0.0
    for step in range(1000, -1, -1):
        taken = [m for s, m in pixels if s >= step / 1000]
        if taken:
            recall = sum(m == 1 for m in taken) / objects
            area += (recall - recall_before) * sum(m == 1 for m in taken) / len(taken)
            recall_before = recall
    share = objects / len(pixels)
    return (area - share) / (1 - share)


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_above_chance_is_that_of_a_loop(seed: int) -> None:
    # Half-way between two thresholds, so that no rounding decides.
    score = np.random.default_rng(seed).integers(0, 1000, (8, 8)) / 1000 + 0.0005
    mask = masks(seed, 8)
    assert above_chance(score, mask) == pytest.approx(slow_above_chance(score, mask), abs=1e-12)


@pytest.mark.parametrize("side", [2, 5, 9])
def test_above_chance_is_one_at_best_and_zero_for_a_constant_map_whatever_the_size(side: int) -> None:
    mask = np.zeros((10, 10), dtype=np.uint8)
    mask[:side, :side] = 1
    assert above_chance((mask == 1).astype(float), mask) == pytest.approx(1)
    assert above_chance(np.full((10, 10), 0.5), mask) == pytest.approx(0)
    assert above_chance((mask == 0).astype(float), mask) == pytest.approx(0)
    ramp = np.where(mask == 1, 0.2, np.linspace(0.3, 1, 100).reshape(10, 10))
    assert above_chance(ramp, mask) <= 0


def test_an_image_that_is_all_object_or_none_cannot_fail() -> None:
    for value in (0, 1, 255):
        assert math.isnan(above_chance(scores(0), np.full((12, 12), value, dtype=np.uint8)))


@pytest.mark.parametrize("seed", range(4))
def test_the_lowest_are_those_of_taking_the_lowest_again_and_again(seed: int) -> None:
    values = [float(value) for value in np.random.default_rng(seed).integers(0, 5, 12)]
    values[3] = values[7] = math.nan
    expected: list[int] = []
    for _ in range(6):
        best = None
        for place, value in enumerate(values):
            if place not in expected and not math.isnan(value) and (best is None or value < values[best]):
                best = place
        assert best is not None
        expected.append(best)
    assert lowest(values, 6) == expected
    assert lowest(values, 100)[:6] == expected
    assert len(lowest(values, 100)) == 10
