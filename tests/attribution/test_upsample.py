"""The compiled score maps against the definition, bit for bit, and against torch and OpenCV."""

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

from wsol.attribution import postprocess
from wsol.attribution.upsample import score_maps
from wsol.errors import DataError, ParameterError

OPTIONS = [
    ("resize-normalize", "bicubic"),
    ("resize-normalize", "bilinear"),
    ("normalize-resize", "bilinear"),
    ("normalize-resize", "bicubic"),
    ("as-is", "bicubic"),
    ("as-is", "bilinear"),
]
DTYPES = [np.float16, np.float32, np.float64, np.int32, np.uint8, bool, ">f4"]
sides = st.tuples(st.integers(1, 12), st.integers(1, 12))


def assert_same(raw: np.ndarray, *request: object, threads: int = 1) -> None:
    before = raw.copy()
    found = score_maps(raw, *request, threads=threads)  # type: ignore[arg-type]
    expected = postprocess.score_maps(raw, *request)  # type: ignore[arg-type]
    assert found.dtype == np.float64 and found.shape == expected.shape
    np.testing.assert_array_equal(found, expected, strict=True)
    np.testing.assert_array_equal(raw, before)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("side", [7, 12, 14, 28, (28, 14), 224])
def test_usual_sizes(side, options):
    shape = side if isinstance(side, tuple) else (side, side)
    raw = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
    for size in (96, 112, 224, (224, 100)):
        assert_same(raw, size, *options)


@settings(deadline=None, max_examples=60)
@given(
    sides,
    st.tuples(st.integers(1, 50), st.integers(1, 50)),
    st.sampled_from(OPTIONS),
    st.sampled_from(DTYPES),
    st.data(),
)
def test_any_shape_and_type(side, size, options, dtype, data):
    seed, scale = data.draw(st.integers(0, 999)), data.draw(st.sampled_from([1e-3, 1.0, 50.0]))
    raw = (np.random.default_rng(seed).normal(size=(3, *side)) * scale).clip(0 if dtype is np.uint8 else None)
    assert_same(raw.astype(dtype), size, *options, threads=data.draw(st.integers(1, 3)))


@settings(deadline=None, max_examples=150)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)), elements=st.floats()),
    st.sampled_from(OPTIONS),
    st.sampled_from([1, 3, 5, 8, (5, 9)]),
    st.booleans(),
)
def test_whatever_the_values(raw, options, size, single):
    with np.errstate(over="ignore"):
        assert_same(raw.astype(np.float32) if single else raw, size, *options)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("size", [30, 7, 3])
def test_faulty_and_constant_maps(options, size):
    raw = np.random.default_rng(1).normal(size=(10, 7, 7))
    raw[1, 3, 3] = np.nan
    raw[2, 0, 0] = np.inf
    raw[3, 6, 6] = -np.inf
    raw[4] = 0.1
    raw[5] = 0
    raw[6] = 1e6 + raw[6] * 1e-6
    raw[7] = 1e300 * raw[7] / abs(raw[7]).max() * 1e8  # its range is no float64
    raw[8] = np.where(raw[8] > 0, 0.0, -0.0)
    raw[9] *= 5e-324 / abs(raw[9]).max()
    assert_same(raw, size, *options)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_layout_and_read_only_input_change_nothing(threads):
    raw = np.random.default_rng(2).normal(size=(7, 9, 6))
    frozen = raw.astype(np.float32)
    frozen.flags.writeable = False
    for layout in (raw, np.asfortranarray(raw), raw[::-1, :, ::-1], frozen, np.broadcast_to(raw[0], raw.shape)):
        assert_same(layout, (24, 31), threads=threads)
    assert score_maps(np.zeros((0, 3, 3)), 6, threads=threads).shape == (0, 6, 6)


@pytest.mark.parametrize("side", [7, 14, 28])
def test_torch_and_opencv_agree(side):
    raw = np.random.default_rng(3).normal(size=(4, side, side))
    found = score_maps(raw, 224)
    from_torch = torch.nn.functional.interpolate(
        torch.from_numpy(raw)[:, None], size=(224, 224), mode="bicubic", align_corners=False
    )[:, 0].numpy()
    from_opencv = np.stack([cv2.resize(one, (224, 224), interpolation=cv2.INTER_CUBIC) for one in raw])
    for resized in (from_torch, from_opencv):
        expected = resized - resized.min(axis=(1, 2), keepdims=True)
        expected /= expected.max(axis=(1, 2), keepdims=True)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


def test_opencv_rounds_its_weights_at_other_ratios():
    raw = np.random.default_rng(4).normal(size=(1, 12, 12))
    resized = cv2.resize(raw[0], (112, 112), interpolation=cv2.INTER_CUBIC)
    expected = (resized - resized.min()) / (resized.max() - resized.min())
    np.testing.assert_allclose(score_maps(raw, 112)[0], expected, rtol=0, atol=1e-5)


def test_bad_requests_are_refused_as_by_the_definition():
    raw = np.zeros((1, 3, 3))
    for request, error, message in [
        ((raw, 8, "resize"), ParameterError, "resize-normalize"),
        ((raw, 8, "resize-normalize", "nearest"), ParameterError, "bicubic"),
        ((raw, 0), ParameterError, "size"),
        ((raw[0], 8), DataError, "shape"),
        ((np.full((1, 2, 2), "x"), 8), DataError, "type"),
    ]:
        for compute in (score_maps, postprocess.score_maps):
            with pytest.raises(error, match=message):
                compute(*request)


def test_numba_is_not_loaded_by_the_definition():
    code = "import sys, wsol.attribution, wsol.scoring; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
