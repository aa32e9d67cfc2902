"""The CUDA engine, on CuPy arrays: exact evaluation without the score maps ever leaving the device.

What is parallel. Maps are: every kernel has one block per map (or one warp), thousands of maps in flight. Within a map,
quantising, cutting rows into intervals, filling, and the attributes of classes go over pixels with neighbouring lanes
on neighbouring pixels; the edges between intervals are one thread per pair of rows; union-find over intervals is by
pointer jumping. Only what is left, Kruskal over classes (about one for each local maximum) and the boxes of its arcs,
is one warp per map: one lane for the merges; all 32 for looking ahead at the four sides of a box, merging maxima, and
entering an IoU at all the levels it holds for. The boxes kernel takes 10 KB of shared memory and 94 registers a thread
(CUDA 13.0, sm_90), which leaves room for 20 maps in work on each multiprocessor of an H100 or H200.

Memory. Apart from the maps: two bytes a pixel, a quarter byte of interval marks, 2 KB a map and rule; then 80 bytes an
interval, and for each class its column and row maxima (H + W bytes) and, where several components compete for the
largest area, a histogram (1 KB). A smooth 224 x 224 map has a few hundred intervals and up to some tens of classes, a
noisy 28 x 28 map upsampled to it about 2,300 and 170, pixel noise 17,000 and 6,000 (background: 10,000). What a kernel
needs is counted by the one before it, and maps are worked on in groups that fit `scratch_bytes`, so noise takes longer
but cannot overflow. Back to the host come those counts, and the tables.

Exactness. The kernels are compiled with --fmad=false, and quantising, IoU and upsampling do the same float64 operations
in the same order as the CPU's, so that values are equal and not merely close.

What has been verified: the very sources, compiled for the CPU under an emulation of blocks, warps, barriers and
atomics in several orders of execution (tests/metrics/engine), equal `wsol.metrics.oracle` at every grey level, NumPy in
every bin and `wsol.attribution.postprocess` in every pixel; NVRTC and nvcc compile them for sm_90. What has not: the
kernels have not run on a GPU, nor have they been timed on one.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wsol.errors import ParameterError
from wsol.metrics.engine.cuda import box_launches, kernels, pixel_launches
from wsol.metrics.levels import Contours, Corners

SCRATCH_BYTES = 2 << 30
"""Scratch memory of `best_iou` unless told otherwise; never more than half of what is free."""

_COMPILER_OPTIONS = ("--std=c++17", "--fmad=false")
_BLOCKS_PER_MULTIPROCESSOR = 8


def available() -> bool:
    """Whether CuPy is installed and sees a device."""
    try:
        import cupy
    except ImportError:
        return False
    return bool(cupy.cuda.is_available())


def best_iou(
    score_maps: Any,
    boxes: Sequence[NDArray[np.float64]],
    contours: Sequence[Contours] = ("all", "largest"),
    corners: Corners = "exclusive",
    *,
    scratch_bytes: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """As `wsol.metrics.engine.best_iou`, for CuPy score maps (n, H, W) in [0, 1]: values (R, n, 256), maximum (n,).

    Raises ParameterError.
    """
    maps = _scores(score_maps)
    if scratch_bytes is None:
        scratch_bytes = min(SCRATCH_BYTES, _free_bytes() // 2)
    return box_launches.best_iou(CupyDevice(), maps, boxes, contours, corners, scratch_bytes)


def invalid_maps(score_maps: Any) -> NDArray[np.bool_]:
    """(n,) which CuPy maps (n, H, W) hold a NaN, a value below 0 or one above 1."""
    return pixel_launches.invalid_maps(CupyDevice(), _scores(score_maps))


def pixel_histograms(score_maps: Any, labels: Any, edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """(2, E + 1) numbers of object and of background pixels of CuPy score maps (n, H, W), by bin.

    labels (n, H, W) uint8 on the device: 1 object, 0 background, anything else ignored. edges (E,) increase; the bin is
    numpy.searchsorted(edges, score, side="right") in float64, so that bin 0 lies below the first edge. Raises
    ParameterError.
    """
    import cupy

    if labels.dtype != np.uint8:
        raise ParameterError(f"labels have type {labels.dtype}; give uint8")
    labels = cupy.ascontiguousarray(labels)
    return pixel_launches.pixel_histograms(CupyDevice(), _scores(score_maps), labels, edges, _blocks())


def score_maps(
    raw: Any, size: int | Sequence[int], order: str = "resize-normalize", interpolation: str = "bicubic"
) -> Any:
    """As `wsol.attribution.postprocess.score_maps`, for CuPy maps (n, h, w): CuPy float64 score maps (n, H, W).

    Equal to it in every pixel. Raises DataError or ParameterError.
    """
    return pixel_launches.score_maps(CupyDevice(), raw, size, order, interpolation, _blocks())


class CupyDevice:
    """`kernels.Device` on CuPy's current device and stream."""

    def __init__(self) -> None:
        import cupy

        self._cupy = cupy
        self._module = _module()
        self._functions: dict[str, Any] = {}

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> Any:
        return self._cupy.empty(tuple(shape), dtype)

    def zeros(self, shape: Sequence[int], dtype: DTypeLike) -> Any:
        return self._cupy.zeros(tuple(shape), dtype)

    def upload(self, array: NDArray[Any]) -> Any:
        return self._cupy.asarray(array)

    def download(self, array: Any) -> NDArray[Any]:
        return self._cupy.asnumpy(array)

    def launch(self, kernel: str, blocks: int, threads: int, *arguments: Any) -> None:
        # CuPy passes a Python int as a C long long; the kernels' int parameters are 32 bits wide.
        typed = tuple(
            np.int32(value) if type(value) is int else np.float64(value) if type(value) is float else value
            for value in arguments
        )
        if kernel not in self._functions:
            self._functions[kernel] = self._module.get_function(kernel)
        self._functions[kernel]((blocks,), (threads,), typed)


@functools.cache
def _module() -> Any:
    """The kernels; compiled at their first launch in a process, and kept by CuPy on disk for the next one."""
    import cupy

    return cupy.RawModule(code=kernels.source(), options=_COMPILER_OPTIONS)


def _scores(score_maps: Any) -> Any:
    import cupy

    if score_maps.ndim != 3 or 0 in score_maps.shape[1:]:
        raise ParameterError(f"score maps have shape {tuple(score_maps.shape)}; give one array (n, H, W) with pixels")
    if not np.issubdtype(score_maps.dtype, np.floating):
        raise ParameterError(f"score maps have type {score_maps.dtype}; give floats in [0, 1]")
    kept = score_maps.dtype in (np.float32, np.float64)
    return cupy.ascontiguousarray(score_maps, dtype=None if kept else np.float64)


def _blocks() -> int:
    import cupy

    return _BLOCKS_PER_MULTIPROCESSOR * int(cupy.cuda.Device().attributes["MultiProcessorCount"])


def _free_bytes() -> int:
    """What the device has free, and what CuPy's pool holds for new arrays."""
    import cupy

    return int(cupy.cuda.Device().mem_info[0]) + int(cupy.get_default_memory_pool().free_bytes())
