"""The exact kernel to five digits in time proportional to the pixels: a series in place, a grid in colour.

The Gaussian in place is smooth over an image (σ_xy = 100 of 224 pixels), so that some forty products of its
eigenvectors, φ_m(x) φ_n(y), make all of it. What is left, Σ_m φ_m(p) · (G * φ_m S)(rgb of p), are convolutions in the
three dimensions of colour with a Gaussian G, for all m at once: values are spread over 6 x 6 x 6 nodes of a grid of
σ_rgb / 2 with a window ψ, the grid is convolved along its axes with a kernel κ such that ψ * κ * ψ = G, and a pixel
collects from the same nodes. κ comes from its Fourier series, κ^ = G^ / ψ^², as in non-uniform fast Fourier transforms.

`ERROR` bounds what series and grid leave out of a weight, the diagonal being 1. In W S they nearly cancel.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsol.losses.crf.cpu import series_loops as loops
from wsol.threads import over_images

ERROR = 3e-5
"""Largest error of a weight in [0, 1]."""

SERIES_ERROR = 1e-5
SPACING = 0.5
WIDTH = loops.WIDTH
_SHAPE = 13.8
_TAPS = 11
_STEPS = 4096
_MOST_MODES = 64
_MOST_NODES = 80_000
_FEWEST_PIXELS = 1 << 14
# Grey, red against blue, green against both: photographs vary little in the last two.
_OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3.0], [2.0], [6.0]])


class Modes(NamedTuple):
    """φ_m of the columns (W, M) and rows (H, M); the Gaussian in place is Σ_m of the products, twice."""

    columns: NDArray[np.float32]
    rows: NDArray[np.float32]


class Grid(NamedTuple):
    """Coordinates (3, N) of the pixels in units of the spacing, all of whose windows lie in a grid of this shape."""

    points: NDArray[np.float32]
    shape: tuple[int, int, int]


def suits(height: int, width: int, sigma_rgb: float, sigma_xy: float) -> bool:
    """Whether this is the faster way for images of this size: not for few pixels, nor for a small σ."""
    side = int(255 / (SPACING * sigma_rgb)) + WIDTH + 2
    return height * width >= _FEWEST_PIXELS and side**3 <= _MOST_NODES and modes(height, width, sigma_xy) is not None


def filtered(
    values: NDArray[np.float32], images: NDArray[np.float32], sigma_rgb: float, sigma_xy: float, threads: int = 1
) -> NDArray[np.float32]:
    """W S (B, K, H, W) of values (B, K, H, W) and images (B, 3, H, W) that suit; threads share the images."""
    batch, channels, height, width = values.shape
    found = modes(height, width, sigma_xy)
    assert found is not None, "the series is too long; ask `suits` first"
    result = np.empty_like(values)

    def share(start: int, stop: int) -> None:
        for index in range(start, stop):
            grid = grid_of(images[index], sigma_rgb)
            nodes, weights, order = loops.place(grid.points, np.array(grid.shape), window_table())
            flat, into = values[index].reshape(channels, -1), result[index].reshape(channels, -1)
            for first in range(0, channels, 2):
                pair = flat[first : first + 2]
                spread = loops.spread(pair, *found, nodes, weights, order, np.array(grid.shape))
                blurred = loops.convolve(spread, kernel_taps())
                loops.collect(blurred, *found, nodes, weights, order, into[first : first + 2])

    over_images(batch, threads, share, at_most=1)
    return result


@cache
def modes(height: int, width: int, sigma_xy: float) -> Modes | None:
    """Products of eigenvectors of the Gaussian between columns and between rows; None if more than 64 are needed.

    Taken in the order of their largest value until all that are left are below `SERIES_ERROR` in sum, then filled up so
    that two channels of them are whole vectors of 16.
    """
    columns, rows = _eigenvectors(width, sigma_xy), _eigenvectors(height, sigma_xy)
    peaks = np.multiply.outer((columns**2).max(0), (rows**2).max(0))
    falling = np.argsort(-peaks, axis=None, kind="stable")
    left = peaks.ravel()[falling][::-1].cumsum()[::-1]
    needed = int((left > SERIES_ERROR).sum())
    if needed > _MOST_MODES:
        return None
    wanted = min(-(-needed // 8) * 8, falling.size)
    first, second = np.unravel_index(falling[:wanted], peaks.shape)
    padding = ((0, 0), (0, -wanted % 8))
    return Modes(
        np.pad(columns[:, first], padding).astype(np.float32), np.pad(rows[:, second], padding).astype(np.float32)
    )


def _eigenvectors(pixels: int, sigma_xy: float) -> NDArray[np.float64]:
    """(pixels, P) whose product with their transpose is the Gaussian between pixels of a line, the largest first."""
    place = np.arange(pixels) / sigma_xy
    values, vectors = np.linalg.eigh(np.exp(-0.5 * (place[:, None] - place) ** 2))
    order = np.argsort(-values)[:_MOST_MODES]
    return vectors[:, order] * np.sqrt(values[order].clip(0))


def grid_of(image: NDArray[np.float32], sigma_rgb: float) -> Grid:
    """The smaller grid of two: along red, green and blue, or along the opponent colours."""
    colours = image.reshape(3, -1)
    grids = []
    for axes in (np.eye(3), _OPPONENT):
        points = (axes.astype(np.float32) @ colours) * np.float32(1 / (SPACING * sigma_rgb))
        points -= points.min(axis=1, keepdims=True) - np.float32(WIDTH // 2)
        highest = points.max(axis=1)
        grids.append(Grid(points, tuple(int(value) + WIDTH // 2 + 2 for value in highest)))  # type: ignore[arg-type]
    return min(grids, key=lambda grid: math.prod(grid.shape))


def window(offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """ψ at an offset in units of the spacing: the exponential of a semicircle, 0 beyond three."""
    height = np.sqrt(np.clip(1 - (offset / (WIDTH / 2)) ** 2, 0, None))
    return np.where(np.abs(offset) < WIDTH / 2, np.exp(_SHAPE * (height - 1)), 0.0)


@cache
def window_table() -> NDArray[np.float32]:
    """(steps + 2, 6): ψ at the nodes -2...3 seen from a point that lies a fraction of the spacing beyond node 0."""
    fraction = np.arange(_STEPS + 2) / _STEPS
    return window(fraction[:, None] - np.arange(1 - WIDTH // 2, WIDTH // 2 + 1)).astype(np.float32)


@cache
def kernel_taps() -> NDArray[np.float32]:
    """κ at 0, 1, ... steps of the grid."""
    frequency = np.linspace(-math.pi, math.pi, 4001)[:-1]
    place, weight = np.polynomial.legendre.leggauss(200)
    place, weight = place * WIDTH / 2, weight * WIDTH / 2
    transform = (weight * window(place)) @ np.cos(np.outer(place, frequency))
    gaussian = math.sqrt(2 * math.pi) / SPACING * np.exp(-0.5 * (frequency / SPACING) ** 2)
    taps = np.cos(np.outer(np.arange(_TAPS), frequency)) @ (gaussian / transform**2) / frequency.size
    return taps.astype(np.float32)
