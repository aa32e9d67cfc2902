"""The launches of the pixel-wise kernels: checks, histograms of PxAP, and upsampling to score maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.attribution.postprocess import ROUNDING, checked_request, taps
from wsol.errors import ParameterError
from wsol.metrics.engine.cuda.kernels import Device, kind_of

THREADS = 256


def invalid_maps(device: Device, score_maps: Any) -> NDArray[np.bool_]:
    """Which of the maps (n, H, W) hold a NaN, a value below 0 or one above 1."""
    count = len(score_maps)
    if count == 0:
        return np.zeros(0, dtype=bool)
    invalid = device.empty((count,), np.uint8)
    pixels = np.int64(score_maps[0].size)
    device.launch(f"invalid_{kind_of(score_maps)}", count, THREADS, score_maps, pixels, invalid)
    return device.download(invalid) != 0


def pixel_histograms(
    device: Device, score_maps: Any, labels: Any, edges: NDArray[np.float64], blocks: int
) -> NDArray[np.int64]:
    """(2, E + 1) numbers of object and of background pixels by numpy.searchsorted(edges, score, side="right")."""
    if labels.shape != score_maps.shape:
        raise ParameterError(
            f"labels have shape {labels.shape} but score maps {score_maps.shape}; bring them to one size"
        )
    edges = np.ascontiguousarray(edges, dtype=np.float64)
    if edges.ndim != 1 or edges.size == 0 or (np.diff(edges) <= 0).any():
        raise ParameterError("edges of bins must increase")
    counts = device.zeros((2, edges.size + 1), np.uint64)
    if score_maps.size:
        pixels = int(score_maps.size)
        blocks = min(blocks, (pixels + THREADS - 1) // THREADS)
        device.launch(
            f"histogram_{kind_of(score_maps)}", blocks, THREADS, score_maps, labels, np.int64(pixels),
            device.upload(edges), edges.size, guess_scale(edges), counts,
        )  # fmt: skip
    return device.download(counts).astype(np.int64)


def guess_scale(edges: NDArray[np.float64]) -> float:
    """1 / step where all edges but the last lie near multiples of a step, so that a guess of the bin pays; else 0."""
    if edges.size < 3 or edges[0] != 0:
        return 0.0
    multiples = edges[:-1] / edges[1]
    return float(1 / edges[1]) if (abs(multiples - np.arange(edges.size - 1)) < 0.5).all() else 0.0


def score_maps(device: Device, raw: Any, size: int | Sequence[int], order: str, interpolation: str, blocks: int) -> Any:
    """As `wsol.attribution.postprocess.score_maps` for a NumPy array, for maps (n, h, w) of any type on the device.

    `raw` is left as it is. Raises DataError or ParameterError.
    """
    stand_in = np.broadcast_to(np.zeros((), dtype=raw.dtype), raw.shape)  # the check takes what NumPy can take
    _, (height, width) = checked_request(stand_in, size, order, interpolation)
    if len(raw) == 0:
        return device.zeros((0, height, width), np.float64)
    maps = raw.astype(np.float64, order="C", copy=True)  # normalised in place
    if order == "normalize-resize":
        scores = _resized(device, _normalised(device, maps), height, width, interpolation, blocks)
        device.launch("clip_scores", blocks, THREADS, scores, np.int64(scores.size))
        return scores
    resized = _resized(device, maps, height, width, interpolation, blocks)
    if order == "as-is":
        device.launch("clip_sound_maps", len(resized), THREADS, resized, np.int64(resized[0].size))
        return resized
    return _normalised(device, resized)


def _normalised(device: Device, maps: Any) -> Any:
    device.launch("normalise_maps", len(maps), THREADS, maps, np.int64(maps[0].size), float(ROUNDING))
    return maps


def _resized(device: Device, maps: Any, height: int, width: int, interpolation: str, blocks: int) -> Any:
    count, old_height, old_width = maps.shape
    if (old_height, old_width) == (height, width):
        return maps
    wide = _resize_axis(device, maps, (count, old_height, width), old_width, width, 1, interpolation, blocks)
    return _resize_axis(device, wide, (count, height, width), old_height, height, width, interpolation, blocks)


def _resize_axis(
    device: Device,
    maps: Any,
    shape: tuple[int, int, int],
    old: int,
    fresh: int,
    inner: int,
    interpolation: str,
    blocks: int,
) -> Any:
    indices, weights = taps(old, fresh, interpolation)
    result = device.empty(shape, np.float64)
    device.launch(
        "resize_axis", blocks, THREADS, maps, np.int64(result.size), old, fresh, inner, len(indices),
        device.upload(indices.astype(np.int32)), device.upload(np.ascontiguousarray(weights)), result,
    )  # fmt: skip
    return result
