"""Colours, noise and markings. No random draw depends on the image size, so a scene looks alike at any size."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from wsol.data.synthetic.raster import Colour, Decal
from wsol.data.synthetic.shapes import ellipse, limb

Image = NDArray[np.float32]
_FINEST_GRID = 96


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """RGB in [0, 255] from hue, saturation and value in [0, 1] (the hue wraps round)."""
    saturation, value = min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0)
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return 255 * red, 255 * green, 255 * blue


def jitter(rng: np.random.Generator, colour: Colour, amount: float = 0.06) -> Colour:
    """The colour with its hue, saturation and value moved a little (standard deviations 0.3, 1 and 1 × amount)."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(c / 255 for c in colour))
    dh, ds, dv = rng.normal(0, amount, 3)
    return hsv(hue + 0.3 * dh, saturation + ds * (saturation > 0.08), value + dv)


def shade(colour: Colour, factor: float) -> Colour:
    """Darker (factor < 1) or lighter (factor > 1, towards white)."""
    if factor <= 1:
        red, green, blue = (c * factor for c in colour)
    else:
        red, green, blue = (255 - (255 - c) / factor for c in colour)
    return red, green, blue


def vivid(rng: np.random.Generator) -> Colour:
    """A paint colour: any hue, mostly saturated."""
    return hsv(rng.uniform(), rng.uniform(0.35, 0.95), rng.uniform(0.45, 0.95))


def favourite(rng: np.random.Generator, *colours: Colour) -> Colour:
    """A colour typical of a class, jittered, two times in three; else any paint."""
    return pick(rng, *colours) if rng.uniform() < 0.67 else vivid(rng)


def pick(rng: np.random.Generator, *colours: Colour) -> Colour:
    """One of the colours, jittered."""
    return jitter(rng, colours[int(rng.integers(len(colours)))])


WOODS: tuple[Colour, ...] = ((139, 94, 52), (176, 128, 80), (96, 62, 38), (200, 160, 110))
METALS: tuple[Colour, ...] = ((150, 155, 162), (196, 200, 204), (92, 96, 104), (190, 160, 84))


def fractal(
    rng: np.random.Generator, size: int, cells: float, octaves: int = 3, stretch: tuple[float, float] = (1.0, 1.0)
) -> Image:
    """Band-limited noise, zero mean, about unit range: (size, size).

    cells: cells across the image in the coarsest octave. stretch: factors on the cells down and across.
    """
    total = np.zeros((size, size), dtype=np.float32)
    for octave in range(octaves):
        rows, columns = (min(max(round(cells * s * 2**octave), 1), _FINEST_GRID) + 2 for s in stretch)
        grid = rng.standard_normal((rows, columns), dtype=np.float32)
        total += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) * np.float32(0.5 * 0.55**octave)
    return total


def blend(first: Colour | Image, second: Colour | Image, share: Image) -> Image:
    """(1 − share) · first + share · second, with share (H, W) clipped to [0, 1]: (H, W, 3)."""
    a, b = np.asarray(first, dtype=np.float32), np.asarray(second, dtype=np.float32)
    return a + (b - a) * np.clip(share, 0, 1)[..., None]


def ramp(size: int, degrees: float) -> Image:
    """Linear ramp, −1 to 1 across the image along a direction: (size, size)."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    angle = np.deg2rad(degrees)
    return (np.float32(np.cos(angle)) * axis)[None, :] + (np.float32(np.sin(angle)) * axis)[:, None]


def stripes(
    rng: np.random.Generator, box: tuple[float, float, float, float], count: int, degrees: float, colour: Colour
) -> tuple[Decal, ...]:
    """Wavering stripes across a box (x0, y0, x1, y1), each a third to two thirds of the period wide."""
    x0, y0, x1, y1 = box
    centre, reach = np.array([(x0 + x1) / 2, (y0 + y1) / 2]), np.hypot(x1 - x0, y1 - y0) / 2
    along = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
    across = np.array([-along[1], along[0]])
    period = 2 * reach / count
    marks = []
    for k in range(count):
        middle = centre + across * ((k + 0.5) * period - reach)
        tilt = rng.normal(0, 0.05) * reach * across
        start, end = middle - along * reach - tilt, middle + along * reach + tilt
        width = period * rng.uniform(0.35, 0.6)
        marks.append(Decal(limb((start[0], start[1]), (end[0], end[1]), width), colour))
    return tuple(marks)


def spots(
    rng: np.random.Generator, box: tuple[float, float, float, float], count: int, radius: float, colour: Colour
) -> tuple[Decal, ...]:
    """Round spots strewn over a box (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = box
    marks = []
    for _ in range(count):
        x, y, r = rng.uniform(x0, x1), rng.uniform(y0, y1), radius * rng.uniform(0.7, 1.3)
        marks.append(Decal(ellipse(x, y, r, r * rng.uniform(0.7, 1.0), rng.uniform(0, 180), 14), colour))
    return tuple(marks)
