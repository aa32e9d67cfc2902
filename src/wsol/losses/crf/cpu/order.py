"""An order of pixels in which neighbours in the list are neighbours in place and colour, and the boxes of its tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.jit import jit

TILE = 64


def tree_order(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices (N,) of points (D, N): halved by the widest axis down to tiles of 64; all but the last are full."""
    order = np.arange(points.shape[1])
    _split(points, order, np.empty(points.shape[1], dtype=np.float32))
    return order


def tile_boxes(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest coordinates (D, T) of each 64 points in a row of points (D, N)."""
    starts = np.arange(0, points.shape[1], TILE)
    return np.minimum.reduceat(points, starts, axis=1), np.maximum.reduceat(points, starts, axis=1)


@jit
def _split(points: Any, order: Any, keys: Any) -> None:  # pragma: no cover - compiled
    stack = np.empty((64, 2), dtype=np.int64)
    stack[0, 0], stack[0, 1] = 0, order.size
    depth = 1
    while depth > 0:
        depth -= 1
        start, stop = stack[depth, 0], stack[depth, 1]
        if stop - start <= TILE:
            continue
        axis, widest = 0, np.float32(-1)
        for candidate in range(points.shape[0]):
            coordinates = points[candidate]
            low = high = coordinates[order[start]]
            for place in range(start + 1, stop):
                value = coordinates[order[place]]
                low, high = min(low, value), max(high, value)
            if high - low > widest:
                axis, widest = candidate, high - low
        for place in range(start, stop):
            keys[place] = points[axis, order[place]]
        tiles = (stop - start + TILE - 1) // TILE
        middle = start + tiles // 2 * TILE
        _select(keys, order, start, stop - 1, middle)
        stack[depth, 0], stack[depth, 1] = start, middle
        stack[depth + 1, 0], stack[depth + 1, 1] = middle, stop
        depth += 2


@jit
def _select(keys: Any, order: Any, low: Any, high: Any, middle: Any) -> None:  # pragma: no cover - compiled
    """Hoare's selection: keys before `middle` are at most, from it on at least, the one that belongs there."""
    while low < high:
        pivot = keys[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while keys[j] > pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return
