"""The CUDA sources, compiled with g++ and run under an emulation of CUDA, against the slow definitions.

This shows that the kernels compute the right numbers whatever the order of threads, warps and atomics; that a GPU runs
them, and how fast, it cannot show.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.attribution import postprocess
from wsol.errors import DataError, ParameterError
from wsol.metrics import oracle
from wsol.metrics.engine import cuda
from wsol.metrics.engine.cuda import box_launches, pixel_launches
from wsol.metrics.engine.cuda.kernels import groups
from wsol.metrics.levels import quantise, threshold_grid

RULES = ("all", "largest", "external")
EXECUTIONS = ["forwards", "backwards", "random"]
BLOCKS = 3
PLENTY = 1 << 28


@pytest.fixture(scope="module")
def emulator() -> ModuleType:
    path = Path(__file__).with_name("cuda_emulation") / "emulator.py"
    specification = importlib.util.spec_from_file_location("cuda_emulator", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def make_device(emulator, tmp_path_factory):
    library = emulator.build(tmp_path_factory.mktemp("kernels"))
    return lambda order="forwards", seed=0: emulator.EmulatedDevice(library, order, seed)


def expected(maps: np.ndarray, boxes: list[np.ndarray], rules=RULES, corners="exclusive") -> np.ndarray:
    tables = [oracle.best_iou(grey, truth, rules, corners) for grey, truth in zip(quantise(maps), boxes, strict=True)]
    return np.stack(tables, axis=1)


def check(device: Any, maps: np.ndarray, boxes: list[np.ndarray], corners="exclusive", scratch=PLENTY) -> None:
    values, maximum = box_launches.best_iou(device, maps, boxes, RULES, corners, scratch)
    assert values.dtype == np.float64
    assert (maximum == quantise(maps).max(axis=(1, 2))).all()
    wrong = np.argwhere(values != expected(maps, boxes, RULES, corners))
    assert len(wrong) == 0, f"{len(wrong)} of {values.size} differ, first (rule, map, level) {wrong[0]}"


def random_boxes(rng: np.random.Generator, count: int, height: int, width: int) -> list[np.ndarray]:
    """One to four boxes a map with fractional corners, some of them beyond the map."""
    sides = np.array([width, height])
    return [
        np.sort(rng.uniform(0, 1.1 * sides, (rng.integers(1, 5), 2, 2)), axis=1).reshape(-1, 4) for _ in range(count)
    ]


def blobs(rng: np.random.Generator, size: int, noise: float = 0.0, low: int = 28) -> np.ndarray:
    """One to five Gaussians at low resolution, with noise, upsampled and brought to [0, 1]: like a CAM."""
    y, x = np.mgrid[:low, :low]
    total = noise * rng.normal(size=(low, low))
    for _ in range(rng.integers(1, 6)):
        row, column, width = rng.uniform(0, low), rng.uniform(0, low), rng.uniform(low / 14, low / 4)
        total += rng.uniform(0.3, 1) * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
    return postprocess.score_maps(total[None], size)[0]


def spiral(side: int) -> np.ndarray:
    """A path one pixel wide that winds inwards, falling by a level every few pixels."""
    canvas = np.zeros((side, side))
    y, x, dy, dx, value = 0, 0, 0, 1, 1.0
    canvas[0, 0] = value
    for _ in range(side * side):
        beyond = (y + 2 * dy, x + 2 * dx)
        ahead = (y + dy, x + dx)
        free = 0 <= ahead[0] < side and 0 <= ahead[1] < side and canvas[ahead] == 0
        if not free or (0 <= beyond[0] < side and 0 <= beyond[1] < side and canvas[beyond] > 0):
            dy, dx = dx, -dy
            if canvas[min(max(y + dy, 0), side - 1), min(max(x + dx, 0), side - 1)] > 0:
                break
            continue
        y, x = ahead
        value = max(value - 1 / (side * side), 0.05)
        canvas[y, x] = value
    return canvas


def rings(side: int, rng: np.random.Generator) -> np.ndarray:
    """Concentric rings of random heights, with a gap in some: islands in holes in islands."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    heights = rng.integers(0, 6, side) / 5
    canvas = heights[np.hypot(y, x).astype(int)]
    canvas[side // 2, rng.integers(0, side, 3)] = 0.3
    return canvas


def checkerboard(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.where((y + x) % 2 == 0, rng.uniform(0.5, 1, (height, width)), rng.uniform(0, 0.4, (height, width)))


def kinds(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    side = 24
    diamond = np.zeros((9, 12))
    diamond[[1, 2, 2, 3, 3, 3], [4, 3, 5, 4, 6, 7]] = 1  # a hole of one pixel whose ring has a tail
    equal_blobs = np.zeros((14, 20))
    for row, column in [(1, 1), (1, 12), (8, 2), (9, 13)]:
        equal_blobs[row : row + 3, column : column + 4] = 0.8
    equal_blobs[1, 13] = equal_blobs[9, 2] = 1
    valley = np.full((4, 150), 0.2)  # flat over whole words of 32 pixels, between a fall and a rise
    valley[1:3, [2, 3, 146]] = [0.9, 0.6, 0.8]
    peaks = np.zeros((5, 9))
    peaks[[0, 0, 4, 4], [1, 7, 0, 8]] = 1
    return {
        "noise": rng.random((37, 33)),
        "few levels": rng.integers(0, 4, (30, 41)) / 3,
        "binary": rng.integers(0, 2, (26, 65)).astype(float),
        "plateaus": np.kron(rng.integers(0, 5, (7, 6)) / 4, np.ones((4, 5))),
        "blurred": np.clip(cv2.GaussianBlur(rng.random((50, 64)), (5, 5), 0) * 1.5 - 0.3, 0, 1),
        "clipped": np.minimum(blobs(rng, 48, 0.2, 12) * 1.6, 1),
        "dim": blobs(rng, 40, 0.1, 10) * 0.3,
        "inverted": 1 - blobs(rng, 70, 0.3, 14),
        "rings": rings(31, rng),
        "spiral": spiral(29),
        "flipped spiral": 1 - spiral(28),
        "checkerboard": checkerboard(17, 32, rng),
        "flat checkerboard": np.indices((9, 31)).sum(axis=0) % 2 * 1.0,
        "rows": np.tile(rng.integers(0, 4, (side, 1)) / 3, (1, side)),
        "columns": np.tile(rng.integers(0, 4, (1, side)) / 3, (side, 1)),
        "ramp": np.linspace(0, 1, 63)[None] * np.ones((13, 1)),
        "wide plateaus": np.kron(rng.integers(0, 5, (4, 5)) / 4, np.ones((2, 45))),
        "wide valley": valley,
        "diamond": diamond,
        "equal blobs": equal_blobs,
        "peaks": peaks,
        "one row": rng.random((1, 70)),
        "one column": rng.random((70, 1)),
        "one pixel": np.full((1, 1), 0.5),
        "zero": np.zeros((6, 7)),
        "below one level": np.full((6, 7), 0.9 / 255),
        "one": np.ones((5, 4)),
        "last column": np.eye(1, 33, 32).repeat(3, axis=0),
    }


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("corners", ["exclusive", "inclusive"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_level_of_every_kind_of_map_equals_the_oracle(make_device, execution, corners, dtype):
    seed = EXECUTIONS.index(execution)
    for name, score_map in kinds(seed).items():
        boxes = random_boxes(np.random.default_rng(seed), 1, *score_map.shape)
        try:
            check(make_device(execution, seed), score_map[None].astype(dtype), boxes, corners)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_maps_of_224_pixels_equal_the_oracle(make_device, execution):
    rng = np.random.default_rng(7)
    maps = np.stack([blobs(rng, 224), blobs(rng, 224, 0.15), blobs(rng, 224, 0.15, 14)])
    check(make_device(execution, 1), maps, random_boxes(rng, 3, 224, 224))


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)).filter(lambda shape: shape[0] * shape[1] <= 700),
    st.sampled_from([1, 2, 3, 5, 20, 255]),
    st.integers(0, 3),
    st.sampled_from(["exclusive", "inclusive"]),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(EXECUTIONS),
    st.integers(0, 2**31),
)
def test_random_maps_equal_the_oracle(make_device, shape, top, blur, corners, dtype, execution, seed):
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, top + 1, (3, *shape)).astype(np.float64)
    if blur:
        grey = np.stack([cv2.blur(one, (blur, blur)).reshape(shape) for one in grey])
    check(make_device(execution, seed), (grey / 255).astype(dtype), random_boxes(rng, 3, *shape), corners)


@pytest.mark.parametrize("levels", [2, 3])
def test_small_maps_full_of_ties_equal_the_oracle(make_device, levels):
    rng = np.random.default_rng(levels)
    maps = rng.integers(0, levels, (250, 5, 6)) / (4 * (levels - 1))
    boxes = random_boxes(rng, len(maps), 5, 6)
    check(make_device("random", levels), maps, boxes)


def test_every_binary_map_of_nine_pixels_equals_the_oracle(make_device):
    maps = np.array(list(itertools.product([0, 1 / 255], repeat=9))).reshape(-1, 3, 3)
    check(make_device(), maps, [np.array([[0, 1, 2, 2.5], [1, 0, 1, 0]])] * len(maps))


def test_groups_of_any_size_give_the_same(make_device):
    rng = np.random.default_rng(3)
    maps = np.stack([np.minimum(blobs(rng, 40, noise, 10) * 1.2, 1) for noise in (0, 1, 0.05, 3, 0, 0.3)])
    boxes = random_boxes(rng, len(maps), 40, 40)
    together, apart = make_device(), make_device()
    check(together, maps, boxes)
    check(apart, maps, boxes, scratch=1)
    assert apart.launches.count("box_levels") > together.launches.count("box_levels")
    check(make_device(), maps, boxes, scratch=200_000)


def test_each_rule_alone_and_in_any_order_gives_the_same(make_device):
    rng = np.random.default_rng(4)
    maps = np.stack([blobs(rng, 33, noise, 9) for noise in (0, 0.5)])
    boxes = random_boxes(rng, 2, 33, 33)
    together = expected(maps, boxes)
    for rules in [("external",), ("largest",), ("all",), ("largest", "all", "largest")]:
        values, _ = box_launches.best_iou(make_device(), maps, boxes, rules, "exclusive", PLENTY)
        assert (values == together[[RULES.index(rule) for rule in rules]]).all()


def test_no_maps_give_empty_tables(make_device):
    values, maximum = box_launches.best_iou(make_device(), np.zeros((0, 8, 8)), [], RULES, "exclusive", PLENTY)
    assert values.shape == (3, 0, 256)
    assert maximum.shape == (0,)


def test_impossible_requests_are_refused(make_device):
    device, maps, boxes = make_device(), np.zeros((1, 4, 4)), [np.array([[0, 0, 1, 1.0]])]
    with pytest.raises(ParameterError, match="contours"):
        box_launches.best_iou(device, maps, boxes, ("most",), "exclusive", PLENTY)
    with pytest.raises(ParameterError, match="boxes of 0"):
        box_launches.best_iou(device, maps, [], RULES, "exclusive", PLENTY)
    with pytest.raises(ParameterError, match="too large"):
        box_launches.best_iou(device, np.zeros((1, 1, 20000)), boxes, RULES, "exclusive", PLENTY)
    with pytest.raises(ParameterError, match="increase"):
        pixel_launches.pixel_histograms(device, maps, maps.astype(np.uint8), np.array([0.5, 0.2]), BLOCKS)
    with pytest.raises(ParameterError, match="shape"):
        pixel_launches.pixel_histograms(device, maps, maps[0].astype(np.uint8), np.array([0.5]), BLOCKS)


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 100))
def test_groups_keep_the_order_and_the_budget(sizes, budget):
    parts = [sizes[part] for part in groups(np.array(sizes, dtype=np.int64), budget)]
    assert [size for part in parts for size in part] == sizes
    assert all(part and (sum(part) <= budget or len(part) == 1) for part in parts)


