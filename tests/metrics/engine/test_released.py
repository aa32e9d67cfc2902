"""Public functions against the released evaluator's algorithm in full, and its published examples end to end."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from wsol.metrics.boxes import BoxHits, box_accuracy, rescale_boxes
from wsol.metrics.levels import quantise, threshold_grid
from wsol.metrics.masks import pixel_average_precision
from wsol.metrics.oracle import boxes_at
from wsol.testing.map_kinds import KINDS, adversarial_maps, kind_maps
from wsol.testing.parity import probe_boxes

PERCENT = (30, 50, 70)
IOU = (0.3, 0.5, 0.7)


def load() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks/released.py"
    spec = importlib.util.spec_from_file_location("released", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["released"] = module
    spec.loader.exec_module(module)
    return module


released = load()


def equal_hits(score_maps: np.ndarray, boxes: list[np.ndarray], thresholds: object) -> None:
    grid = threshold_grid(thresholds)
    for contours, multi in (("all", True), ("largest", False)):
        hits = BoxHits(IOU, contours, thresholds)
        for start, stop in ((0, 1), (1, len(score_maps))):
            hits.add(score_maps[start:stop], boxes[start:stop])
        found = hits.result()
        expected = [released.released_hits(m, b, grid, PERCENT, multi) for m, b in zip(score_maps, boxes, strict=True)]
        assert np.array_equal(found.hits, np.stack(expected).astype(bool))
        accuracy = 100 * np.sum(expected, axis=0) / len(expected)
        np.testing.assert_allclose(100 * found.best, accuracy.max(axis=1), rtol=1e-12)


def truths(score_maps: np.ndarray) -> list[np.ndarray]:
    return [probe_boxes(grey, np.random.default_rng(i)) for i, grey in enumerate(quantise(score_maps))]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("white56", "white224", "gradlike")])
def test_hits_at_the_papers_thresholds_on_attribution_maps(kind):
    score_maps = kind_maps(kind, 3, 56, seed=1)
    equal_hits(score_maps, truths(score_maps), 1000)


@pytest.mark.parametrize("kind", ["noise", "islands", "dim", "binary", "plateaus", "checkerboard", "zero", "row"])
def test_hits_at_the_papers_thresholds_on_small_maps(kind):
    score_maps = adversarial_maps(kind, 4, (9, 12), seed=1)
    equal_hits(score_maps, truths(score_maps), 1000)


@pytest.mark.parametrize(
    "thresholds", [100, 10, 49, 3, 1, [0.5, 0.1, 0.9, 0.1, 0.5], [0.0], [1.0, 1.5, 0.3, 7.0], [0.58, 0.29, 0.145]]
)
def test_hits_at_other_thresholds(thresholds):
    """Coarser steps, a step with a threshold right below 1, 1 and above, unsorted and repeated ones."""
    for kind in ("few_levels", "islands", "dim"):
        score_maps = adversarial_maps(kind, 3, 10, seed=3)
        equal_hits(score_maps, truths(score_maps), thresholds)


def test_hits_in_the_six_float_traps():
    traps = {50: [0.58], 100: [0.29, 0.58], 200: [0.145, 0.29, 0.58]}
    for maximum, thresholds in traps.items():
        for threshold in thresholds:
            level = round(threshold * maximum)
            score = np.zeros((1, 6, 6))
            score[0, 0, 0], score[0, 3:5, 3:5] = (maximum + 0.5) / 255, (level + 0.5) / 255
            truth = [np.array([[3.0, 3, 5, 5]])]
            equal_hits(np.repeat(score, 2, axis=0), truth * 2, 1000)
            at = box_accuracy(score, truth, [1.0], thresholds=threshold_grid(1000)).hits[0, 0]
            position = round(1000 * threshold)
            assert at[position] and not at[position + 1]  # exact fractions would lose the first


def test_a_split_of_the_papers_size_scores_the_same():
    score_maps = np.concatenate([kind_maps(kind, 2, 112, seed=9) for kind in ("smooth", "cam_noisy28")])
    equal_hits(score_maps, truths(score_maps), 1000)


# Worked examples of the released evaluator's own tests (evaluation_test.py): maps and the boxes that they expect.

ONE_PEAK = np.array([[0, 0, 0, 0, 0], [0, 0.4, 0.4, 0.4, 0.6], [0, 0.4, 1, 0.8, 0.6], [0, 0.4, 0.4, 0.4, 0.6]])
ONE_PEAK_BOXES = [(1, 1, 4, 3), (1, 1, 4, 3), (2, 1, 4, 3), (2, 2, 4, 3), (2, 2, 3, 3)]
MANY_PEAKS = np.array(
    [[0.4, 0, 0.2, 0.2, 0.2], [0.4, 0.4, 0, 0.4, 0], [0, 0, 0, 0.4, 0], [1, 0.6, 0.8, 0.2, 0.2]],
)
MANY_PEAKS_BOXES = [(0, 0, 4, 3), (0, 0, 2, 2), (0, 3, 3, 3), (2, 3, 3, 3), (0, 3, 1, 3)]
NOTHING, NOTHING_BOXES = np.zeros((3, 3)), [(0, 0, 0, 0)] * 5


@pytest.mark.parametrize(
    ("score_map", "expected"),
    [(ONE_PEAK, ONE_PEAK_BOXES), (MANY_PEAKS, MANY_PEAKS_BOXES), (NOTHING, NOTHING_BOXES)],
    ids=["one peak", "many peaks", "no peak"],
)
def test_published_boxes(score_map, expected):
    thresholds = np.arange(0, 1, 0.2)
    boxes, counts = released.released_boxes(score_map, thresholds, multi_contour=False)
    assert boxes == expected and counts == [1] * 5
    for threshold, box in zip(thresholds, expected, strict=True):
        assert boxes_at(score_map, threshold, "largest") == [box]
    for box in set(expected):
        hits = box_accuracy(score_map[None], [[box]], [1.0], "largest", thresholds).hits[0, 0]
        assert hits.tolist() == [other == box for other in expected]


def test_published_sizes_of_ground_truth():
    assert rescale_boxes([(1, 2, 4, 3)], (10, 20), (35, 10)).tolist() == [[3, 1, 14, 1]]
    assert rescale_boxes([(1, 2, 1, 2)], (3, 3), 3).tolist() == [[1, 2, 1, 2]]


def test_published_constant_and_perfect_masks():
    """A constant map scores the share of object pixels; a perfect one 100, whatever the ignored pixels score."""
    mask = np.zeros((1, 224, 224), dtype=np.uint8)
    mask.flat[:43031], mask.flat[43031:] = 1, 0
    for value in (0.0, 0.5, 1.0):
        found = pixel_average_precision(np.full(mask.shape, value), mask, 100).ap
        assert found == pytest.approx(43031 / 50176, abs=1e-12)
    mask.flat[-500:] = 255
    for ignored in (0.0, 1.0):
        assert pixel_average_precision(np.where(mask == 255, ignored, mask).astype(float), mask, 100).ap == 1.0


# Golden values of the protocol, end to end.


def test_golden_map_end_to_end():
    score = np.zeros((1, 8, 8))
    score[0, 1:7, 1:7], score[0, 3:5, 3:5], score[0, 2, 5], score[0, 7, 0] = 0.6, 0.2, 1.0, 0.45
    grid = [0.0, 0.1, 0.3, 0.5, 0.7, 0.99]
    expected = {
        ("all", (0, 1, 7, 7)): [1, 1, 1, 0, 0, 0],
        ("all", (2, 2, 6, 6)): [0, 0, 1, 1, 0, 0],
        ("all", (1, 1, 7, 7)): [0, 0, 0, 1, 0, 0],
        ("all", (5, 2, 6, 3)): [0, 0, 0, 0, 1, 1],
        ("largest", (0, 1, 7, 7)): [1, 1, 1, 0, 0, 0],
        ("largest", (2, 2, 6, 6)): [0, 0, 0, 0, 0, 0],
        ("largest", (1, 1, 7, 7)): [0, 0, 0, 1, 0, 0],
        ("largest", (5, 2, 6, 3)): [0, 0, 0, 0, 1, 1],
    }
    for (contours, box), hits in expected.items():
        assert box_accuracy(score, [[box]], [1.0], contours, grid).hits[0, 0].tolist() == [bool(hit) for hit in hits]


def test_golden_overlap_end_to_end():
    """The protocol's IoU of 0.363636, of a box that a map really proposes: a hit up to 4/11 and not beyond."""
    score = np.zeros((1, 20, 20))
    score[0, 3:12, 2:9] = 0.8  # proposes 2 3 9 12
    truth = [[[5, 1, 11, 10]]]
    below, above = np.nextafter(4 / 11, [0, 1])
    assert box_accuracy(score, truth, [below, 4 / 11], "largest", [0.5]).hits.all()
    assert not box_accuracy(score, truth, [above, 0.37], "all", [0.5]).hits.any()


