from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsol.errors import DataError, ParameterError
from wsol.metrics.masks import PixelHistograms, pixel_average_precision, resolve_mask

GOLDEN_SCORES = np.array([[[1, 0.95, 0.9, 0.72, 0.71, 0.5, 0.3, 0.3, 0.1, 0]]])
GOLDEN_MASK = np.array([[[1, 1, 0, 1, 255, 0, 1, 0, 0, 0]]], dtype=np.uint8)


def histogram_pxap(scores: np.ndarray, masks: np.ndarray, step: float) -> float:
    """The definition written out with numpy.histogram over the bins of the released evaluator."""
    edges = np.append(np.arange(0, 1, step), [1.0, 2.0, 3.0])
    true = np.histogram(scores[masks == 1], edges)[0][::-1].cumsum()
    false = np.histogram(scores[masks == 0], edges)[0][::-1].cumsum()
    total = 0.0
    for i in range(1, len(true)):
        if true[i] + false[i]:
            total += true[i] / (true[i] + false[i]) * (true[i] - true[i - 1]) / true[-1]
    return total


@pytest.mark.parametrize(("thresholds", "percent"), [(10, 74.7024), (1000, 83.0357)])
def test_golden_example(thresholds, percent):
    assert 100 * pixel_average_precision(GOLDEN_SCORES, GOLDEN_MASK, thresholds).ap == pytest.approx(percent, abs=5e-5)


edge_scores = st.one_of(
    st.floats(0, 1),
    st.integers(0, 100).map(lambda i: i * 0.01),
    st.integers(1, 99).map(lambda i: float(np.nextafter(i * 0.01, 0))),
    st.integers(1, 99).map(lambda i: float(np.nextafter(i * 0.01, 1))),
)


@settings(deadline=None, max_examples=40)
@given(
    arrays(np.float64, (2, 3, 5), elements=edge_scores),
    arrays(np.uint8, (2, 3, 5), elements=st.sampled_from([0, 1, 255])),
    st.sampled_from([1, 3, 10, 100, 1000]),
)
def test_equals_the_written_out_definition(scores, masks, thresholds):
    masks[0, 0, 0] = 1
    expected = histogram_pxap(scores, masks, 1 / thresholds)
    result = pixel_average_precision(scores, masks, thresholds)
    assert result.ap == pytest.approx(expected, rel=1e-12)
    for threshold, precision, recall in zip(result.thresholds, result.precision, result.recall, strict=True):
        above = scores >= threshold
        hit, predicted = (above & (masks == 1)).sum(), (above & (masks != 255)).sum()
        assert recall == pytest.approx(hit / (masks == 1).sum())
        assert np.isnan(precision) if predicted == 0 else precision == pytest.approx(hit / predicted)


def test_closed_forms():
    masks = np.array([[[1, 0, 0, 0], [1, 1, 0, 255]]], dtype=np.uint8)
    assert pixel_average_precision(np.full((1, 2, 4), 0.3), masks).ap == pytest.approx(3 / 7)
    assert pixel_average_precision((masks == 1).astype(float), masks).ap == 1.0
    everything_ignored_but_one = np.full((1, 2, 4), 255, dtype=np.uint8)
    everything_ignored_but_one[0, 0, 0] = 1
    assert pixel_average_precision(np.full((1, 2, 4), 0.3), everything_ignored_but_one).ap == 1.0


def test_score_one_has_a_bin_of_its_own():
    result = pixel_average_precision(GOLDEN_SCORES, GOLDEN_MASK, 10)
    assert result.thresholds[-1] == 1.0
    assert result.recall[-1] == pytest.approx(1 / 4)
    assert result.precision[-1] == 1.0
    assert result.precision[0] == pytest.approx(4 / 9)  # threshold 0: the base rate


def test_blocks_and_memory_layout_change_nothing():
    rng = np.random.default_rng(0)
    scores, masks = rng.random((5, 8, 9)), rng.choice([0, 1, 255], (5, 8, 9)).astype(np.uint8)
    whole = pixel_average_precision(scores, masks)
    blocks = PixelHistograms()
    for start, stop in ((0, 2), (2, 5)):
        blocks.add(scores[start:stop], masks[start:stop])
    assert blocks.result().ap == whole.ap
    assert pixel_average_precision(np.asfortranarray(scores), np.asfortranarray(masks)).ap == whole.ap


def test_pixels_of_all_images_are_pooled():
    scores = np.array([[[0.9, 0.8]], [[0.2, 0.1]]])
    masks = np.array([[[1, 0]], [[0, 1]]], dtype=np.uint8)
    assert pixel_average_precision(scores, masks).ap == pytest.approx((1 + 2 / 4) / 2)


@pytest.mark.parametrize("thresholds", [[0.5, 0.1], [0.1, 0.1], [0.5, 1.0]])
def test_bins_need_increasing_edges_below_one(thresholds):
    with pytest.raises(ParameterError, match="PxAP"):
        PixelHistograms(thresholds)


def test_bad_masks_are_refused():
    score = np.zeros((1, 2, 2))
    with pytest.raises(DataError, match=r"image a\.jpg: its mask holds 2"):
        pixel_average_precision(score, np.full((1, 2, 2), 2), image_ids=["a.jpg"])
    with pytest.raises(DataError, match="resolve_mask"):
        pixel_average_precision(score, np.zeros((1, 3, 3)))
    with pytest.raises(DataError, match="no pixel"):
        pixel_average_precision(score, np.zeros((1, 2, 2)))
    with pytest.raises(DataError, match=r"image a\.jpg"):
        pixel_average_precision(np.full((1, 2, 2), np.nan), np.ones((1, 2, 2)), image_ids=["a.jpg"])


def test_instances_are_joined_and_ignore_gives_way_to_them():
    left, right, ignore = np.zeros((3, 4, 6), dtype=np.uint8)
    left[:, :2] = 255
    right[:, 3:4] = 1
    ignore[:, 1:4] = 255
    assert resolve_mask([left, right], ignore, (4, 6)).tolist() == [[1, 1, 255, 1, 0, 0]] * 4
    assert resolve_mask([left > 0, right > 0], None, (4, 6)).tolist() == [[1, 1, 0, 1, 0, 0]] * 4


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30))
def test_resizing_takes_the_nearest_pixel_as_the_released_code(height, width, size):
    mask = np.random.default_rng(height * 41 + width).integers(0, 2, (height, width)).astype(np.uint8)
    rows = np.minimum(np.floor(np.arange(size) * (1 / (size / height))).astype(int), height - 1)
    columns = np.minimum(np.floor(np.arange(size) * (1 / (size / width))).astype(int), width - 1)
    resolved = resolve_mask([mask], None, size)
    assert resolved.dtype == np.uint8
    assert (resolved == mask[rows][:, columns]).all()
    assert (resolved == cv2.resize(mask * 255, (size, size), interpolation=cv2.INTER_NEAREST) // 255).all()


def test_masks_must_be_there_and_have_one_channel():
    with pytest.raises(DataError, match="no instance mask"):
        resolve_mask([], None, 8)
    with pytest.raises(DataError, match="one grey channel"):
        resolve_mask([np.zeros((4, 4, 3))], None, 8)
