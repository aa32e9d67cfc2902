"""Outlines: closed polygons in a figure's own coordinates (x right, y down, any unit), as (N, 2) float64 arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@lru_cache(maxsize=16)
def _circle(corners: int) -> Points:
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    circle.setflags(write=False)
    return circle


def rotation(degrees: float) -> Points:
    """2 × 2 matrix that turns column vectors clockwise on screen (y points down)."""
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def turned(points: Points, degrees: float, about: tuple[float, float] = (0.0, 0.0)) -> Points:
    return (points - about) @ rotation(degrees).T + about


def ellipse(x: float, y: float, rx: float, ry: float, degrees: float = 0.0, corners: int = 28) -> Points:
    points = _circle(corners) * (rx, ry)
    return (points @ rotation(degrees).T if degrees else points) + (x, y)


def polygon(*corners: tuple[float, float]) -> Points:
    return np.array(corners, dtype=np.float64)


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> Points:
    """Axis-aligned rectangle, its corners rounded with `radius`."""
    if radius <= 0:
        return polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    quarter = _circle(16) * radius
    centres = (
        (x1 - radius, y1 - radius),
        (x0 + radius, y1 - radius),
        (x0 + radius, y0 + radius),
        (x1 - radius, y0 + radius),
    )
    return np.concatenate(
        [np.take(quarter, range(4 * k, 4 * k + 5), axis=0, mode="wrap") + c for k, c in enumerate(centres)]
    )


@lru_cache(maxsize=1)
def _half_circle() -> Points:
    angles = np.linspace(-np.pi / 2, np.pi / 2, 7)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def limb(start: tuple[float, float], end: tuple[float, float], width0: float, width1: float | None = None) -> Points:
    """Segment with round ends, `width0` thick at its start and `width1` at its end."""
    width1 = width0 if width1 is None else width1
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = float(np.hypot(dx, dy)) or 1.0
    forward = np.array([[dx, dy], [-dy, dx]]) / length
    cap = _half_circle() @ forward
    return np.concatenate([cap * (width1 / 2) + end, cap * (-width0 / 2) + start])


@lru_cache(maxsize=8)
def _catmull_rom(steps: int) -> Points:
    """(steps, 4) weights of four consecutive corners."""
    t = np.linspace(0, 1, steps, endpoint=False)
    one = np.ones_like(t)
    basis = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
    return np.stack([one, t, t**2, t**3], axis=1) @ basis


def smooth(corners: Sequence[tuple[float, float]] | Points, steps: int = 6) -> Points:
    """Closed uniform Catmull-Rom curve through the corners (Catmull and Rom 1974)."""
    points = np.asarray(corners, dtype=np.float64)
    count = len(points)
    neighbours = points[(np.arange(count)[:, None] + (-1, 0, 1, 2)) % count]
    return (_catmull_rom(steps) @ neighbours).reshape(-1, 2)


def arc(x: float, y: float, radius: float, width: float, start: float, stop: float) -> Points:
    """Band of a circle between two angles in degrees, measured clockwise from the right."""
    angles = np.deg2rad(np.linspace(start, stop, 14))
    direction = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    band = np.concatenate([direction * (radius + width / 2), direction[::-1] * (radius - width / 2)])
    return band + np.array([x, y])


def bounds(outlines: Sequence[Points]) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 around all the outlines."""
    points = np.concatenate(outlines)
    low, high = points.min(axis=0), points.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
