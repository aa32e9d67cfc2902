"""Counts of object and background pixels in bins of their score, with Numba.

The bin of a score x is `numpy.searchsorted(edges, float64(x), side="right")`. Where the edges are i * step in float64,
as those of the released evaluator are, the bin is guessed by a multiplication and repaired against the very same
products; other edges are searched between the two that enclose a small piece of [0, 1]. Counting goes to four
interleaved histograms, since neighbouring pixels of a smooth map fall into one bin and would wait for each other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsol.jit import jit
from wsol.threads import over_images

_LANES = 4
_ROWS = 4  # object, background, ignored, invalid
_PART = 2048
_FINEST = 2.0**-20
"""Steps below this are searched, so that a guess is a small integer and at most one off."""
_NONE = -1


class PixelCounts(NamedTuple):
    """counts (2, E + 1) int64, or (n, 2, E + 1) uint16 or uint32 one by one: object, then background, in bin 0...E.

    bad_map and bad_mask are the first image with a score that is not in [0, 1] and with an unknown label, or -1; the
    counts mean nothing unless both are.
    """

    counts: NDArray[Any]
    bad_map: int
    bad_mask: int


def count_pixels(
    score_maps: NDArray[np.floating],
    labels: NDArray[Any],
    edges: NDArray[np.float64],
    *,
    one_by_one: bool = False,
    threads: int = 1,
) -> PixelCounts:
    """Pixels of score maps (n, H, W) with labels (n, H, W), 1 object, 0 background, 255 ignored, between E edges.

    Edges increase and end with 1. Any memory layout; float32 and float64 are read as they are, other floats are
    converted, labels to uint8. Bin 0 lies below the first edge, bin E is {1}. More threads change the time alone.
    """
    dtype = np.dtype(np.float32 if score_maps.dtype in (np.float16, np.float32) else np.float64)
    step = uniform_step(edges)
    places = _pieces(edges) if step == 0 else np.zeros(1, dtype=np.int32)
    n_bins, pixels = edges.size + 1, int(np.prod(score_maps.shape[1:]))
    compact = np.uint16 if pixels < 2**16 else np.uint32
    images = np.zeros((len(score_maps) if one_by_one else 0, 2, n_bins), dtype=compact)

    def share(start: int, stop: int) -> tuple[NDArray[np.int64], int, int]:
        total, bad_map, bad_mask = np.zeros((2, n_bins), dtype=np.int64), _NONE, _NONE
        codes = np.empty(_PART, dtype=np.int32)
        lanes = np.empty((_LANES, _ROWS * n_bins), dtype=np.uint32)
        for index in range(start, stop):
            # Read-only arrays are other types to Numba, which would compile anew for them.
            scores = np.require(score_maps[index], dtype, ["C", "A", "W"]).reshape(-1)
            marks = np.require(labels[index], np.uint8, ["C", "A", "W"]).reshape(-1)
            if one_by_one:
                total[:] = 0
            wrong, unknown = _count(scores, marks, edges, step, places, codes, lanes, total)
            bad_map = index if wrong and bad_map == _NONE else bad_map
            bad_mask = index if unknown and bad_mask == _NONE else bad_mask
            if one_by_one:
                images[index] = total
        return total, bad_map, bad_mask

    totals, bad_maps, bad_masks = zip(*over_images(len(score_maps), threads, share), strict=True)
    return PixelCounts(images if one_by_one else np.sum(totals, axis=0), _lowest(bad_maps), _lowest(bad_masks))


def uniform_step(edges: NDArray[np.float64]) -> float:
    """The step of edges 0, step, 2 step, ..., 1 where all but the last are exactly these products, else 0."""
    if edges.size == 2:
        return float(edges[0] == 0)
    step = float(edges[1])
    exact = edges.size > 2 and step >= _FINEST and np.array_equal(edges[:-1], np.arange(edges.size - 1) * step)
    return step if exact else 0.0


def _pieces(edges: NDArray[np.float64]) -> NDArray[np.int32]:
    """Bins (P + 2,) of the scores 0, 1 / P, ..., 1 and of one more; P is a power of two, so score * P is exact."""
    pieces = 1 << min(16, int(edges.size - 1).bit_length() + 2)
    found = np.searchsorted(edges, np.arange(pieces + 1) / pieces, side="right")
    return np.append(found, edges.size).astype(np.int32)


def _lowest(indices: tuple[int, ...]) -> int:
    return min((index for index in indices if index != _NONE), default=_NONE)


@jit
def _count(
    scores: Any, marks: Any, edges: Any, step: float, places: Any, codes: Any, lanes: Any, total: Any
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Add one map to total (2, E + 1); returns how many scores are outside [0, 1] and how many labels are unknown."""
    n_bins = total.shape[1]
    last = np.int32(edges.size - 2)
    inverse = 1.0 / step
    lanes[:] = 0
    wrong = 0
    for first in range(0, scores.size, codes.size):
        n = min(codes.size, scores.size - first)
        part, mark = scores[first : first + n], marks[first : first + n]
        outside = 0
        # One loop computes, one scatters: the first has no branch and becomes vector instructions.
        if step > 0.0:
            for j in range(n):
                x: Any = np.float64(part[j])
                inside = (x >= 0.0) & (x <= 1.0)
                outside += not inside
                x = x if inside else 0.0
                k = np.int32(x * inverse)
                k = np.int32(k - (k * step > x))
                k = np.int32(k + ((k + 1) * step <= x))
                codes[j] = min(k, last) + 1 + (x >= 1.0)
        else:
            for j in range(n):
                x = np.float64(part[j])
                inside = (x >= 0.0) & (x <= 1.0)
                outside += not inside
                x = x if inside else 0.0
                piece = int(x * (places.size - 2))
                low, high = np.int64(places[piece]), np.int64(places[piece + 1])
                while low < high:
                    middle = (low + high) // 2
                    if edges[middle] <= x:
                        low = middle + 1
                    else:
                        high = middle
                codes[j] = low
        wrong += outside
        for j in range(n):
            label = mark[j]
            rest = np.int32(2) if label == 255 else np.int32(3)
            row = np.int32(0) if label == 1 else (np.int32(1) if label == 0 else rest)
            codes[j] += row * np.int32(n_bins)
        full = n // 4 * 4
        for j in range(0, full, 4):
            lanes[0, codes[j]] += 1
            lanes[1, codes[j + 1]] += 1
            lanes[2, codes[j + 2]] += 1
            lanes[3, codes[j + 3]] += 1
        for j in range(full, n):
            lanes[0, codes[j]] += 1
    for kind in range(2):
        for j in range(n_bins):
            code = kind * n_bins + j
            total[kind, j] += np.int64(lanes[0, code]) + lanes[1, code] + lanes[2, code] + lanes[3, code]
    unknown = 0
    for code in range(3 * n_bins, 4 * n_bins):
        unknown += np.int64(lanes[0, code]) + lanes[1, code] + lanes[2, code] + lanes[3, code]
    return wrong, unknown
