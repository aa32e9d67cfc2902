"""Made-up maps to test and time the metrics on: the shapes of real attribution maps, and shapes that break algorithms.

Pure functions of (kind, n, size, seed); the same arguments give the same maps on every machine.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.attribution.postprocess import score_maps
from wsol.errors import ParameterError

Grey = NDArray[np.uint8]
Shape = tuple[int, int]
Generator = np.random.Generator

RAW_SIDES = {
    "smooth": 28,
    "smooth_cubic": 14,
    "cam_noisy28": 28,
    "white28": 28,
    "white56": 56,
    "gradlike": 224,
    "white224": 224,
}
"""Kinds of attribution maps by the side at which they are made: 1-6 Gaussians; the same with 15 % noise; white noise;
blurred pixel noise, as gradients look."""

KINDS = tuple(RAW_SIDES)


def raw_maps(kind: str, n: int, seed: int = 0, side: int | None = None) -> NDArray[np.float64]:
    """n maps (n, side, side) as a network would give them, before upsampling; raises ParameterError.

    `side` is that of `RAW_SIDES` unless given.
    """
    if kind not in RAW_SIDES:
        raise ParameterError(f"map kind {kind!r} is not known; choose one of {', '.join(KINDS)}")
    side = RAW_SIDES[kind] if side is None else side
    random = _generator(kind, seed)
    if kind.startswith("white"):
        return random.random((n, side, side))
    if kind == "gradlike":
        return (
            np.stack([_blurred(random.random((side, side)), 2) for _ in range(n)]) if n else np.empty((0, side, side))
        )
    maps = np.zeros((n, side, side))
    for one in maps:
        for _ in range(random.integers(1, 7)):
            one += random.uniform(0.3, 1) * _gaussian(random, side)
        if kind == "cam_noisy28":
            one += 0.15 * one.max() * random.random((side, side))
    return maps


def kind_maps(kind: str, n: int, size: int = 224, seed: int = 0) -> NDArray[np.float64]:
    """n score maps (n, size, size) in [0, 1] of one of `KINDS`, upsampled and normalised as the protocol does."""
    return score_maps(raw_maps(kind, n, seed, side=min(RAW_SIDES.get(kind, size), size)), size)


def adversarial_maps(kind: str, n: int, size: int | Shape, seed: int = 0) -> NDArray[np.float64]:
    """n score maps (n, H, W) in [0, 1] of one of `ADVERSARIAL`; `size` is a side or (H, W).

    Kinds `row`, `column` and `point` are 1 x W, H x 1 and 1 x 1. Raises ParameterError.
    """
    if kind not in _ADVERSARIAL:
        raise ParameterError(f"map kind {kind!r} is not known; choose one of {', '.join(ADVERSARIAL)}")
    height, width = (size, size) if isinstance(size, int) else size
    shape = {"row": (1, width), "column": (height, 1), "point": (1, 1)}.get(kind, (height, width))
    random = _generator(kind, seed)
    greys = [_ADVERSARIAL[kind](random, shape) for _ in range(n)]
    return as_scores(np.stack(greys) if greys else np.empty((0, *shape), dtype=np.uint8))


def as_scores(grey: NDArray[Any]) -> NDArray[np.float64]:
    """Scores in [0, 1] that quantise to these grey levels: the middle of each level, 0 and 1 at the ends."""
    scores = (np.asarray(grey, dtype=np.float64) + 0.5) / 255
    scores[np.asarray(grey) == 0] = 0
    return np.minimum(scores, 1)


def _generator(kind: str, seed: int) -> Generator:
    return np.random.default_rng([zlib.crc32(kind.encode()), seed])


def _gaussian(random: Generator, side: int) -> NDArray[np.float64]:
    y, x = np.mgrid[:side, :side] / max(side - 1, 1)
    centre, width = random.uniform(0, 1, 2), random.uniform(0.06, 0.3, 2)
    return np.exp(-0.5 * (((y - centre[0]) / width[0]) ** 2 + ((x - centre[1]) / width[1]) ** 2))


def _blurred(image: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """Binomial blur (1 2 1) with replicated border, over both axes."""
    for _ in range(times):
        for _ in range(2):
            padded = np.pad(image, ((1, 1), (0, 0)), mode="edge")
            image = ((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4).T
    return image


def _levels(random: Generator, count: int) -> Grey:
    return random.integers(0, 256, count).astype(np.uint8)


def _noise(random: Generator, shape: Shape) -> Grey:
    return random.integers(0, 256, shape).astype(np.uint8)


def _few_levels(random: Generator, shape: Shape) -> Grey:
    return random.choice(_levels(random, int(random.integers(2, 8))), shape)


def _binary(random: Generator, shape: Shape) -> Grey:
    return np.where(random.random(shape) < random.uniform(0.05, 0.95), 255, 0).astype(np.uint8)


def _smooth(random: Generator, shape: Shape) -> Grey:
    raw = random.random((1, *random.integers(2, 6, 2)))
    return (score_maps(raw, shape)[0] * 255).astype(np.uint8)


def _clipped(random: Generator, shape: Shape) -> Grey:
    low, high = sorted(random.integers(0, 256, 2))
    return np.clip(_smooth(random, shape), low, max(high, low + 1)).astype(np.uint8)


def _quantised(random: Generator, shape: Shape) -> Grey:
    step = int(random.integers(16, 100))
    return (_smooth(random, shape) // step * step).astype(np.uint8)


def _distance(random: Generator, shape: Shape) -> NDArray[np.float64]:
    """Distance of each pixel from a random centre: in a square, a diamond or a circle."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    dy, dx = abs(y - random.integers(0, shape[0])), abs(x - random.integers(0, shape[1]))
    return [np.maximum(dy, dx), dy + dx, np.hypot(dy, dx)][random.integers(0, 3)].astype(np.float64)


