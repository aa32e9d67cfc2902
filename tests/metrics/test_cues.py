"""Cue localisation's numbers against a slow evaluator, and against the printed table's own arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import yaml

from wsol.errors import DataError, ParameterError
from wsol.metrics.cues import (
    average_precision,
    chance_values,
    cue_thresholds,
    pair_values,
    pooled_values,
    reference_bins,
    summarise,
)
from wsol.metrics.masks import PixelHistograms, pixel_average_precision

PARTS = [1, 1, 2, 3, 3]


def released_ap(scores: np.ndarray, cue: np.ndarray, edges: list[float]) -> float:
    """PxAP by definition: at every edge from the top, precision times the recall that it adds; lost pixels are lost."""
    kept = scores >= edges[0]
    total, before, area = (kept & cue).sum(), 0.0, 0.0
    for edge in sorted({*edges, 1.0}, reverse=True):
        called = scores >= edge
        if called.any():
            recall = (called & cue).sum() / total
            area += (called & cue).sum() / called.sum() * (recall - before)
            before = recall
    return 100 * area


@pytest.fixture(scope="module")
def pixels() -> list[tuple[np.ndarray, np.ndarray]]:
    """Scores and cues of the pairs; a fifth of the scores are tiny, and pair 3 has no cue."""
    rng = np.random.default_rng(1)
    found = []
    for number in range(len(PARTS)):
        cue = rng.uniform(size=(number + 2, 8, 8)) < (0 if number == 3 else 0.2)
        scores = 10 ** rng.uniform(-9, 0, cue.shape) * np.where(cue, 1, 0.3)
        scores[0, 0, 0] = 1.0
        found.append((scores, cue))
    return found


def counted(pixels: list[tuple[np.ndarray, np.ndarray]], thresholds: np.ndarray) -> np.ndarray:
    counts = []
    for scores, cue in pixels:
        histogram = PixelHistograms(thresholds)
        histogram.add(scores, cue.astype(np.uint8))
        counts.append(histogram.counts)
    return np.array(counts)


def test_thresholds() -> None:
    log = cue_thresholds("log")
    assert len(log) == 1000 and log[0] == 0
    np.testing.assert_allclose(log[1], 10**-6.993)
    np.testing.assert_allclose(np.diff(np.log10(log[1:])), 0.007)
    np.testing.assert_allclose(log[-1], 10**-0.007)
    np.testing.assert_array_equal(cue_thresholds("even", 4), [0, 0.25, 0.5, 0.75])
    with pytest.raises(ParameterError, match="even, log"):
        cue_thresholds("linear")


@pytest.mark.parametrize("spacing", ["even", "log"])
def test_each_pair_is_scored_on_its_own(pixels: list[tuple[np.ndarray, np.ndarray]], spacing: str) -> None:
    thresholds = cue_thresholds(spacing, 50)
    values = pair_values(counted(pixels, thresholds), thresholds)
    for number, (scores, cue) in enumerate(pixels):
        if number == 3:
            assert math.isnan(values[number])
            continue
        expected = pixel_average_precision(scores, cue.astype(np.uint8), thresholds).ap * 100
        assert values[number] == pytest.approx(expected, abs=1e-9)
        assert values[number] == pytest.approx(released_ap(scores, cue, thresholds.tolist()), abs=1e-9)


@pytest.mark.parametrize("spacing", ["even", "log"])
def test_the_released_evaluator_pools_and_loses_pixels(
    pixels: list[tuple[np.ndarray, np.ndarray]], spacing: str
) -> None:
    thresholds = cue_thresholds(spacing, 50)
    found = pooled_values(counted(pixels, thresholds), thresholds, spacing)
    edges = [t for t in thresholds.tolist() if t > 0 or spacing == "even"]
    for number in range(len(pixels)):
        scores = np.concatenate([s.ravel() for s, _ in pixels[: number + 1]])
        cue = np.concatenate([c.ravel() for _, c in pixels[: number + 1]])
        assert found[number] == pytest.approx(released_ap(scores, cue, edges), abs=1e-9)
    counts = counted(pixels, thresholds)
    kept, _ = reference_bins(counts, thresholds, spacing)
    tiny = sum(int((scores < edges[0]).sum()) for scores, _ in pixels)
    assert counts.sum() - kept.sum() == tiny and (tiny > 0) == (spacing == "log")


def test_means_are_over_pairs(pixels: list[tuple[np.ndarray, np.ndarray]]) -> None:
    thresholds = cue_thresholds("even", 50)
    counts = counted(pixels, thresholds)
    values, pooled = pair_values(counts, thresholds), pooled_values(counts, thresholds, "even")
    found = summarise(counts, thresholds, "even", PARTS, (1, 2, 3, 4))
    assert found["1"].value == pytest.approx(values[:2].mean()) and found["1"].n_pairs == 2
    assert found["3"].value == pytest.approx(values[4]) and found["3"].n_pairs == 1, "pair 3 has no cue"
    assert found["mean"].value == pytest.approx(np.delete(values, 3).mean())
    assert found["mean"].pooled == pytest.approx(np.delete(pooled, 3).mean()) and found["mean"].n_pairs == 4
    assert (found["4"].value, found["4"].pooled, found["4"].chance, found["4"].n_pairs) == (None, None, None, 0)
    assert found["2"].value == pytest.approx(values[2])
    with pytest.raises(DataError, match="do not fit"):
        summarise(counts, thresholds, "even", PARTS[1:], (1,))


def test_chance_is_what_a_constant_map_gets(pixels: list[tuple[np.ndarray, np.ndarray]]) -> None:
    thresholds = cue_thresholds("even", 50)
    constant = [(np.full(scores.shape, 0.37), cue) for scores, cue in pixels]
    counts = counted(constant, thresholds)
    chance = chance_values(counts)
    np.testing.assert_allclose(np.delete(chance, 3), np.delete(pair_values(counts, thresholds), 3))
    assert chance[3] == 0 and math.isnan(average_precision(counts[3], thresholds))


def test_the_printed_means_are_over_31_64_and_96_pairs() -> None:
    """CALM's table: 24.1, 28.3, 32.2 and mean 29.6 for CAM, which a mean over the three groups (28.2) is not."""
    with open("params/papers/calm/cues.yaml", encoding="utf-8") as stream:
        rows = yaml.safe_load(stream)["rows"]
    printed = [row["published"] for row in rows if len(row.get("published", {})) == 4]
    assert len(printed) == 3
    for values in printed:
        mean = (31 * values[1] + 64 * values[2] + 96 * values[3]) / 191
        assert mean == pytest.approx(values["mean"], abs=0.1)
        assert abs(sum(values[group] for group in (1, 2, 3)) / 3 - values["mean"]) > 0.8
