"""Distractors: things of no class that lie about in a scene, behind the objects or, if thin, before them."""

from __future__ import annotations

import numpy as np

from wsol.data.synthetic.raster import Figure, Shape
from wsol.data.synthetic.shapes import box, ellipse, limb, polygon, smooth
from wsol.data.synthetic.textures import METALS, WOODS, hsv, jitter, pick, shade, spots, stripes, vivid

Rng = np.random.Generator


def rock(rng: Rng) -> Figure:
    grey = pick(rng, (128, 124, 118), (96, 92, 90), (156, 140, 120))
    angles = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    reach = rng.uniform(0.7, 1.05, 9)
    outline = smooth(np.stack([reach * np.cos(angles), 0.7 * reach * np.sin(angles)], axis=1))
    return Figure(
        (Shape((outline,), grey, 0, 0.8, 1.0, spots(rng, (-0.8, -0.5, 0.8, 0.5), 5, 0.12, shade(grey, 0.85))),)
    )


def leaves(rng: Rng) -> Figure:
    hue = rng.choice([0.08, 0.13, 0.25, 0.3, 0.35])
    shapes = []
    for _ in range(int(rng.integers(2, 5))):
        colour = hsv(hue + rng.normal(0, 0.02), rng.uniform(0.45, 0.8), rng.uniform(0.4, 0.8))
        x, y, turn = rng.uniform(-0.7, 0.7), rng.uniform(-0.7, 0.7), rng.uniform(0, 180)
        shapes.append(Shape((ellipse(x, y, 0.55, 0.22, turn),), colour, 0, 0.5, 0.6))
    return Figure(tuple(shapes))


def berries(rng: Rng) -> Figure:
    colour = pick(rng, (200, 40, 44), (230, 190, 50), (70, 80, 180), (240, 240, 235), (130, 60, 150), (230, 130, 40))
    stem = Shape((limb((0, -1), (rng.normal(0, 0.2), 1), 0.1),), (96, 82, 50), 0, 0.3)
    dots = []
    for x, y in rng.uniform(-0.7, 0.7, (4, 2)).tolist():
        dots.append(Shape((ellipse(x, y, 0.24, 0.24),), jitter(rng, colour, 0.05), 0, 0.9, 0.1))
    return Figure((stem, *dots))


def twig(rng: Rng) -> Figure:
    """A branch across a good part of the frame."""
    bark, y = pick(rng, (104, 80, 58), (78, 66, 56), (140, 120, 96)), rng.normal(0, 0.1)
    shapes = [Shape((limb((-1.2, 0), (1.2, y), 0.12, 0.07),), bark, 0, 0.6, 0.9)]
    for _ in range(3):
        x, dx, dy = rng.uniform(-0.9, 0.8), rng.uniform(0.15, 0.4), rng.choice([-1, 1]) * rng.uniform(0.15, 0.4)
        shapes.append(Shape((limb((x, y * x), (x + dx, y * x + dy), 0.06, 0.03),), bark, 0, 0.5, 0.6))
    return Figure(tuple(shapes))


def tuft(rng: Rng) -> Figure:
    """Blades of grass."""
    green = pick(rng, (100, 146, 60), (150, 150, 80), (70, 120, 66))
    blades = []
    for x in np.linspace(-0.8, 0.8, 6) + rng.normal(0, 0.06, 6):
        tip = (x + rng.normal(0, 0.35), -rng.uniform(0.5, 1.0))
        blades.append(Shape((polygon((x - 0.07, 1), tip, (x + 0.07, 1)),), jitter(rng, green, 0.07), 0, 0.4, 0.4))
    return Figure(tuple(blades))


def post(rng: Rng) -> Figure:
    wood = pick(rng, *WOODS, *METALS[:1])
    return Figure(
        (
            Shape(
                (box(-0.13, -1.4, 0.13, 1.4),),
                wood,
                0,
                0.6,
                0.8,
                stripes(rng, (-0.13, -1.4, 0.13, 1.4), 9, 90, shade(wood, 0.8)),
            ),
        )
    )


def crate(rng: Rng) -> Figure:
    wood = pick(rng, *WOODS, (150, 150, 140), (90, 110, 130))
    planks = stripes(rng, (-1, -0.8, 1, 0.8), 5, 0, shade(wood, 0.75))
    return Figure((Shape((box(-1, -0.8, 1, 0.8),), wood, 0, 0.6, 0.7, planks),))


def ball(rng: Rng) -> Figure:
    colour = vivid(rng)
    return Figure(
        (
            Shape(
                (ellipse(0, 0, 1, 1, corners=36),), colour, 0, 0.9, 0.1, stripes(rng, (-1, -1, 1, 1), 4, 40, vivid(rng))
            ),
        )
    )


def book(rng: Rng) -> Figure:
    cover = vivid(rng)
    return Figure(
        (
            Shape((box(-0.7, -1, 0.75, 1),), (236, 230, 214), 0, 0.5, 0.2),
            Shape((box(-0.75, -1, 0.65, 1),), cover, 0, 0.6, 0.3),
            Shape((box(-0.45, -0.7, 0.35, -0.35),), shade(cover, 1.8), 0, 0.6, 0.1),
        )
    )


NATURAL = (rock, leaves, berries, twig, tuft)
BUILT = (crate, ball, book, post, leaves)
THIN = (twig, tuft)
SCENES_OF_NATURE = frozenset({"meadow", "forest", "lake", "sky", "snow", "desert", "foliage", "autumn", "seabed"})