def _rings(random: Generator, shape: Shape) -> Grey:
    band = (_distance(random, shape) / random.integers(1, 4)).astype(np.int64)
    return _levels(random, int(band.max()) + 1)[band]


def _islands(random: Generator, shape: Shape) -> Grey:
    """Foreground and holes by turns, each ring a little higher or lower than the one around it."""
    band = (_distance(random, shape) / random.integers(1, 3)).astype(np.int64)
    drift = random.integers(-8, 9) * band
    return np.clip(np.where(band % 2 == random.integers(0, 2), 180, 60) + drift, 0, 255).astype(np.uint8)


def _spiral(random: Generator, shape: Shape) -> Grey:
    """A path one pixel wide that winds inwards, rising, falling or broken: long chains for a union-find."""
    grey = np.full(shape, random.integers(0, 40), dtype=np.uint8)
    y, x, dy, dx = 0, -1, 0, 1
    visited = np.zeros(shape, dtype=bool)

    def free(row: int, column: int) -> bool:
        return 0 <= row < shape[0] and 0 <= column < shape[1] and not visited[row, column]

    path: list[tuple[int, int]] = []
    turns = 0
    while turns < 2:
        ahead, beyond = (y + dy, x + dx), (y + 2 * dy, x + 2 * dx)
        inside = 0 <= beyond[0] < shape[0] and 0 <= beyond[1] < shape[1]
        if free(*ahead) and not (inside and visited[beyond]):
            y, x = ahead
            visited[ahead] = True
            path.append(ahead)
            turns = 0
        else:
            dy, dx = dx, -dy
            turns += 1
    steps = np.arange(len(path))
    slope = random.uniform(-1, 1) * 100 / max(len(path), 1)
    values = np.clip(150 + slope * steps + random.integers(0, 3, len(path)), 41, 255)
    values[random.random(len(path)) < 0.03] = random.integers(0, 100)
    for (row, column), value in zip(path, values, strict=True):
        grey[row, column] = value
    return grey


