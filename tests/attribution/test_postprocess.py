from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsol.attribution.postprocess import map_faults, score_maps
from wsol.errors import DataError, ParameterError

OPTIONS = [
    ("resize-normalize", "bicubic"),
    ("resize-normalize", "bilinear"),
    ("normalize-resize", "bilinear"),
    ("normalize-resize", "bicubic"),
]


def random_maps(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("side", [7, 14, 28, 56, 224])
@pytest.mark.parametrize("size", [112, 224])
def test_equals_the_released_cubic_resize_and_min_max(side, size):
    raw = random_maps(side, 2, side, side)
    for one, score in zip(raw, score_maps(raw, size), strict=True):
        resized = cv2.resize(one, (size, size), interpolation=cv2.INTER_CUBIC)
        expected = resized - resized.min()
        expected /= expected.max()
        np.testing.assert_allclose(score, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("side", "size"), [((29, 29), (224, 224)), ((7, 5), (100, 64)), ((1, 4), (9, 9))])
def test_other_ratios_differ_from_opencv_by_its_float32_weights_alone(side, size):
    raw = random_maps(0, 1, *side)
    resized = cv2.resize(raw[0], size[::-1], interpolation=cv2.INTER_CUBIC)
    expected = (resized - resized.min()) / (resized.max() - resized.min())
    np.testing.assert_allclose(score_maps(raw, size)[0], expected, rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(OPTIONS),
    st.integers(0, 999),
)
def test_numpy_and_torch_agree(side, size, options, seed):
    raw = random_maps(seed, 3, *side)
    from_numpy, from_torch = score_maps(raw, size, *options), score_maps(torch.from_numpy(raw), size, *options)
    assert isinstance(from_numpy, np.ndarray)
    assert isinstance(from_torch, torch.Tensor)
    assert from_torch.dtype == torch.float64
    np.testing.assert_allclose(from_numpy, from_torch.numpy(), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)), elements=st.floats()),
    st.sampled_from(OPTIONS),
    st.sampled_from([1, 5, 8]),
    st.booleans(),
)
def test_scores_are_in_range_whatever_the_map(raw, options, size, as_tensor):
    scores = score_maps(torch.from_numpy(raw) if as_tensor else raw, size, *options)
    scores = scores.numpy() if as_tensor else scores
    assert scores.shape == (len(raw), size, size)
    assert scores.dtype == np.float64
    assert ((scores >= 0) & (scores <= 1)).all()
    for one, score in zip(raw, scores, strict=True):
        if not np.isfinite(one).all() or one.min() == one.max():
            assert not score.any()
        elif options[0] == "resize-normalize" and score.any():
            assert score.min() == 0
            assert score.max() == 1


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("options", OPTIONS)
def test_faulty_maps_become_zero_and_leave_the_others_alone(make, options):
    raw = random_maps(1, 5, 7, 7)
    raw[1, 3, 3] = np.nan
    raw[2, 0, 0] = np.inf
    raw[3] = 0.1  # not a sum of powers of two: resizing it rounds
    scores = np.asarray(score_maps(make(raw), 30, *options))
    assert not scores[1:4].any()
    alone = np.asarray(score_maps(make(raw[[0, 4]]), 30, *options))
    assert (scores[[0, 4]] == alone).all()
    assert map_faults(make(raw)) == {"nan_maps": 2, "constant_maps": 1}


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy])
def test_rounding_of_the_resize_is_not_stretched_to_a_map(make):
    halves = np.array([[[0.1, 0.7]]])  # resized to one column, both rows are the same mean up to rounding
    assert not np.asarray(score_maps(make(halves), (7, 1))).any()
    faint = 1e6 + random_maps(6, 1, 7, 7) * 1e-6  # a faint map is still a map
    assert np.asarray(score_maps(make(faint), 7)).max() == 1


def test_scale_and_offset_of_a_map_do_not_matter():
    raw = random_maps(2, 2, 7, 7)
    np.testing.assert_allclose(score_maps(raw, 56), score_maps(8 * raw - 3, 56), rtol=0, atol=1e-13)


def test_no_resampling_at_the_size_of_the_map():
    raw = random_maps(3, 2, 9, 6)
    expected = raw - raw.min(axis=(1, 2), keepdims=True)
    expected /= expected.max(axis=(1, 2), keepdims=True)
    for options in OPTIONS:
        assert (score_maps(raw, (9, 6), *options) == expected).all()


def test_the_orders_differ_where_the_kernel_does_not_keep_the_extremes():
    raw = np.zeros((1, 14, 14))
    raw[0, 4:9, 4:9] = 1.0
    first, second = score_maps(raw, 224), score_maps(raw, 224, "normalize-resize")
    assert second[0, 105, 105] == pytest.approx(1.0)
    assert first[0, 105, 105] < 0.99  # the overshoot at the corners took the top
    single = np.zeros((1, 14, 14))
    single[0, 7, 7] = 1.0
    between = score_maps(single, 224, "normalize-resize", "bilinear")
    assert between.max() < 1.0  # no pixel centre falls on the peak, and nothing stretches the map again


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int32, np.uint8, bool])
def test_any_number_type_is_computed_in_float64(dtype):
    raw = (random_maps(4, 2, 6, 6) * 3 + 10).astype(dtype)
    raw[:, 0, 0] = 0
    assert (score_maps(raw, 12) == score_maps(raw.astype(np.float64), 12)).all()


def test_tensors_with_gradient_and_half_precision_are_taken():
    raw = torch.randn(2, 5, 5, dtype=torch.bfloat16, requires_grad=True)
    scores = score_maps(raw, 10)
    assert not scores.requires_grad
    assert (scores == score_maps(raw.detach().double(), 10)).all()


def test_input_is_left_as_it_is():
    raw = random_maps(5, 1, 4, 4)
    before = raw.copy()
    for size in (4, 8):
        score_maps(raw, size)
    assert (raw == before).all()
    assert score_maps(np.zeros((0, 3, 3)), 6).shape == (0, 6, 6)
    assert score_maps(torch.zeros((0, 3, 3)), 6).shape == (0, 6, 6)


def test_bad_requests_are_refused():
    raw = np.zeros((1, 3, 3))
    with pytest.raises(ParameterError, match="resize-normalize"):
        score_maps(raw, 8, "resize")
    with pytest.raises(ParameterError, match="bicubic"):
        score_maps(raw, 8, interpolation="nearest")
    for size in (0, (4, 0)):
        with pytest.raises(ParameterError, match="size"):
            score_maps(raw, size)
    for wrong in (raw[0], np.zeros((1, 0, 3)), torch.zeros(3, 3)):
        with pytest.raises(DataError, match="shape"):
            score_maps(wrong, 8)
    with pytest.raises(DataError, match="type"):
        score_maps(np.full((1, 2, 2), "x"), 8)


def test_torch_is_not_imported_for_arrays():
    code = (
        "import sys, numpy as np, wsol.attribution.postprocess as p\n"
        "p.score_maps(np.eye(3)[None], 6); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