def test_the_order_of_the_maps_and_quantising_of_both_types(make_device):
    # Around every boundary of a grey level: one map per neighbour of k / 255, in both types.
    for dtype in (np.float32, np.float64):
        exact = (np.arange(256) / 255).astype(dtype)
        near = [exact, np.nextafter(exact, dtype(0)), np.minimum(np.nextafter(exact, dtype(2)), dtype(1))]
        maps = np.concatenate(near).reshape(-1, 1, 1)
        _, maximum = box_launches.best_iou(make_device(), maps, [np.zeros((1, 4))] * len(maps), (), "exclusive", PLENTY)
        assert (maximum == quantise(maps)[:, 0, 0]).all()


GRIDS = {
    "1000 steps": np.append(threshold_grid(1000), 1.0),
    "49 steps": np.append(threshold_grid(49)[:-1], 1.0),
    "3 steps": np.append(threshold_grid(3), 1.0),
    "one edge": np.array([1.0]),
    "irregular": np.array([0.1, 0.11, 0.5, 0.99, 1.0]),
    "near zero": np.array([0, 1e-9, 0.5, 1.0]),
    "5000 steps": np.append(threshold_grid(5000), 1.0),
}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_histograms_equal_searchsorted(make_device, name, dtype):
    edges = GRIDS[name]
    rng = np.random.default_rng(5)
    on_edges = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 1)])
    scores = np.concatenate([on_edges, rng.random(500), np.zeros(100), np.ones(9)]).astype(dtype)
    scores = np.minimum(scores, dtype(1))[None, None]
    labels = rng.choice([0, 1, 255], scores.shape).astype(np.uint8)
    bins = np.searchsorted(edges, scores.astype(np.float64), side="right")
    wanted = [np.bincount(bins[labels == label], minlength=len(edges) + 1) for label in (1, 0)]
    for execution in EXECUTIONS:
        counts = pixel_launches.pixel_histograms(make_device(execution, 2), scores, labels, edges, BLOCKS)
        assert counts.dtype == np.int64
        assert (counts == wanted).all()


