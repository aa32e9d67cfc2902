"""The permutohedral lattice (Adams, Baek and Davis, Eurographics 2010) in five dimensions, for two channels at a time.

A pixel's values are spread over the six corners of the simplex that holds its features (x, y, r, g, b), the corners are
blurred with (½, 1, ½) along each of the six axes, and a pixel takes its own corners' values back. Nothing is divided by
the filtered ones, and a corner that no pixel touches is not there, in the blur either, as in the released code. Both,
and the size of the simplex, which is chosen for the variance of an infinite lattice, make it differ from the Gaussian.

A corner's coordinates are c_i = 6 q_i + k with one remainder k for all of them, so (q_0...q_4, k) says all, and fits
one integer: Σ q_i 2^(12 i) + k 2^60. Corners of a simplex, and neighbours, then differ by a sum of constants.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.errors import ParameterError
from wsol.jit import fast_jit, jit
from wsol.threads import over_images

_AXES = 5
_CORNERS = _AXES + 1
_BITS = 12
_REMAINDER = np.int64(1 << (_BITS * _AXES))
_ALL = np.int64(sum(1 << (_BITS * axis) for axis in range(_AXES)))
_BIAS = np.int64(int(_ALL) << (_BITS - 1))
_FARTHEST = 2000
"""Largest |q_i|, with room for the neighbours."""

_SCALES = np.array(
    [math.sqrt(2 / 3) * _CORNERS / math.sqrt((axis + 1) * (axis + 2)) for axis in range(_AXES)], dtype=np.float32
)
"""Of each feature, so that the lattice's filter has a standard deviation of one in it."""

_GAIN = np.float32(1 / (1 + 2.0**-_AXES))
_BLOCK = 128
_FIRST_SLOTS = 1 << 15


def filtered(
    values: NDArray[np.float32], images: NDArray[np.float32], sigma_rgb: float, sigma_xy: float, threads: int = 1
) -> NDArray[np.float32]:
    """The lattice's W S (B, K, H, W) of values (B, K, H, W) and images (B, 3, H, W), C-contiguous float32.

    Images are shared out among threads. Raises ParameterError where the σ are so small that corners cannot be counted.
    """
    batch, channels, height, width = values.shape
    result = np.empty_like(values)
    farthest = max(width / sigma_xy, height / sigma_xy, 255 / sigma_rgb)
    if farthest * float(_SCALES.sum()) / _CORNERS > _FARTHEST:
        raise ParameterError(
            f"CRF loss: sigma_rgb {sigma_rgb} or sigma_xy {sigma_xy} is too small for the lattice; use kernel exact"
        )

    def share(start: int, stop: int) -> None:
        for index in range(start, stop):
            points = raw_features(images[index], sigma_rgb, sigma_xy)
            corners, shares, neighbours = build(points, _SCALES)
            flat, into = values[index].reshape(channels, -1), result[index].reshape(channels, -1)
            for first in range(0, channels, 2):
                pair = flat[first : first + 2]
                blurred = spread_blur(pair, corners, shares, neighbours)
                collect(blurred, corners, shares, into[first : first + 2])

    over_images(batch, threads, share, at_most=1)
    return result


def raw_features(image: NDArray[np.float32], sigma_rgb: float, sigma_xy: float) -> NDArray[np.float32]:
    """(5, N): x, y, red, green, blue of an image (3, H, W) in units of σ, from 0."""
    _, height, width = image.shape
    points = np.empty((_AXES, height, width), dtype=np.float32)
    points[0] = np.arange(width, dtype=np.float32) / np.float32(sigma_xy)
    points[1] = (np.arange(height, dtype=np.float32) / np.float32(sigma_xy))[:, None]
    points[2:] = image / np.float32(sigma_rgb)
    return points.reshape(_AXES, -1)