def _checkerboard(random: Generator, shape: Shape) -> Grey:
    cell = int(random.integers(1, 3))
    y, x = np.mgrid[: shape[0], : shape[1]]
    odd = (y // cell + x // cell) % 2 == 1
    low, high = random.integers(0, 100, shape), random.integers(120, 256, shape)
    if random.random() < 0.5:
        low, high = np.full(shape, low.flat[0]), np.full(shape, high.flat[0])
    return np.where(odd, high, low).astype(np.uint8)


def _plateaus(random: Generator, shape: Shape) -> Grey:
    grey = np.zeros(shape, dtype=np.uint8)
    for level in random.choice([0, 60, 120, 120, 180, 255], int(random.integers(2, 12))):
        rows, columns = (np.sort(random.integers(0, side + 1, 2)) for side in shape)
        grey[rows[0] : rows[1], columns[0] : columns[1]] = level
    return grey


def _stripes(random: Generator, shape: Shape) -> Grey:
    """Whole rows and columns of one level, with valleys of the same height."""
    rows = random.choice([0, 80, 160, 240], (shape[0], 1))
    columns = random.choice([0, 80, 160, 240], (1, shape[1]))
    both = [np.minimum(rows, columns), np.maximum(rows, columns), np.broadcast_to(rows, shape)]
    return both[random.integers(0, 3)].astype(np.uint8)


def _blocks(random: Generator, shape: Shape) -> Grey:
    cell = int(random.integers(2, 5))
    coarse = random.choice([0, 50, 100, 101, 200, 255], (shape[0] // cell + 1, shape[1] // cell + 1))
    return np.kron(coarse, np.ones((cell, cell)))[: shape[0], : shape[1]].astype(np.uint8)


def _diamonds(random: Generator, shape: Shape) -> Grey:
    """Diamond rings of one pixel, each with a tail: their holes are as large as they are."""
    grey = np.zeros(shape, dtype=np.uint8)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for _ in range(random.integers(1, 5)):
        row, column, radius = random.integers(0, shape[0]), random.integers(0, shape[1]), random.integers(1, 4)
        level = random.choice([100, 200, 255])
        grey[abs(y - row) + abs(x - column) == radius] = level
        grey[row, column + radius : column + radius + random.integers(0, 5)] = level
    return grey


def _comb(random: Generator, shape: Shape) -> Grey:
    """Teeth of many heights that a bar joins at one level: more than two components merge at once."""
    grey = np.full(shape, 20, dtype=np.uint8)
    grey[:, ::2] = random.integers(100, 256, (1, len(range(0, shape[1], 2))))
    grey[random.integers(0, shape[0])] = random.choice([60, 100])
    return grey if random.random() < 0.5 else 255 - grey


def _dim(random: Generator, shape: Shape) -> Grey:
    return (_few_levels(random, shape) // random.integers(2, 60)).astype(np.uint8)


def _constant(random: Generator, shape: Shape) -> Grey:
    return np.full(shape, random.integers(1, 256), dtype=np.uint8)


def _zero(random: Generator, shape: Shape) -> Grey:
    return np.zeros(shape, dtype=np.uint8)


_ADVERSARIAL: dict[str, Callable[[Generator, Shape], Grey]] = {
    "noise": _noise,
    "few_levels": _few_levels,
    "binary": _binary,
    "smooth": _smooth,
    "clipped": _clipped,
    "quantised": _quantised,
    "rings": _rings,
    "islands": _islands,
    "spiral": _spiral,
    "checkerboard": _checkerboard,
    "plateaus": _plateaus,
    "stripes": _stripes,
    "blocks": _blocks,
    "diamonds": _diamonds,
    "comb": _comb,
    "dim": _dim,
    "constant": _constant,
    "zero": _zero,
    "row": _few_levels,
    "column": _few_levels,
    "point": _noise,
}

ADVERSARIAL = tuple(_ADVERSARIAL)
