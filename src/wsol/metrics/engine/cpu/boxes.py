"""The CPU engine of the box metrics: best IoU at every grey level, both papers' contour rules in one pass."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wsol.metrics.engine.cpu.components import ALL, EXTERNAL, LARGEST
from wsol.metrics.engine.cpu.sweep import make_scratch, quantise_maps, score_greys
from wsol.metrics.levels import LEVELS, Contours, Corners
from wsol.threads import over_images

CHUNK = 8
"""Maps a thread takes at a time: few enough to share the work evenly, enough to reuse the scratch memory."""
ROWS: dict[Contours, int] = {"all": ALL, "largest": LARGEST, "external": EXTERNAL}


_own = threading.local()


def _scratch(height: int, width: int) -> tuple[np.ndarray, ...]:
    """This thread's scratch memory, kept while maps have one size: asking the system for it costs as much as a map."""
    if getattr(_own, "size", None) != (height, width):
        _own.size, _own.scratch = (height, width), make_scratch(height, width)
    return _own.scratch


def grey_levels(score_maps: NDArray[np.floating], threads: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """trunc(255 S) (n, H, W) of float32 or float64 score maps, and for each map whether all its scores lie in [0, 1].

    In float64 whatever the type, as `wsol.metrics.levels.quantise` does.
    """
    # Read-only arrays are other types to Numba, which would compile anew for them.
    pixels = math.prod(score_maps.shape[1:])
    flat = np.require(score_maps, requirements=["C", "A", "W"]).reshape(len(score_maps), pixels)
    greys, valid = np.empty(flat.shape, dtype=np.uint8), np.empty(len(flat), dtype=np.bool_)
    over_images(len(flat), threads, lambda low, high: quantise_maps(flat, low, high, greys, valid), at_most=CHUNK)
    return greys.reshape(score_maps.shape), valid


def best_iou(
    greys: NDArray[np.uint8],
    boxes: Sequence[NDArray[np.float64]],
    contours: Sequence[Contours],
    corners: Corners,
    threads: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """values (R, n, 256) and maximum (n,) of grey maps (n, H, W) against n arrays (M, 4) of boxes."""
    greys = np.require(greys, requirements=["C", "A", "W"])
    best, maximum = np.empty((len(greys), len(ROWS), LEVELS)), np.empty(len(greys), dtype=np.uint8)
    offsets = np.cumsum([0, *map(len, boxes)])
    truths = np.concatenate([np.empty((0, 4)), *(np.asarray(truth, dtype=np.float64) for truth in boxes)])
    wanted = np.array([rule in contours for rule in ROWS], dtype=np.bool_)
    beyond = 1 if corners == "exclusive" else 0

    def score(low: int, high: int) -> None:
        scratch = _scratch(*greys.shape[1:])
        score_greys(greys, truths, offsets, wanted, beyond, low, high, best, maximum, scratch)

    over_images(len(greys), threads, score, at_most=CHUNK)
    return np.stack([best[:, ROWS[rule]] for rule in contours]), maximum
