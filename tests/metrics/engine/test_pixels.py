"""Pixel counts against numpy.searchsorted, and against numpy.histogram as the released evaluator has it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsol.metrics.engine.cpu.pixels import count_pixels, uniform_step
from wsol.metrics.levels import threshold_grid

STEPS = [1, 2, 3, 7, 10, 49, 100, 255, 1000, 4096]
LABELS = st.sampled_from([0, 1, 255])


def by_search(scores: np.ndarray, labels: np.ndarray, edges: np.ndarray) -> np.ndarray:
    bins = np.searchsorted(edges, scores.astype(np.float64), side="right")
    return np.stack([np.bincount(bins[labels == label], minlength=edges.size + 1) for label in (1, 0)])


def by_histogram(scores: np.ndarray, labels: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The released evaluator appends 2 and 3 to its edges, so that its last bin but one is {1}."""
    open_edges = np.append(edges, [2.0, 3.0])
    return np.stack([np.histogram(scores[labels == label].astype(np.float64), open_edges)[0] for label in (1, 0)])


def grid(thresholds: int) -> np.ndarray:
    return np.append(threshold_grid(thresholds), 1.0)


def near_edges(edges: np.ndarray) -> np.ndarray:
    """Every edge, its neighbours in float64, and what float32 makes of it and of its neighbours there."""
    around = np.concatenate([edges, np.nextafter(edges, -1), np.nextafter(edges, 2)])
    single = edges.astype(np.float32)
    around_single = np.concatenate([single, np.nextafter(single, np.float32(-1)), np.nextafter(single, np.float32(2))])
    values = np.concatenate([around, around_single.astype(np.float64)])
    return values[(values >= 0) & (values <= 1)]


def assert_counted(scores: np.ndarray, labels: np.ndarray, edges: np.ndarray) -> None:
    found = count_pixels(scores, labels, edges)
    assert found.counts.dtype == np.int64 and (found.bad_map, found.bad_mask) == (-1, -1)
    np.testing.assert_array_equal(found.counts, by_search(scores, labels, edges))
    np.testing.assert_array_equal(found.counts[:, 1:], by_histogram(scores, labels, edges)[:, : edges.size])


