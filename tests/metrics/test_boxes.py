from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsol.errors import DataError, ParameterError
from wsol.metrics.boxes import BoxHits, box_accuracy, rescale_boxes
from wsol.metrics.levels import threshold_grid


def blurred_noise(seed: int, count: int = 6, size: int = 24) -> np.ndarray:
    rng = np.random.default_rng(seed)
    maps = [cv2.resize(rng.random((6, 6)), (size, size), interpolation=cv2.INTER_CUBIC) for _ in range(count)]
    return np.stack([(m - m.min()) / (m - m.min()).max() for m in maps])


def random_boxes(seed: int, count: int, size: int = 24) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    boxes = []
    for _ in range(count):
        corners = rng.integers(0, size, (rng.integers(1, 4), 2, 2))
        boxes.append(np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(float))
    return boxes


def slow_hits(score_map, boxes, iou, contours, thresholds) -> np.ndarray:
    """(D, T) hits of one map as the protocol words it: one threshold, one proposal and one truth at a time."""
    grey = (score_map * 255).astype(np.uint8)
    height, width = grey.shape
    hits = np.zeros((len(iou), len(thresholds)), dtype=bool)
    for column, threshold in enumerate(thresholds):
        mask = (grey > int(threshold * np.max(grey))).astype(np.uint8)
        found = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
        if found and contours == "largest":
            found = [max(found, key=cv2.contourArea)]
        proposed = [cv2.boundingRect(c) for c in found]
        proposed = [(x, y, min(x + w, width - 1), min(y + h, height - 1)) for x, y, w, h in proposed] or [(0, 0, 0, 0)]
        best = 0.0
        for p in proposed:
            for g in boxes:
                overlap_x = max(0.0, min(p[2], g[2]) - max(p[0], g[0]) + 1)
                overlap_y = max(0.0, min(p[3], g[3]) - max(p[1], g[1]) + 1)
                both = overlap_x * overlap_y
                area = (p[2] - p[0] + 1) * (p[3] - p[1] + 1) + (g[2] - g[0] + 1) * (g[3] - g[1] + 1)
                best = max(best, both / (area - both))
        hits[:, column] = [best >= level for level in iou]
    return hits


@pytest.mark.parametrize("contours", ["all", "largest"])
@pytest.mark.parametrize("thresholds", [50, 49, [0.9, 0.1, 0.1, 1.0, 0.5]])
def test_equals_the_slow_evaluator(contours, thresholds):
    maps, boxes, iou = blurred_noise(3), random_boxes(4, 6), (0.3, 0.5, 0.7)
    result = box_accuracy(maps, boxes, iou, contours, thresholds)
    grid = threshold_grid(thresholds)
    expected = [slow_hits(m, b, iou, contours, grid) for m, b in zip(maps, boxes, strict=True)]
    assert (result.hits == np.stack(expected)).all()
    assert result.curve.shape == (3, grid.size)
    np.testing.assert_allclose(result.curve, np.mean(expected, axis=0), rtol=1e-15)
    np.testing.assert_allclose(result.best, np.mean(expected, axis=0).max(axis=1), rtol=1e-15)
    np.testing.assert_allclose(result.max_box_acc_v2, result.best.mean(), rtol=1e-15)
    assert result.max_box_acc == result.best[1]


score_values = st.sampled_from([0.0, 1 / 255, 0.1, 0.29, 0.5, 0.58, 0.7843137254901961, 1.0])


@settings(deadline=None, max_examples=30)
@given(
    arrays(np.float64, st.tuples(st.just(2), st.integers(1, 7), st.integers(1, 7)), elements=score_values),
    st.sampled_from(["all", "largest"]),
    st.data(),
)
def test_equals_the_slow_evaluator_on_any_map(maps, contours, data):
    height, width = maps.shape[1:]
    xs, ys = st.integers(0, width - 1), st.integers(0, height - 1)
    boxes = []
    for _ in maps:
        x, y = sorted((data.draw(xs), data.draw(xs))), sorted((data.draw(ys), data.draw(ys)))
        boxes.append(np.array([[x[0], y[0], x[1], y[1]]]))
    iou, grid = (0.3, 0.5, 0.7, 1.0), threshold_grid(20)
    hits = box_accuracy(maps, boxes, iou, contours, 20).hits
    assert (hits == np.stack([slow_hits(m, b, iou, contours, grid) for m, b in zip(maps, boxes, strict=True)])).all()


def test_iou_exactly_at_the_level_is_a_hit():
    score = np.zeros((1, 20, 20))
    score[0, 0:9, 0:9] = 1.0  # its box covers 10 x 10 pixels
    for level, bottom in ((0.3, 2), (0.5, 4), (0.7, 6)):
        truth = [np.array([[0, 0, 9, bottom]])]
        assert box_accuracy(score, truth, [level], "all", 10).best[0] == 1
        assert box_accuracy(score, truth, [np.nextafter(level, 1)], "all", 10).best[0] == 0


def test_any_of_several_boxes_will_do():
    score = np.zeros((1, 20, 20))
    score[0, 2:8, 2:8] = 1.0
    right, wrong = [2, 2, 8, 8], [12, 12, 19, 19]
    assert box_accuracy(score, [[wrong, right]], [1.0]).best[0] == 1
    assert box_accuracy(score, [[wrong]], [0.3]).best[0] == 0


def test_boxes_beyond_the_edge_of_the_map_are_scored_as_they_are():
    score = np.zeros((1, 10, 10))
    score[0, 5:, 5:] = 1.0
    assert box_accuracy(score, [[[5, 5, 14, 9]]], [0.5]).best[0] == 1
    assert box_accuracy(score, [[[5, 5, 15, 9]]], [0.5]).best[0] == 0