def test_only_regular_grids_are_guessed():
    regular = {name for name, edges in GRIDS.items() if pixel_launches.guess_scale(edges) > 0}
    assert regular == {"1000 steps", "49 steps", "3 steps", "5000 steps"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_invalid_maps_are_found(make_device, dtype):
    maps = np.random.default_rng(6).random((6, 20, 31)).astype(dtype)
    maps[0, 0, 0], maps[0, 1, 1] = 0, 1
    maps[1, 19, 30] = np.nan
    maps[2, 5, 5] = np.nextafter(dtype(1), dtype(2))
    maps[3, 0, 0] = -np.finfo(dtype).tiny
    maps[4, 7, 3] = np.inf
    maps[5, 1, 1] = -0.0
    for execution in EXECUTIONS:
        found = pixel_launches.invalid_maps(make_device(execution), maps)
        assert found.tolist() == [False, True, True, True, True, False]


@settings(deadline=None, max_examples=30)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(postprocess.ORDERS),
    st.sampled_from(postprocess.INTERPOLATIONS),
    st.sampled_from([np.float32, np.float64, np.int64]),
    st.sampled_from(EXECUTIONS),
    st.integers(0, 999),
)
def test_score_maps_equal_those_of_the_cpu(make_device, side, size, order, interpolation, dtype, execution, seed):
    raw = (100 * np.random.default_rng(seed).normal(size=(5, *side))).astype(dtype)
    raw[1] = 3
    if dtype != np.int64:
        raw[2, 0, 0], raw[3, -1, -1] = np.nan, np.inf
    given_maps = raw.copy()
    scores = pixel_launches.score_maps(make_device(execution, seed), raw, size, order, interpolation, BLOCKS)
    assert scores.dtype == np.float64
    np.testing.assert_array_equal(scores, postprocess.score_maps(raw, size, order, interpolation))
    np.testing.assert_array_equal(raw, given_maps)


