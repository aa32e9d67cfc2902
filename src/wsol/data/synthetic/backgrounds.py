"""Backgrounds: one function a scene, each (generator, size) -> (size, size, 3) float32 RGB in [0, 255]."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from wsol.data.synthetic.raster import Colour
from wsol.data.synthetic.textures import Image, blend, fractal, hsv, jitter, pick, ramp, shade

Rng = np.random.Generator
_SHIFT = 4


def _strokes(image: Image, lines: np.ndarray, colours: np.ndarray, widths: np.ndarray) -> Image:
    """Anti-aliased segments (N, 4) in the unit square, painted over the image; widths as shares of its side."""
    size = len(image)
    canvas = np.clip(image, 0, 255).astype(np.uint8)
    ends = np.rint(lines * size * (1 << _SHIFT)).astype(int).tolist()
    thick = np.maximum(np.rint(widths * size), 1).astype(int).tolist()
    for (x0, y0, x1, y1), colour, width in zip(ends, colours.tolist(), thick, strict=True):
        cv2.line(canvas, (x0, y0), (x1, y1), colour, width, cv2.LINE_AA, _SHIFT)
    return canvas.astype(np.float32)


def _discs(image: Image, centres: np.ndarray, radii: np.ndarray, colours: np.ndarray, opacity: float = 1.0) -> Image:
    """Anti-aliased discs in the unit square (N, 2), radii as shares of the side."""
    size = len(image)
    canvas = np.clip(image, 0, 255).astype(np.uint8)
    scaled = np.rint(centres * size * (1 << _SHIFT)).astype(int).tolist()
    reach = np.rint(radii * size * (1 << _SHIFT)).astype(int).tolist()
    for (x, y), radius, colour in zip(scaled, reach, colours.tolist(), strict=True):
        cv2.circle(canvas, (x, y), radius, colour, -1, cv2.LINE_AA, _SHIFT)
    return image + (canvas - image) * np.float32(opacity)


def _tones(rng: Rng, count: int, colour: Colour, spread: float) -> np.ndarray:
    """(count, 3) lighter and darker versions of one colour."""
    return np.clip(np.array(colour) * (1 + rng.normal(0, spread, (count, 1))) + rng.normal(0, 6, (count, 3)), 0, 255)


def _height(size: int) -> Image:
    return np.broadcast_to(np.linspace(0, 1, size, dtype=np.float32)[:, None], (size, size))


def _edge(values: Image, at: float | Image, softness: float = 0.03) -> Image:
    return np.clip((values - at) / softness + 0.5, 0, 1)


def _sky(rng: Rng, size: int) -> Image:
    high, low = pick(rng, (70, 130, 205), (110, 160, 215), (150, 170, 190)), pick(rng, (200, 222, 238), (236, 226, 210))
    air = blend(high, low, _height(size) * 1.2)
    clouds = _edge(fractal(rng, size, 2.5, 4, (1.6, 1.0)), rng.uniform(0.1, 0.6), 0.9)
    return blend(air, (248, 248, 250), clouds * 0.85)


def _horizon(rng: Rng, size: int, low: float, high: float, roughness: float) -> Image:
    """Share of ground, 0 above a wavering line and 1 below."""
    line = rng.uniform(low, high) + roughness * fractal(rng, size, 3, 3)[:1] + rng.normal(0, 0.03) * ramp(size, 0)[:1]
    return _edge(_height(size), line)


def meadow(rng: Rng, size: int) -> Image:
    grass = pick(rng, (104, 150, 58), (134, 160, 70), (86, 132, 60))
    ground = blend(shade(grass, 0.62), shade(grass, 1.2), 0.5 + 0.6 * fractal(rng, size, 8, 3))
    count = 130
    root = np.stack([rng.uniform(0, 1, count), rng.uniform(0.25, 1.15, count)], axis=1)
    tip = root + np.stack([rng.normal(0, 0.03, count), -rng.uniform(0.04, 0.13, count)], axis=1)
    ground = _strokes(
        ground, np.concatenate([root, tip], axis=1), _tones(rng, count, grass, 0.25), np.full(count, 0.008)
    )
    petals = 14
    ground = _discs(
        ground,
        rng.uniform((0, 0.4), 1, (petals, 2)),
        rng.uniform(0.006, 0.016, petals),
        _tones(rng, petals, pick(rng, (240, 220, 90), (240, 240, 236), (206, 130, 190)), 0.1),
    )
    return blend(_sky(rng, size), ground, _horizon(rng, size, -0.1, 0.35, 0.02))


def forest(rng: Rng, size: int) -> Image:
    deep = pick(rng, (44, 70, 46), (58, 78, 48), (40, 62, 56))
    image = blend(shade(deep, 0.55), shade(deep, 1.9), 0.45 + 0.7 * fractal(rng, size, 7, 4))
    count = int(rng.integers(5, 11))
    x, lean = rng.uniform(0, 1, count), rng.normal(0, 0.05, count)
    lines = np.stack([x, np.full(count, -0.1), x + lean, np.full(count, 1.1)], axis=1)
    widths = np.sort(rng.uniform(0.015, 0.09, count))
    bark = pick(rng, (92, 74, 56), (72, 64, 56), (150, 146, 138))
    image = _strokes(image, lines, _tones(rng, count, bark, 0.25), widths)
    image = image + 16 * fractal(rng, size, 10, 2, (0.3, 3.0))[..., None]
    return blend(image, shade(deep, 0.8), _horizon(rng, size, 0.72, 1.0, 0.03) * 0.9)


def lake(rng: Rng, size: int) -> Image:
    water = pick(rng, (58, 112, 150), (74, 130, 140), (92, 124, 160))
    ripples = fractal(rng, size, 5, 4, (4.0, 0.8))
    image = blend(shade(water, 0.6), shade(water, 1.9), 0.4 + 0.5 * ripples + 0.25 * (0.5 - _height(size)))
    bank = blend(
        _sky(rng, size),
        pick(rng, (70, 96, 62), (96, 104, 84)),
        _edge(_height(size), 0.08 + 0.04 * fractal(rng, size, 5, 2)[:1]),
    )
    return blend(bank, image, _horizon(rng, size, 0.02, 0.3, 0.004))


def sky(rng: Rng, size: int) -> Image:
    return _sky(rng, size)


def snow(rng: Rng, size: int) -> Image:
    ground = blend((176, 194, 222), (250, 250, 252), 0.65 + 0.5 * fractal(rng, size, 4, 4))
    image = blend(_sky(rng, size) * 0.92, ground, _horizon(rng, size, -0.1, 0.4, 0.05))
    flakes = 50
    return _discs(
        image, rng.uniform(0, 1, (flakes, 2)), rng.uniform(0.003, 0.011, flakes), np.full((flakes, 3), 252.0), 0.8
    )


def desert(rng: Rng, size: int) -> Image:
    sand = pick(rng, (218, 176, 112), (206, 150, 96), (226, 196, 148))
    dunes = np.sin(fractal(rng, size, 2, 2) * 9 + ramp(size, rng.uniform(50, 130)) * rng.uniform(8, 20))
    ground = blend(shade(sand, 0.76), shade(sand, 1.3), 0.5 + 0.3 * dunes + 0.25 * fractal(rng, size, 16, 2))
    return blend(_sky(rng, size), ground, _horizon(rng, size, -0.1, 0.4, 0.05))


def foliage(rng: Rng, size: int) -> Image:
    leaf = pick(rng, (116, 160, 60), (90, 146, 80), (150, 170, 70))
    image = blend(shade(leaf, 0.35), leaf, 0.4 + 0.5 * fractal(rng, size, 4, 3))
    for radius, opacity, count in ((0.1, 0.3, 18), (0.06, 0.55, 30), (0.035, 0.75, 36)):
        image = _discs(
            image,
            rng.uniform(0, 1, (count, 2)),
            rng.uniform(0.5, 1.2, count) * radius,
            _tones(rng, count, leaf, 0.3),
            opacity,
        )
    return image


def autumn(rng: Rng, size: int) -> Image:
    earth = pick(rng, (98, 66, 42), (118, 84, 56), (80, 62, 50))
    image = blend(shade(earth, 0.6), shade(earth, 1.3), 0.5 + 0.6 * fractal(rng, size, 10, 3))
    count = 90
    start = rng.uniform(-0.05, 1.05, (count, 2))
    step = rng.normal(0, 0.035, (count, 2))
    reds = np.array(
        [hsv(h, 0.75, v) for h, v in zip(rng.uniform(0.02, 0.13, count), rng.uniform(0.45, 0.9, count), strict=True)]
    )
    return _strokes(image, np.concatenate([start, start + step], axis=1), reds, rng.uniform(0.015, 0.04, count))


def seabed(rng: Rng, size: int) -> Image:
    water = pick(rng, (30, 110, 150), (36, 130, 140), (40, 90, 140))
    image = blend(shade(water, 1.7), shade(water, 0.55), _height(size) + 0.2 * fractal(rng, size, 3, 3))
    rays = np.sin(ramp(size, rng.uniform(-35, 35)) * 9 + 2 * fractal(rng, size, 2, 1))
    image = image + (18 * np.clip(rays, 0, 1) * (1 - _height(size)))[..., None]
    floor = blend((150, 140, 104), (206, 192, 146), 0.5 + 0.6 * fractal(rng, size, 12, 3))
    return blend(image, floor * 0.85, _horizon(rng, size, 0.68, 1.0, 0.05))


def _grid(rng: Rng, size: int, rows: float, columns: float, stagger: bool, joint: float) -> tuple[Image, Image]:
    """A wall of tiles: the share of joint and a random number per tile, each (size, size)."""
    down = np.linspace(0, rows, size, endpoint=False, dtype=np.float32)[:, None] + np.float32(rng.uniform())
    across = np.linspace(0, columns, size, endpoint=False, dtype=np.float32)[None, :] + np.float32(rng.uniform())
    row = np.floor(down).astype(int)
    across = across + (0.5 * (row % 2) if stagger else 0.0)
    column = np.floor(across).astype(int)
    tiles = rng.uniform(-1, 1, (64, 64)).astype(np.float32)[row % 64, column % 64]
    aspect = columns / rows
    gap = np.minimum(0.5 - np.abs(down - row - 0.5), (0.5 - np.abs(across - column - 0.5)) / aspect)
    return np.clip((joint - gap) / 0.04, 0, 1).astype(np.float32), tiles


def bricks(rng: Rng, size: int) -> Image:
    clay = pick(rng, (168, 84, 62), (150, 104, 84), (186, 160, 140))
    joint, tiles = _grid(rng, size, rng.uniform(8, 13), rng.uniform(3.5, 6), True, 0.1)
    wall = blend(shade(clay, 0.7), shade(clay, 1.25), 0.5 + 0.28 * tiles + 0.3 * fractal(rng, size, 14, 2))
    return blend(wall, jitter(rng, (190, 184, 172), 0.05), joint)


def tiles(rng: Rng, size: int) -> Image:
    glaze = pick(rng, (196, 222, 220), (222, 222, 212), (160, 190, 210), (226, 200, 190))
    count = rng.uniform(4, 8)
    joint, each = _grid(rng, size, count, count, False, 0.05)
    wall = blend(shade(glaze, 0.86), shade(glaze, 1.4), 0.5 + 0.25 * each + 0.3 * fractal(rng, size, 3, 2))
    return blend(wall, (150, 148, 144), joint)


def table(rng: Rng, size: int) -> Image:
    wood = pick(rng, (164, 112, 64), (120, 78, 48), (196, 150, 100), (90, 70, 60))
    joint, planks = _grid(rng, size, rng.uniform(3, 6), rng.uniform(0.8, 1.4), True, 0.02)
    grain = fractal(rng, size, 3, 4, (7.0, 0.7))
    image = blend(shade(wood, 0.66), shade(wood, 1.3), 0.5 + 0.3 * planks + 0.4 * grain)
    return blend(image, shade(wood, 0.35), joint)


def room(rng: Rng, size: int) -> Image:
    wall = pick(rng, (214, 196, 170), (170, 190, 196), (190, 170, 190), (200, 206, 180), (196, 150, 130))
    paper = np.sin(ramp(size, rng.choice([0.0, 0.0, 45.0])) * rng.uniform(12, 40))
    wall_image = blend(shade(wall, 0.9), shade(wall, 1.2), 0.5 + 0.35 * paper + 0.15 * fractal(rng, size, 6, 2))
    floor = pick(rng, (140, 100, 66), (110, 90, 80), (150, 146, 140))
    floor_image = blend(shade(floor, 0.7), shade(floor, 1.2), 0.5 + 0.4 * fractal(rng, size, 4, 3, (5.0, 0.8)))
    at = rng.uniform(0.62, 0.92)
    image = blend(wall_image, floor_image, _edge(_height(size), at, 0.015))
    skirting = _edge(_height(size), at - 0.05, 0.015) * (1 - _edge(_height(size), at, 0.015))
    return blend(image, (236, 234, 226), skirting)


def street(rng: Rng, size: int) -> Image:
    tar = pick(rng, (96, 98, 102), (120, 118, 114), (84, 84, 92))
    road = blend(shade(tar, 0.75), shade(tar, 1.25), 0.5 + 0.5 * fractal(rng, size, 24, 2))
    joint, windows = _grid(rng, size, rng.uniform(7, 11), rng.uniform(5, 9), False, 0.2)
    facade = pick(rng, (170, 150, 130), (140, 144, 150), (190, 176, 150), (150, 100, 84))
    glass = blend((60, 72, 92), (226, 206, 140), _edge(windows, 0.72, 0.05))
    town = blend(glass, facade, joint)
    at = rng.uniform(0.4, 0.75)
    return blend(town, road, _edge(_height(size), at, 0.02))


def night(rng: Rng, size: int) -> Image:
    dark = pick(rng, (22, 26, 54), (34, 24, 50), (18, 34, 48))
    image = blend(dark, shade(dark, 1.45), _height(size) + 0.4 * fractal(rng, size, 3, 3))
    count = 34
    glow = np.array(
        [
            hsv(h, s, 0.95)
            for h, s in zip(rng.choice([0.1, 0.13, 0.02, 0.55, 0.8], count), rng.uniform(0.2, 0.8, count), strict=True)
        ]
    )
    image = _discs(image, rng.uniform(0, 1, (count, 2)), rng.uniform(0.01, 0.06, count), glow, 0.35)
    return _discs(image, rng.uniform(0, 1, (count, 2)), rng.uniform(0.003, 0.012, count), glow, 0.8)


SCENES: dict[str, Callable[[Rng, int], Image]] = {
    scene.__name__: scene
    for scene in (
        meadow,
        forest,
        lake,
        sky,
        snow,
        desert,
        foliage,
        autumn,
        seabed,
        bricks,
        tiles,
        table,
        room,
        street,
        night,
    )
}
