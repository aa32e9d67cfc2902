from __future__ import annotations

import sys
import types

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsol.errors import DataError, ParameterError
from wsol.metrics.blocks import Block, Split
from wsol.metrics.masks import Metric, PixelHistograms, pixel_average_precision, resolve_mask

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


LABELS = [0, 1, 255]


def some_images(count: int, seed: int = 0, side: int = 11) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    masks = rng.choice(LABELS, (count, side, side)).astype(np.uint8)
    return rng.random((count, side, side)).round(3), masks


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 9), max_size=4).map(sorted), st.integers(1, 3), st.booleans(), st.booleans())
def test_merging_any_split_is_the_whole(cuts, threads, keep, stored):
    scores, masks = some_images(9)
    whole = PixelHistograms(keep_images=keep)
    whole.add(scores, masks)
    total = PixelHistograms(keep_images=keep)
    for start, stop in zip([0, *cuts], [*cuts, 9], strict=True):
        part = PixelHistograms(threads=threads, keep_images=keep)
        part.add(scores[start:stop], masks[start:stop])
        if stored:
            total.restore(part.state())
        else:
            total.merge([part])
    np.testing.assert_array_equal(total.counts, whole.counts)
    assert total.result().ap == whole.result().ap
    if keep:
        np.testing.assert_array_equal(total.images, whole.images)


def test_histograms_of_single_images_are_compact_and_add_up():
    scores, masks = some_images(5, side=28)
    histograms = PixelHistograms(keep_images=True)
    histograms.add(scores[:2], masks[:2])
    histograms.add(scores[2:], masks[2:])
    images = histograms.images
    assert images.shape == (5, 2, 1001) and images.dtype == np.uint16
    assert images.nbytes == 5 * 4 * 1001, "4 bytes an image and bin"
    np.testing.assert_array_equal(images.sum(axis=0), histograms.counts)
    for index in range(5):
        alone = PixelHistograms()
        alone.add(scores[index : index + 1], masks[index : index + 1])
        np.testing.assert_array_equal(alone.counts, images[index])
    assert PixelHistograms(10, keep_images=True).images.shape == (0, 2, 11)
    with pytest.raises(ParameterError, match="keep_images=True"):
        _ = PixelHistograms().images


def test_counts_that_do_not_belong_together_are_refused():
    coarse, fine = PixelHistograms(10), PixelHistograms(100)
    with pytest.raises(DataError, match="different thresholds"):
        fine.merge([coarse])
    with pytest.raises(DataError, match="keep_images=True"):
        PixelHistograms(10, keep_images=True).merge([coarse])
    with_images = PixelHistograms(10, keep_images=True)
    with_images.add(*some_images(2))
    coarse.merge([with_images])
    np.testing.assert_array_equal(coarse.counts, with_images.counts)


def test_counts_beyond_32_bits():
    histograms = PixelHistograms(10)
    histograms.add(np.ones((1, 1, 2)), np.array([[[0, 1]]], dtype=np.uint8))
    for _ in range(33):
        histograms.merge([histograms])
    assert histograms.counts[:, -1].tolist() == [2**33, 2**33]
    assert histograms.result().ap == 0.5


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_nothing_of_a_faulty_block_is_counted(keep, threads):
    scores, masks = some_images(4)
    histograms = PixelHistograms(threads=threads, keep_images=keep)
    histograms.add(scores, masks)
    before = histograms.state()
    names = ["a", "b", "c", "d"]
    spoiled, mislabelled = scores.copy(), masks.astype(np.int64)
    spoiled[2, 5, 5] = spoiled[3, 0, 0] = 1.5
    mislabelled[1, 2, 2] = 257  # a byte would hold it as 1
    for wrong, labels, message in [
        (spoiled, masks, "image c: its score map holds 1.5"),
        (spoiled.astype(np.longdouble), masks, "image c: its score map holds 1.5"),
        (scores, mislabelled, "image b: its mask holds 257"),
        (scores, np.where(mislabelled == 257, 7, masks).astype(np.uint8), "image b: its mask holds 7"),
        (spoiled, mislabelled.astype(np.uint8) + np.uint8(9), "image c: its score map"),
    ]:
        with pytest.raises(DataError, match=message):
            histograms.add(wrong, labels, image_ids=names)
        for name, value in histograms.state().items():
            np.testing.assert_array_equal(value, before[name])
    with pytest.raises(DataError, match="image 2: its score map"):
        histograms.add(spoiled, masks)
    with pytest.raises(DataError, match="4 score maps but 2 image ids"):
        histograms.add(scores, masks, image_ids=names[:2])