@jit
def build(points: Any, scales: Any) -> Any:  # pragma: no cover - compiled
    """Corners (N, 6) of the simplex of each point (5, N), its shares in them (N, 6), and neighbours (6, M + 1, 2).

    Corners are numbered from 1; number 0 stands for all that are not there.
    """
    pixels = points.shape[1]
    corners = np.empty((pixels, _CORNERS), dtype=np.int32)
    shares = np.empty((pixels, _CORNERS), dtype=np.float32)
    elevated = np.empty((_CORNERS, _BLOCK), dtype=np.float32)
    nearest = np.empty((_CORNERS, _BLOCK), dtype=np.float32)
    ranks = np.empty((_CORNERS, _BLOCK), dtype=np.int32)
    ordered = np.empty(_CORNERS, dtype=np.float32)
    steps = np.empty(_CORNERS, dtype=np.int64)

    bits = 15
    slots = np.zeros((_FIRST_SLOTS, 2), dtype=np.int64)
    keys = np.empty(_FIRST_SLOTS // 2 + _CORNERS + 1, dtype=np.int64)
    count = 0
    for first in range(0, pixels, _BLOCK):
        here = min(_BLOCK, pixels - first)
        _locate(points[:, first : first + here], scales, elevated[:, :here], nearest[:, :here], ranks[:, :here])
        for k in range(here):
            key = np.int64(0)
            for axis in range(_CORNERS):
                rank = ranks[axis, k]
                ordered[rank] = elevated[axis, k]
                steps[rank] = np.int64(1) << np.int64(_BITS * axis) if axis < _AXES else np.int64(0)
                if axis < _AXES:
                    key += np.int64(nearest[axis, k]) << np.int64(_BITS * axis)
            into, part = corners[first + k], shares[first + k]
            part[0] = np.float32(1) + ordered[_AXES] - ordered[0]
            into[0], count = _number(key, slots, keys, bits, count)
            for corner in range(1, _CORNERS):
                part[corner] = ordered[_AXES - corner] - ordered[_CORNERS - corner]
                key += _REMAINDER - steps[_CORNERS - corner]
                into[corner], count = _number(key, slots, keys, bits, count)
            if 2 * count >= slots.shape[0]:
                bits += 1
                slots, keys = _grown(keys, count, bits)

    neighbours = np.zeros((_CORNERS, count + 1, 2), dtype=np.int32)
    for axis in range(_CORNERS):
        step = np.int64(1) << np.int64(_BITS * axis) if axis < _AXES else np.int64(0)
        links = neighbours[axis]
        for number in range(1, count + 1):
            key = keys[number]
            down = _REMAINDER if (key + _BIAS) >= _REMAINDER else _ALL - np.int64(_AXES) * _REMAINDER
            found = _find(key + step - down, slots, bits)
            # Whose neighbour on one side I am is mine on the other.
            links[number, 0] = found
            links[found, 1] = number
        links[0, 1] = 0
    return corners, shares, neighbours


@fast_jit
def _locate(points: Any, scales: Any, elevated: Any, nearest: Any, ranks: Any) -> None:  # pragma: no cover - compiled
    """The simplex of each point: its corner of remainder 0 (over 6), the offsets from it (over 6), and their ranks."""
    for k in range(points.shape[1]):
        elevated[0, k] = np.float32(0)
    for axis in range(_AXES, 0, -1):
        for k in range(points.shape[1]):
            scaled = points[axis - 1, k] * scales[axis - 1]
            elevated[axis, k] = elevated[0, k] - np.float32(axis) * scaled
            elevated[0, k] += scaled
    # The nearest point all of whose coordinates are multiples of 6; `sum` says how far from the plane it lies.
    for axis in range(_CORNERS):
        for k in range(points.shape[1]):
            elevated[axis, k] *= np.float32(1 / _CORNERS)
            nearest[axis, k] = np.floor(elevated[axis, k] + np.float32(0.5))
            elevated[axis, k] -= nearest[axis, k]
    for k in range(points.shape[1]):
        ranks[0, k] = np.int32(0)
    for axis in range(_CORNERS):
        for k in range(points.shape[1]):
            ranks[0, k] += np.int32(nearest[axis, k])
    for axis in range(1, _CORNERS):
        for k in range(points.shape[1]):
            ranks[axis, k] = ranks[0, k]
    for axis in range(_AXES):
        for other in range(axis + 1, _CORNERS):
            for k in range(points.shape[1]):
                below = np.int32(elevated[axis, k] < elevated[other, k])
                ranks[axis, k] += below
                ranks[other, k] += np.int32(1) - below
    for axis in range(_CORNERS):
        for k in range(points.shape[1]):
            rank = ranks[axis, k]
            shift = np.int32(rank < 0) - np.int32(rank >= _CORNERS)
            ranks[axis, k] = rank + np.int32(_CORNERS) * shift
            nearest[axis, k] += np.float32(shift)
            elevated[axis, k] -= np.float32(shift)


@jit
def _slot(key: Any, bits: Any) -> Any:  # pragma: no cover - compiled
    return np.int64((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - bits))


@jit
def _number(key: Any, slots: Any, keys: Any, bits: Any, count: Any) -> Any:  # pragma: no cover - compiled
    """The corner's number, a new one if it has none, and how many there are."""
    slot = _slot(key, bits)
    while slots[slot, 1] != 0:
        if slots[slot, 0] == key:
            return np.int32(slots[slot, 1]), count
        slot = (slot + 1) & (slots.shape[0] - 1)
    count += 1
    slots[slot, 0] = key
    slots[slot, 1] = count
    keys[count] = key
    return np.int32(count), count


@jit
def _find(key: Any, slots: Any, bits: Any) -> Any:  # pragma: no cover - compiled
    """The corner's number, 0 if it has none."""
    slot = _slot(key, bits)
    while slots[slot, 1] != 0:
        if slots[slot, 0] == key:
            return np.int32(slots[slot, 1])
        slot = (slot + 1) & (slots.shape[0] - 1)
    return np.int32(0)


@jit
def _grown(keys: Any, count: Any, bits: Any) -> Any:  # pragma: no cover - compiled
    slots = np.zeros((1 << bits, 2), dtype=np.int64)
    more = np.empty((1 << bits) // 2 + _CORNERS + 1, dtype=np.int64)
    renumbered = 0
    for number in range(1, count + 1):
        _, renumbered = _number(keys[number], slots, more, bits, renumbered)
    return slots, more


@fast_jit
def spread_blur(pair: Any, corners: Any, shares: Any, neighbours: Any) -> Any:  # pragma: no cover - compiled
    """Blurred values of the corners (M + 1, 2) from one or two channels (C, N)."""
    old = np.zeros((neighbours.shape[1], 2), dtype=np.float32)
    new = np.zeros_like(old)
    second = pair.shape[0] - 1
    half = np.float32(0.5)
    for pixel in range(corners.shape[0]):
        a, b = pair[0, pixel], pair[second, pixel]
        for corner in range(_CORNERS):
            at, part = corners[pixel, corner], shares[pixel, corner]
            old[at, 0] += part * a
            old[at, 1] += part * b
    for axis in range(_CORNERS):
        links = neighbours[axis]
        for at in range(1, old.shape[0]):
            up, down = links[at, 0], links[at, 1]
            new[at, 0] = old[at, 0] + half * (old[up, 0] + old[down, 0])
            new[at, 1] = old[at, 1] + half * (old[up, 1] + old[down, 1])
        old, new = new, old
    return old


@fast_jit
def collect(blurred: Any, corners: Any, shares: Any, into: Any) -> None:  # pragma: no cover - compiled
    """Values of the pixels, (C, N) with one or two channels."""
    for pixel in range(corners.shape[0]):
        a, b = np.float32(0), np.float32(0)
        for corner in range(_CORNERS):
            at, part = corners[pixel, corner], shares[pixel, corner] * _GAIN
            a += part * blurred[at, 0]
            b += part * blurred[at, 1]
        into[into.shape[0] - 1, pixel] = b
        into[0, pixel] = a