def test_score_maps_at_full_size_equal_those_of_the_cpu(make_device):
    raw = np.random.default_rng(8).normal(size=(2, 28, 28)).astype(np.float32)
    scores = pixel_launches.score_maps(make_device(), raw, 224, "resize-normalize", "bicubic", BLOCKS)
    np.testing.assert_array_equal(scores, postprocess.score_maps(raw, 224))


@pytest.fixture
def cupy(emulator, make_device, monkeypatch):
    stand_in = emulator.stand_in_for_cupy(make_device())
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    cuda._module.cache_clear()
    yield stand_in
    cuda._module.cache_clear()


def test_the_functions_on_cupy_arrays(cupy):
    rng = np.random.default_rng(9)
    assert cuda.available()
    raw = rng.normal(size=(3, 7, 8)).astype(np.float32)
    scores = cuda.score_maps(raw, (30, 34))
    np.testing.assert_array_equal(scores, postprocess.score_maps(raw, (30, 34)))
    boxes = random_boxes(rng, 3, 30, 34)
    for maps in (scores, scores.astype(np.float32), scores.astype(np.float16), np.asfortranarray(scores)):
        values, maximum = cuda.best_iou(maps, boxes, RULES)
        assert (values == expected(maps, boxes)).all()
        assert maximum.dtype == np.uint8
    assert cuda.best_iou(scores, boxes, scratch_bytes=1)[0].shape == (2, 3, 256)
    assert not cuda.invalid_maps(scores).any()
    labels = rng.choice([0, 1, 255], scores.shape).astype(np.uint8)
    assert cuda.pixel_histograms(scores, labels, GRIDS["1000 steps"]).sum() == (labels != 255).sum()
    with pytest.raises(ParameterError, match="uint8"):
        cuda.pixel_histograms(scores, labels.astype(int), GRIDS["1000 steps"])
    with pytest.raises(ParameterError, match="shape"):
        cuda.invalid_maps(scores[0])
    with pytest.raises(ParameterError, match="type"):
        cuda.best_iou(labels, boxes)
    with pytest.raises(DataError, match="shape"):
        cuda.score_maps(raw[0], 30)
    with pytest.raises(ParameterError, match="order"):
        cuda.score_maps(raw, 30, order="none")


def test_without_cupy_or_a_device_the_engine_is_not_available(cupy, monkeypatch):
    cupy.cuda.is_available = lambda: False
    assert not cuda.available()
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert not cuda.available()


def test_the_emulation_shows_faults(make_device):
    values = np.arange(64, dtype=np.int32)
    for execution in EXECUTIONS:
        device = make_device(execution, 3)
        sound, racing = device.upload(values), device.upload(values)
        device.launch("reverse_with_barrier", 1, 64, sound)
        assert (sound == values[::-1]).all()
        device.launch("reverse_without_barrier", 1, 64, racing)
        assert (racing != values[::-1]).any()
        with pytest.raises(AssertionError, match=r"barrier|different"):
            device.launch("barrier_for_some", 1, 64, device.upload(values))
        with pytest.raises(AssertionError, match="different warp-wide operations"):
            device.launch("lanes_that_part", 1, 64, device.upload(values))
        with pytest.raises(AssertionError, match="outside an array"):
            device.launch("stray_write", 1, 64, device.upload(values))
