"""`wsol.attribution.postprocess.score_maps` for arrays, compiled with Numba: the same numbers, to the last bit.

Every sum is made in the order of the definition, and no multiplication is fused with an addition, so results do not
depend on which of the two made them. What is saved is memory traffic: a map stays in cache from its rows to its scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.attribution.postprocess import ROUNDING, checked_request, taps
from wsol.jit import jit
from wsol.threads import over_images


def score_maps(
    maps: Any,
    size: int | Sequence[int],
    order: str = "resize-normalize",
    interpolation: str = "bicubic",
    *,
    threads: int = 1,
) -> NDArray[np.float64]:
    """Maps (B, h, w) of any range as float64 score maps (B, H, W) in [0, 1]; see `postprocess.score_maps`.

    Takes arrays alone. More threads change the time, not the values. Raises DataError or ParameterError.
    """
    maps, (height, width) = checked_request(maps, size, order, interpolation)
    dtype = np.dtype(np.float32 if maps.dtype in (np.float16, np.float32) else np.float64)
    rows, columns = _taps(maps.shape[1], height, interpolation), _taps(maps.shape[2], width, interpolation)
    resize, first = maps.shape[1:] != (height, width), order == "normalize-resize"
    as_is = order == "as-is"
    scores = np.empty((len(maps), height, width))

    def share(start: int, stop: int) -> None:
        source = np.empty(maps.shape[1:])
        wide = np.empty((maps.shape[1], width))
        extremes = np.empty((3, max(width, maps.shape[2])))
        for index in range(start, stop):
            # Read-only arrays are other types to Numba, which would compile anew for them.
            one = np.require(maps[index], dtype, ["C", "A", "W"])
            _score(one, *rows, *columns, resize, first, as_is, source, wide, extremes, scores[index])

    over_images(len(maps), threads, share)
    return scores


@lru_cache(maxsize=16)
def _taps(old: int, new: int, interpolation: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return taps(old, new, interpolation)


@jit
def _score(
    one: Any,
    row_index: Any,
    row_weight: Any,
    column_index: Any,
    column_weight: Any,
    resize: bool,
    normalise_first: bool,
    as_is: bool,
    source: Any,
    wide: Any,
    extremes: Any,
    scores: Any,
) -> None:  # pragma: no cover - compiled
    """One map (h, w) to scores (H, W); source (h, w), wide (h, W) and extremes (3, max(w, W)) are scratch."""
    for y in range(one.shape[0]):
        for x in range(one.shape[1]):
            source[y, x] = one[y, x]
    if normalise_first:
        _normalise(source, extremes)
    if resize:
        _resize(source, row_index, row_weight, column_index, column_weight, wide, scores)
    else:
        scores[:] = source
    if normalise_first:
        for y in range(scores.shape[0]):
            row = scores[y]
            for x in range(row.size):
                value = row[x]
                value = 0.0 if value < 0.0 else value
                row[x] = 1.0 if value > 1.0 else value
    elif as_is:
        _clip_sound(scores)
    else:
        _normalise(scores, extremes)


@jit
def _resize(
    source: Any, row_index: Any, row_weight: Any, column_index: Any, column_weight: Any, wide: Any, scores: Any
) -> None:  # pragma: no cover - compiled
    """Along rows, then along columns; each value adds its 2 or 4 products in the order of the taps."""
    for y in range(source.shape[0]):
        row, out = source[y], wide[y]
        i, w = column_index[0], column_weight[0]
        for x in range(out.size):
            out[x] = row[i[x]] * w[x]
        for k in range(1, len(column_index)):
            i, w = column_index[k], column_weight[k]
            for x in range(out.size):
                out[x] += row[i[x]] * w[x]
    for y in range(scores.shape[0]):
        out = scores[y]
        a, b = wide[row_index[0, y]], wide[row_index[1, y]]
        u, v = row_weight[0, y], row_weight[1, y]
        if len(row_index) == 2:
            for x in range(out.size):
                out[x] = a[x] * u + b[x] * v
        else:
            c, d = wide[row_index[2, y]], wide[row_index[3, y]]
            s, t = row_weight[2, y], row_weight[3, y]
            for x in range(out.size):
                out[x] = ((a[x] * u + b[x] * v) + c[x] * s) + d[x] * t


@jit
def _clip_sound(values: Any) -> None:  # pragma: no cover - compiled
    """In place to [0, 1] by cutting off; all 0 where a value is not finite."""
    fault = 0.0
    for y in range(values.shape[0]):
        row = values[y]
        for x in range(row.size):
            fault += row[x] - row[x]  # NaN once there was a value that is not finite
    sound = fault == 0.0
    for y in range(values.shape[0]):
        row = values[y]
        for x in range(row.size):
            value = row[x] if sound else 0.0
            value = 0.0 if value < 0.0 else value
            row[x] = 1.0 if value > 1.0 else value


@jit
def _normalise(values: Any, extremes: Any) -> None:  # pragma: no cover - compiled
    """In place to [0, 1] by minimum and maximum; all 0 where a value is not finite, or none differs."""
    width = values.shape[1]
    # A minimum for each column: unlike one for all, these do not wait for each other.
    low, high, fault = extremes[0, :width], extremes[1, :width], extremes[2, :width]
    low[:] = values[0]
    high[:] = values[0]
    fault[:] = 0.0
    for y in range(values.shape[0]):
        row = values[y]
        for x in range(width):
            value = row[x]
            low[x] = value if value < low[x] else low[x]
            high[x] = value if value > high[x] else high[x]
            fault[x] += value - value  # NaN once there was a value that is not finite
    least, most, sound = low[0], high[0], True
    for x in range(width):
        least, most = min(least, low[x]), max(most, high[x])
        sound = sound and fault[x] == 0.0
    span = most - least
    if sound and np.isfinite(span) and span > ROUNDING * max(abs(least), abs(most)):
        for y in range(values.shape[0]):
            row = values[y]
            for x in range(width):
                row[x] = (row[x] - least) / span
    else:
        values[:] = 0.0