@pytest.mark.parametrize("thresholds", STEPS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_edge_and_its_neighbours(thresholds, dtype):
    edges = grid(thresholds)
    scores = near_edges(edges).astype(dtype)
    scores = scores[(scores >= 0) & (scores <= 1)][None, None]
    for label in (0, 1, 255):
        assert_counted(scores, np.full(scores.shape, label, dtype=np.uint8), edges)


EVERY_EDGE = np.concatenate([near_edges(grid(thresholds)) for thresholds in (10, 49, 1000)])


@given(
    arrays(np.float64, (2, 5, 7), elements=st.one_of(st.floats(0, 1), st.sampled_from(EVERY_EDGE.tolist()))),
    arrays(np.uint8, (2, 5, 7), elements=LABELS),
    st.sampled_from(STEPS),
    st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_guessing_equals_searching(scores, labels, thresholds, single):
    assert_counted(scores.astype(np.float32) if single else scores, labels, grid(thresholds))


@given(
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=40, unique=True).map(sorted),
    arrays(np.float64, (1, 4, 9), elements=st.floats(0, 1)),
    arrays(np.uint8, (1, 4, 9), elements=LABELS),
    st.data(),
)
@settings(deadline=None, max_examples=200)
def test_any_increasing_edges(thresholds, scores, labels, data):
    edges = np.append(thresholds, 1.0)
    scores[0, 0] = data.draw(st.sampled_from(near_edges(edges).tolist()))
    assert_counted(scores, labels, edges)


def test_which_edges_are_guessed_at():
    assert uniform_step(grid(1000)) == 0.001
    assert uniform_step(grid(1)) == 1.0
    assert uniform_step(np.array([0.0, 0.25, 1.0])) == 0.25  # the last edge need not be a step away
    nudged = grid(1000)
    nudged[500] = np.nextafter(nudged[500], 1)
    for other in (nudged, np.linspace(0, 1, 1001) ** 2, np.array([0.5, 1.0]), np.array([0.0, 1e-300, 1.0])):
        assert uniform_step(other) == 0
    scores = near_edges(nudged)[None, None]
    assert_counted(scores, np.ones(scores.shape, dtype=np.uint8), nudged)
    tiny = np.array([0.0, 5e-324, 1e-300, 1e-9, 1.0])
    scores = near_edges(tiny)[None, None]
    assert_counted(scores, np.ones(scores.shape, dtype=np.uint8), tiny)


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((7, 53, 47)), rng.choice([0, 1, 255], (7, 53, 47)).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", ">f8"])
def test_every_layout_and_type_of_float(images, dtype):
    scores, labels = images[0].astype(dtype), images[1]
    expected = by_search(scores, labels, grid(1000))
    frozen = scores.copy()
    frozen.flags.writeable = False
    shifted = np.frombuffer(b"\0" + scores.tobytes(), dtype=np.uint8)[1:].view(scores.dtype).reshape(scores.shape)
    spread = np.zeros((7, 53, 94), dtype=dtype)
    spread[:, :, ::2] = scores
    layouts = [scores, np.asfortranarray(scores), frozen, shifted, spread[:, :, ::2], scores[::-1, ::-1][::-1, ::-1]]
    for layout in layouts:
        np.testing.assert_array_equal(count_pixels(layout, labels, grid(1000)).counts, expected)
    one = np.broadcast_to(scores[0], scores.shape)
    np.testing.assert_array_equal(count_pixels(one, labels, grid(10)).counts, by_search(one, labels, grid(10)))


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float32])
def test_labels_of_other_types(images, dtype):
    scores, labels = images[0], images[1] == 1
    np.testing.assert_array_equal(
        count_pixels(scores, labels.astype(dtype), grid(100)).counts, by_search(scores, labels, grid(100))
    )


@pytest.mark.parametrize("one_by_one", [False, True])
def test_threads_change_nothing(images, one_by_one):
    scores, labels = images
    alone = count_pixels(scores, labels, grid(1000), one_by_one=one_by_one)
    for threads in (2, 3, 16):
        found = count_pixels(scores, labels, grid(1000), one_by_one=one_by_one, threads=threads)
        np.testing.assert_array_equal(found.counts, alone.counts)
        assert found.counts.dtype == alone.counts.dtype
    if one_by_one:
        for index in range(len(scores)):
            np.testing.assert_array_equal(alone.counts[index], by_search(scores[index], labels[index], grid(1000)))


@pytest.mark.parametrize(("side", "dtype"), [(255, np.uint16), (256, np.uint32)])
def test_counts_of_one_image_fit_their_type(side, dtype):
    ones = np.ones((1, side, side))
    found = count_pixels(ones, ones.astype(np.uint8), grid(10), one_by_one=True).counts
    assert found.dtype == dtype
    assert found.max() == found[0, 0, -1] == side * side


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-300, np.nextafter(1, 2), 2.0, 1e300])
@pytest.mark.parametrize("edges", [grid(1000), np.array([0.2, 0.3, 1.0])])
def test_the_first_bad_image_is_found(images, value, threads, edges):
    scores, labels = images[0].copy(), images[1].copy()
    scores[4, 52, 46] = scores[6, 0, 0] = value
    labels[5, 3, 3], labels[2, 0, 0] = 254, 2
    found = count_pixels(scores, labels, edges, threads=threads)
    assert (found.bad_map, found.bad_mask) == (4, 2)


def test_zero_is_good_whatever_its_sign_and_nothing_is_nothing():
    zero = np.array([[[-0.0, 0.0]]])
    assert count_pixels(zero, np.ones((1, 1, 2), np.uint8), grid(10)).counts[0, 1] == 2
    assert not count_pixels(np.empty((0, 3, 3)), np.empty((0, 3, 3), np.uint8), grid(10)).counts.any()


def test_numba_waits_until_pixels_are_counted():
    code = "import sys, wsol.metrics.masks; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
