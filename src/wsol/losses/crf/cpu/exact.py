"""The exact kernel on a CPU: pairs of tiles of pixels, each pair of pixels once, far tiles left out.

Pixels are put in the order of a 5-D tree, so that 64 in a row are alike in place and colour. Tiles whose boxes are more
than 6 σ apart are left out: each weight that this drops is below exp(-18) = 1.6e-8, the diagonal being 1, so that W S
is low by N · 1.6e-8 · max |S| at most, and by far less in practice.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.jit import fast_jit
from wsol.losses.crf.cpu.exp2 import exp2
from wsol.losses.crf.cpu.order import TILE, tile_boxes, tree_order
from wsol.threads import over_images

CUTOFF = 6.0
"""In σ; infinity leaves nothing out."""

_SHARES = 8
_RUN = 8 * TILE
_EXPONENT = math.sqrt(0.5 * math.log2(math.e))  # |scaled difference|² is -log2 of the weight


def filtered(
    values: NDArray[np.float32],
    images: NDArray[np.float32],
    sigma_rgb: float,
    sigma_xy: float,
    threads: int = 1,
    cutoff: float = CUTOFF,
) -> NDArray[np.float32]:
    """W S (B, K, H, W) of values (B, K, H, W) and images (B, 3, H, W), C-contiguous float32.

    Sums are grouped the same way whatever the number of threads, so results do not depend on it.
    """
    batch, channels, height, width = values.shape
    result = np.empty_like(values)
    for index in range(batch):
        points = scaled_features(images[index], sigma_rgb, sigma_xy)
        order = tree_order(points)
        points = np.ascontiguousarray(points[:, order])
        low, high = tile_boxes(points)
        limit = np.float32((cutoff * _EXPONENT) ** 2)
        flat = values[index].reshape(channels, -1)
        for first in range(0, channels, 2):
            pair = np.zeros((2, height * width), dtype=np.float32)
            pair[: channels - first] = flat[first : first + 2, order]
            total = _multiplied(points, pair, low, high, limit, threads)
            result[index, first : first + 2].reshape(-1, height * width)[:, order] = total[: channels - first]
    return result


def scaled_features(image: NDArray[np.float32], sigma_rgb: float, sigma_xy: float) -> NDArray[np.float32]:
    """(5, N): x, y, red, green, blue of an image (3, H, W), so that a weight is 2^-|difference|²."""
    _, height, width = image.shape
    points = np.empty((5, height, width), dtype=np.float32)
    points[0] = np.arange(width) * (_EXPONENT / sigma_xy)
    points[1] = np.arange(height)[:, None] * (_EXPONENT / sigma_xy)
    # Colours around 0: smaller numbers have finer roundings.
    points[2:] = (image - np.float32(127.5)) * np.float32(_EXPONENT / sigma_rgb)
    return points.reshape(5, -1)


def _multiplied(points: Any, pair: Any, low: Any, high: Any, limit: Any, threads: int) -> NDArray[np.float32]:
    shares = min(_SHARES, low.shape[1])

    def share(start: int, stop: int) -> list[NDArray[np.float32]]:
        parts = []
        for part in range(start, stop):
            into = np.zeros_like(pair)
            _tile_pairs(points, pair, low, high, limit, part, shares, into)
            parts.append(into)
        return parts

    parts = [part for some in over_images(shares, threads, share, at_most=1) for part in some]
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


@fast_jit
def _tile_pairs(
    points: Any, pair: Any, low: Any, high: Any, limit: Any, part: Any, parts: Any, into: Any
) -> None:  # pragma: no cover - compiled
    """Adds the products of tiles part, part + parts, ... with themselves and with all later ones."""
    pixels = points.shape[1]
    tiles = low.shape[1]
    weights = np.empty(_RUN, dtype=np.float32)
    for tile in range(part, tiles, parts):
        start, stop = tile * TILE, min((tile + 1) * TILE, pixels)
        for i in range(start, stop):
            _weigh(points, i, start, stop, weights)
            _gather(weights, pair, i, start, stop, into)
        other = tile + 1
        while other < tiles:
            if _apart(low, high, tile, other) > limit:
                other += 1
                continue
            first = other
            while other < tiles and (other - first) * TILE < _RUN and _apart(low, high, tile, other) <= limit:
                other += 1
            begin, end = first * TILE, min(other * TILE, pixels)
            for i in range(start, stop):
                _weigh(points, i, begin, end, weights)
                _gather(weights, pair, i, begin, end, into)
                _scatter(weights, pair[0, i], into[0, begin:end])
                _scatter(weights, pair[1, i], into[1, begin:end])


@fast_jit
def _apart(low: Any, high: Any, one: Any, other: Any) -> Any:  # pragma: no cover - compiled
    """Squared distance of two boxes."""
    total = np.float32(0)
    for axis in range(5):
        gap = max(low[axis, other] - high[axis, one], low[axis, one] - high[axis, other])
        gap = max(gap, np.float32(0))
        total += gap * gap
    return total


# Three loops where one would do: a compiler turns a loop into vector instructions if few arrays could overlap.


@fast_jit
def _weigh(points: Any, i: Any, begin: Any, end: Any, weights: Any) -> None:  # pragma: no cover - compiled
    """weights[k] = W of pixel i and pixel begin + k."""
    xi, yi, ri, gi, bi = points[0, i], points[1, i], points[2, i], points[3, i], points[4, i]
    x, y = points[0, begin:end], points[1, begin:end]
    r, g, b = points[2, begin:end], points[3, begin:end], points[4, begin:end]
    for k in range(x.size):
        dx, dy, dr, dg, db = x[k] - xi, y[k] - yi, r[k] - ri, g[k] - gi, b[k] - bi
        weights[k] = exp2(-(dx * dx + dy * dy + dr * dr + dg * dg + db * db))


@fast_jit
def _gather(weights: Any, pair: Any, i: Any, begin: Any, end: Any, into: Any) -> None:  # pragma: no cover - compiled
    """Adds Σ_j W_ij S_j to pixel i, in both channels."""
    s0, s1 = pair[0, begin:end], pair[1, begin:end]
    a0, a1 = np.float32(0), np.float32(0)
    for k in range(s0.size):
        a0 += weights[k] * s0[k]
        a1 += weights[k] * s1[k]
    into[0, i] += a0
    into[1, i] += a1


@fast_jit
def _scatter(weights: Any, value: Any, into: Any) -> None:  # pragma: no cover - compiled
    """Adds W_ij S_i to all pixels j."""
    for k in range(into.size):
        into[k] += weights[k] * value