def test_zero_map_proposes_one_pixel_at_the_origin_at_every_threshold():
    zero = np.zeros((2, 10, 10))
    result = box_accuracy(zero, [[[0, 0, 0, 0]], [[0, 0, 3, 3]]], [0.5])
    assert result.hits[0].all()
    assert not result.hits[1].any()
    faint = np.full((1, 10, 10), 0.99 / 255)
    assert box_accuracy(faint, [[[0, 0, 0, 0]]], [1.0]).hits.all()


def test_saved_constant_map_proposes_the_whole_picture_below_threshold_one():
    constant = np.full((1, 10, 10), 0.4)
    result = box_accuracy(constant, [[[0, 0, 9, 9]]], [1.0], thresholds=[0.0, 0.5, 0.999, 1.0])
    assert result.hits[0, 0].tolist() == [True, True, True, False]


def test_thresholds_are_relative_to_the_maximum_of_the_map():
    score = np.zeros((1, 10, 10))
    score[0, 2:6, 3:7] = 1.0
    truth = [[[3, 2, 7, 6]]]
    assert (box_accuracy(score, truth).hits == box_accuracy(0.2 * score, truth).hits).all()


def test_blocks_threads_dtype_and_memory_layout_change_nothing():
    maps, boxes = blurred_noise(5, count=7), random_boxes(6, 7)
    whole = box_accuracy(maps, boxes)
    blocks = BoxHits()
    for start, stop in ((0, 1), (1, 4), (4, 7)):
        blocks.add(maps[start:stop], boxes[start:stop])
    assert (blocks.result().hits == whole.hits).all()
    assert (box_accuracy(maps, boxes, threads=2).hits == whole.hits).all()
    strided = np.asfortranarray(maps)
    assert (box_accuracy(strided, boxes).hits == whole.hits).all()
    single = maps.astype(np.float32)
    assert (box_accuracy(single, boxes).hits == box_accuracy(single.astype(np.float64), boxes).hits).all()


def test_best_threshold_is_the_lowest_of_equals():
    score = np.zeros((1, 10, 10))
    score[0, 2:6, 3:7] = 1.0
    score[0, 9, 0] = 0.5
    result = box_accuracy(score, [[[3, 2, 7, 6]]], [0.5], "largest", 10)
    assert result.best_threshold.tolist() == [0.0]
    assert box_accuracy(score, [[[0, 0, 1, 1]]], [0.5], "largest", 10).best[0] == 0


def test_max_box_acc_needs_iou_one_half():
    result = box_accuracy(np.zeros((1, 4, 4)), [[[0, 0, 1, 1]]], [0.3, 0.7])
    with pytest.raises(ParameterError, match=r"IoU 0\.5"):
        _ = result.max_box_acc


@pytest.mark.parametrize(
    ("box", "image_size", "expected"),
    [
        ((13, 7, 250, 199), (333, 500), (8, 3, 168, 89)),
        ((60, 27, 385, 331), (500, 335), (26, 18, 172, 221)),
    ],
)
def test_ground_truth_is_rescaled_as_released(box, image_size, expected):
    assert rescale_boxes([box], image_size, 224).tolist() == [list(expected)]
    assert rescale_boxes([box], image_size, (224, 224)).tolist() == [list(expected)]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 6000), st.integers(1, 300), st.data())
def test_rescaling_truncates_the_exact_fraction(side, map_side, data):
    coordinate = data.draw(st.integers(0, side - 1))
    exact = coordinate * map_side // side
    assert rescale_boxes([[coordinate] * 4], (side, side), map_side).tolist() == [[exact] * 4]
    assert exact <= map_side - 1


def test_rescaling_needs_sizes():
    with pytest.raises(DataError, match="image size"):
        rescale_boxes([[0, 0, 1, 1]], (0, 10), 224)


good_map, good_box = np.zeros((1, 4, 4)), [[0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("maps", "boxes", "message"),
    [
        (np.zeros((4, 4)), [good_box], "shape"),
        (np.zeros((1, 0, 4)), [good_box], "without pixels"),
        (np.zeros((1, 4, 4), dtype=np.uint8), [good_box], "type uint8"),
        (np.full((1, 4, 4), np.nan), [good_box], r"image a\.jpg: .*nan"),
        (np.full((1, 4, 4), 1.01), [good_box], r"image a\.jpg: .*1\.01"),
        (np.full((1, 4, 4), -0.01), [good_box], r"image a\.jpg: .*-0\.01"),
        (good_map, [[]], r"image a\.jpg: no ground-truth box"),
        (good_map, [[[2, 0, 1, 1]]], r"image a\.jpg: box"),
        (good_map, [[[4, 0, 5, 1]]], r"image a\.jpg: .*rescale_boxes"),
        (good_map, [good_box, good_box], "1 score maps but 2"),
        (np.zeros((2, 4, 4)), [good_box, good_box], "1 image ids"),
    ],
)
def test_bad_input_is_refused_before_any_work(maps, boxes, message):
    with pytest.raises(DataError, match=message):
        box_accuracy(maps, boxes, image_ids=["a.jpg"])


def test_bad_parameters_are_refused():
    with pytest.raises(ParameterError, match="contours"):
        box_accuracy(good_map, [good_box], contours="outer")
    for iou in ([], [0.0], [1.5], [50]):
        with pytest.raises(ParameterError, match="iou"):
            box_accuracy(good_map, [good_box], iou)
    with pytest.raises(DataError, match="no image"):
        BoxHits().result()