@pytest.mark.parametrize(("thresholds", "percent"), [(10, 74.7024), (1000, 83.0357)])
def test_golden_precision_end_to_end(thresholds, percent):
    scores = np.array([[[1, 0.95, 0.9, 0.72, 0.71, 0.5, 0.3, 0.3, 0.1, 0]]])
    mask = np.array([[[1, 1, 0, 1, 255, 0, 1, 0, 0, 0]]], dtype=np.uint8)
    assert 100 * pixel_average_precision(scores, mask, thresholds).ap == pytest.approx(percent, abs=5e-5)


def test_pixel_counts_equal_the_released_histograms():
    random = np.random.default_rng(0)
    scores = np.concatenate([kind_maps("cam_noisy28", 3, 56), np.round(random.random((3, 56, 56)), 3)])
    masks = random.choice(np.array([0, 1, 255], dtype=np.uint8), scores.shape)
    for thresholds in (10, 49, 1000):
        edges = released.released_edges(threshold_grid(thresholds))
        counts = [released.released_pixel_counts(s, m, edges) for s, m in zip(scores, masks, strict=True)]
        objects, background = np.sum(counts, axis=0)
        above = objects[::-1].cumsum()[::-1][:-1], background[::-1].cumsum()[::-1][:-1]
        found = pixel_average_precision(scores, masks, thresholds)
        np.testing.assert_array_equal(found.recall, above[0] / above[0][0])
        predicted = above[0] + above[1]
        kept = predicted > 0
        np.testing.assert_array_equal(found.precision[kept], above[0][kept] / predicted[kept])
        assert np.isnan(found.precision[~kept]).all()