class OnDevice(np.ndarray):
    """Stands for a CuPy array: says that it is on a device, and comes to the host by `get`."""

    __cuda_array_interface__ = None

    def get(self) -> np.ndarray:
        return np.asarray(self).view(np.ndarray)


@pytest.fixture
def device(monkeypatch):
    """CuPy and the CUDA engine, played by NumPy."""

    def pixel_histograms(score_maps, labels, edges):
        assert isinstance(score_maps, OnDevice) and isinstance(labels, OnDevice) and labels.dtype == np.uint8
        bins = np.searchsorted(edges, score_maps.get(), side="right")
        marks = labels.get()
        return np.stack([np.bincount(bins[marks == label], minlength=edges.size + 1) for label in (1, 0)])

    engine = types.ModuleType("wsol.metrics.engine.cuda")
    engine.pixel_histograms = pixel_histograms
    engine.invalid_maps = lambda maps: ~((maps.get() >= 0) & (maps.get() <= 1)).all(axis=(1, 2))
    cupy = types.ModuleType("cupy")
    cupy.asarray = lambda array, dtype: np.asarray(array, dtype=dtype).view(OnDevice)
    for module in (engine, cupy):
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("masks_there", [False, True])
def test_device_arrays_are_counted_where_they_are(device, keep, masks_there):
    scores, masks = some_images(3)
    found, expected = PixelHistograms(keep_images=keep), PixelHistograms(keep_images=keep)
    expected.add(scores, masks)
    found.add(scores.view(OnDevice), masks.view(OnDevice) if masks_there else masks)
    for name, value in expected.state().items():
        np.testing.assert_array_equal(found.state()[name], value)
        assert found.state()[name].dtype == value.dtype
    scores[1, 0, 0] = np.nan
    with pytest.raises(DataError, match="image b: its score map holds nan"):
        found.add(scores.view(OnDevice), masks, image_ids=["a", "b", "c"])
    with pytest.raises(DataError, match="image c: its mask holds 3"):
        masks[2, 1, 1] = 3
        found.add(some_images(3)[0].view(OnDevice), masks.view(OnDevice), image_ids=["a", "b", "c"])
    np.testing.assert_array_equal(found.counts, expected.counts)


def test_the_metric_of_the_score_job_merges_and_keeps_images():
    scores, masks = some_images(6)

    def metric(start, stop, keep=True):
        made = Metric({"thresholds": 1000}, Split("toys", "test", 1))
        if keep:
            made.keep_images()
        names = [f"image/{index}" for index in range(start, stop)]
        if names:
            made.add(Block(scores[start:stop], names, np.zeros(len(names), int), masks=masks[start:stop], threads=2))
        return made

    whole, parts = metric(0, 6), metric(0, 2)
    parts.merge([metric(2, 3)])
    parts.restore(metric(3, 6).state())
    expected = pixel_average_precision(scores, masks)
    for result in (whole.result(), parts.result(), metric(0, 6, keep=False).result()):
        assert result.values == {"PxAP": 100 * expected.ap}
        assert result.curves["PxAP"]["recall"] == expected.recall.tolist()
    np.testing.assert_array_equal(parts.result().histograms["PxAP"], whole.result().histograms["PxAP"])
    assert whole.result().histograms["PxAP"].shape == (6, 2, 1001)
    assert metric(0, 6, keep=False).result().histograms == {}
