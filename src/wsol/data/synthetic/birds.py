"""`synthbirds`: fine-grained classes on one body plan.

All birds share seven parts. A class fixes the colour or pattern of a few of them; the plumage of the rest varies within
the class. So the evidence for a class sits in small parts, while the object is the whole bird.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from wsol.data.synthetic.raster import Colour, Decal, Figure, Keypoint, Shape
from wsol.data.synthetic.shapes import Points, ellipse, limb, polygon, smooth, turned
from wsol.data.synthetic.textures import hsv, jitter, pick, shade, spots, stripes

Rng = np.random.Generator

PARTS = ("head", "beak", "breast", "wing", "belly", "leg", "tail")
HEAD, BEAK, BREAST, WING, BELLY, LEG, TAIL = range(1, 8)
MAX_CLASSES = 200

PART_OF_ATTRIBUTE = {
    "head_colour": "head",
    "beak_colour": "beak",
    "beak_shape": "beak",
    "wing_pattern": "wing",
    "breast_colour": "breast",
    "tail_colour": "tail",
}
_COLOURS: dict[str, Colour] = {
    "red": (208, 32, 30),
    "yellow": (240, 205, 30),
    "blue": (36, 88, 208),
    "white": (244, 244, 240),
    "black": (24, 24, 28),
    "green": (30, 150, 62),
    "orange": (240, 126, 20),
    "violet": (138, 54, 178),
    "grey": (92, 94, 100),
    "rufous": (168, 78, 34),
}
_HEADS = ("red", "yellow", "blue", "white", "black", "green", "orange", "violet")
_BEAKS = ("grey", "orange", "red")
_BEAK_SHAPES = {"cone": "finch", "dagger": "warbler", "hook": "shrike"}
_WINGS = ("plain", "white bars", "yellow patch", "red shoulder", "white spots")
_BREASTS = ("plain", "yellow", "black")
_TAILS = ("plain", "white", "rufous")

# The first classes, chosen so that pairs that differ in exactly one, two and three parts are among any ten of them.
_FIRST: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("red", "grey", "cone", "plain", "plain", "plain"),
    ("yellow", "grey", "cone", "plain", "plain", "plain"),
    ("blue", "grey", "cone", "white bars", "plain", "plain"),
    ("red", "grey", "cone", "yellow patch", "plain", "plain"),
    ("white", "orange", "dagger", "plain", "plain", "plain"),
    ("green", "grey", "cone", "white bars", "plain", "plain"),
    ("black", "orange", "dagger", "red shoulder", "plain", "plain"),
    ("blue", "orange", "dagger", "yellow patch", "plain", "plain"),
    ("orange", "grey", "cone", "plain", "black", "plain"),
    ("violet", "grey", "hook", "white spots", "plain", "plain"),
    ("yellow", "grey", "cone", "plain", "black", "plain"),
    ("white", "orange", "dagger", "red shoulder", "plain", "plain"),
    ("green", "red", "dagger", "plain", "plain", "white"),
    ("black", "orange", "dagger", "plain", "yellow", "plain"),
    ("violet", "grey", "hook", "plain", "plain", "rufous"),
    ("orange", "grey", "cone", "white bars", "plain", "plain"),
    ("red", "red", "dagger", "white spots", "plain", "plain"),
    ("blue", "grey", "hook", "plain", "yellow", "plain"),
    ("white", "grey", "hook", "yellow patch", "plain", "plain"),
    ("green", "grey", "cone", "red shoulder", "black", "plain"),
)
# A stride that shares no factor with the number of combinations visits each of them once, far from its neighbours.
_STRIDE = 1009


@lru_cache(maxsize=1)
def _rows() -> tuple[tuple[str, str, str, str, str, str], ...]:
    combinations = list(product(_HEADS, _BEAKS, _BEAK_SHAPES, _WINGS, _BREASTS, _TAILS))
    visited = (combinations[(k * _STRIDE) % len(combinations)] for k in range(len(combinations)))
    rest = [row for row in visited if row not in _FIRST]
    return (*_FIRST, *rest[: MAX_CLASSES - len(_FIRST)])


def attributes(class_index: int) -> dict[str, str]:
    """What defines the class; the keys are those of `PART_OF_ATTRIBUTE`."""
    return dict(zip(PART_OF_ATTRIBUTE, _rows()[class_index], strict=True))


def differing_parts(class_a: int, class_b: int) -> tuple[str, ...]:
    """The parts, in the order of `PARTS`, in which the two classes differ."""
    a, b = attributes(class_a), attributes(class_b)
    parts = {part for name, part in PART_OF_ATTRIBUTE.items() if a[name] != b[name]}
    return tuple(part for part in PARTS if part in parts)


def class_name(class_index: int) -> str:
    """A spoken description; attributes at their plainest value go unsaid."""
    row = attributes(class_index)
    words = [f"{row['head_colour']}-headed"]
    if row["wing_pattern"] != "plain":
        words.append(row["wing_pattern"].replace(" ", "-"))
    words += [f"{row['beak_colour']}-beaked", _BEAK_SHAPES[row["beak_shape"]]]
    extras = [f"{row[f'{part}_colour']} {part}" for part in ("breast", "tail") if row[f"{part}_colour"] != "plain"]
    return " ".join(words) + (" with " + " and ".join(extras) if extras else "")


def class_path(class_index: int) -> list[str]:
    return ["organism", "animal", "bird", _BEAK_SHAPES[attributes(class_index)["beak_shape"]]]


def bird(rng: Rng, row: Mapping[str, Any], faces_left: bool) -> Figure:
    """A bird in profile that looks right (the placement mirrors it when `faces_left`), about 3 units long.

    Each part's class-dependent draws come from a generator of their own: with the same `rng`, birds of two classes are
    the same but for the parts in which the classes differ.
    """
    own = {part: np.random.default_rng(word) for part, word in zip(PARTS, rng.integers(2**32, size=7), strict=True)}
    base = _plumage(rng)
    light, dark = shade(base, rng.uniform(1.5, 2.8)), shade(base, rng.uniform(0.55, 0.8))
    tilt, nod = rng.uniform(-16, 14), rng.normal(0, 9)
    pivot = (0.62, -0.34)
    plump = rng.uniform(0.92, 1.12)
    body = smooth(
        [
            (1.0, -0.3),
            (0.98, 0.15),
            (0.55, 0.58 * plump),
            (-0.1, 0.62 * plump),
            (-0.75, 0.34),
            (-1.15, 0.05),
            (-0.75, -0.18),
            (0.0, -0.42 * plump),
            (0.45, -0.62),
        ]
    )
    head_x, head_y = 0.92 + rng.normal(0, 0.06), -0.72 + rng.normal(0, 0.07)
    neck = turned(limb((0.55, -0.12), (head_x, head_y), 0.92, 0.6), nod / 2, pivot)
    breast_colour = (
        light if row["breast_colour"] == "plain" else jitter(own["breast"], _COLOURS[row["breast_colour"]], 0.04)
    )
    breast = smooth([(1.4, -0.7), (1.3, 0.3), (0.72, 0.62), (0.42, 0.28), (0.36, -0.2), (0.5, -0.8)])
    belly_marks = stripes(rng, (-0.7, 0.1, 0.6, 0.7), 7, 75, shade(light, 0.8)) if rng.uniform() < 0.3 else ()
    shapes = [*_tail(rng, own["tail"], row, dark)]
    leg_shapes, feet = _legs(rng)
    shapes += leg_shapes
    shapes += [
        Shape((neck,), breast_colour, BREAST, 0.5),
        Shape((body,), shade(light, 1.15), BELLY, 0.55, 0.5, (*belly_marks, Decal(breast, breast_colour, BREAST))),
    ]
    head_shapes, eye = _head(own, row, head_x, head_y)
    shapes += [_turn(shape, nod, pivot) for shape in head_shapes]
    eye = turned(eye[None], nod, pivot)[0]
    shapes.append(_wing(rng, own["wing"], row, jitter(rng, base, 0.04), dark))
    upright = ("left", "right") if faces_left else ("right", "left")
    leaning = [shape if shape.part == LEG else _turn(shape, tilt, (-0.05, 0.5)) for shape in shapes]
    eye = turned(eye[None], tilt, (-0.05, 0.5))[0]
    keypoints = (
        Keypoint(f"{upright[0]}_eye", float(eye[0]), float(eye[1]), HEAD),
        Keypoint(f"{upright[1]}_eye", float(eye[0]), float(eye[1]), HEAD, hidden=True),
        Keypoint(f"{upright[0]}_foot", *feet[0], LEG),
        Keypoint(f"{upright[1]}_foot", *feet[1], LEG),
    )
    return Figure(tuple(leaning), keypoints)


def _plumage(rng: Rng) -> Colour:
    tones = (
        (134, 104, 74),
        (120, 122, 126),
        (118, 120, 78),
        (166, 138, 100),
        (84, 98, 116),
        (98, 78, 66),
        (86, 114, 112),
    )
    return jitter(rng, tones[int(rng.integers(len(tones)))], 0.07)


def _turn(shape: Shape, degrees: float, about: tuple[float, float]) -> Shape:
    decals = tuple(Decal(turned(d.points, degrees, about), d.colour, d.part) for d in shape.decals)
    outlines = tuple(turned(points, degrees, about) for points in shape.outlines)
    return Shape(outlines, shape.colour, shape.part, shape.relief, shape.rough, decals)


def _tail(rng: Rng, own: Rng, row: Mapping[str, Any], dark: Colour) -> list[Shape]:
    colour = shade(dark, 0.85) if row["tail_colour"] == "plain" else jitter(own, _COLOURS[row["tail_colour"]], 0.04)
    length, spread, lift = rng.uniform(0.65, 1.0), rng.uniform(0.12, 0.24), rng.uniform(-20, 18)
    end = -0.85 - length
    feathers = [polygon((-0.7, -0.05), (-0.7, 0.22), (end, 0.1 + spread), (end - 0.08, 0.08), (end, 0.06 - spread))]
    return [Shape((turned(points, lift, (-0.75, 0.08)),), colour, TAIL, 0.35, 0.5) for points in feathers]


def _legs(rng: Rng) -> tuple[list[Shape], list[tuple[float, float]]]:
    colour = pick(rng, (126, 96, 70), (88, 84, 80), (160, 120, 90))
    shapes: list[Shape] = []
    feet: list[tuple[float, float]] = []
    length = rng.uniform(1.02, 1.2)
    for hip, tone in ((rng.uniform(0.0, 0.1), 1.0), (rng.uniform(-0.32, -0.18), 0.75)):
        x = hip + rng.uniform(0.0, 0.16)
        shapes.append(Shape((limb((hip, 0.4), (x, length), 0.14, 0.11),), shade(colour, tone), LEG, 0.3, 0.1))
        toes = smooth(
            [(x - 0.16, length + 0.07), (x, length - 0.07), (x + 0.27, length + 0.04), (x + 0.26, length + 0.1)]
        )
        shapes.append(Shape((toes,), shade(colour, tone), LEG, 0.3, 0.1))
        feet.append((x + 0.03, length + 0.03))
    return shapes[::-1], feet


def _head(own: Mapping[str, Rng], row: Mapping[str, Any], x: float, y: float) -> tuple[list[Shape], Points]:
    colour = jitter(own["head"], _COLOURS[row["head_colour"]], 0.035)
    radius = 0.43
    beak = jitter(own["beak"], _COLOURS[row["beak_colour"]], 0.035)
    beak_x, beak_y = x + 0.8 * radius, y + 0.04
    outline = {
        "cone": polygon((beak_x, beak_y - 0.2), (beak_x + 0.44, beak_y + 0.06), (beak_x - 0.02, beak_y + 0.22)),
        "dagger": polygon((beak_x, beak_y - 0.13), (beak_x + 0.74, beak_y + 0.04), (beak_x, beak_y + 0.15)),
        "hook": smooth(
            [
                (beak_x, beak_y - 0.2),
                (beak_x + 0.38, beak_y - 0.04),
                (beak_x + 0.42, beak_y + 0.3),
                (beak_x + 0.24, beak_y + 0.14),
                (beak_x - 0.02, beak_y + 0.2),
            ]
        ),
    }[row["beak_shape"]]
    eye = np.array([x + 0.14, y - 0.1])
    gape = Decal(limb((beak_x - 0.1, beak_y + 0.05), (beak_x + 0.5, beak_y + 0.06), 0.035), shade(beak, 0.6))
    shapes = [
        Shape((outline,), beak, BEAK, 0.5, 0.1, (gape,)),
        Shape((ellipse(x, y, radius * 1.04, radius, 12),), colour, HEAD, 0.75, 0.35),
        Shape((ellipse(eye[0], eye[1], 0.105, 0.105),), (235, 225, 200), HEAD, 0.75, 0.0),
        Shape((ellipse(eye[0] + 0.01, eye[1], 0.08, 0.08),), (16, 14, 14), HEAD, 0.75, 0.0),
    ]
    return shapes, eye


def _wing(rng: Rng, own: Rng, row: Mapping[str, Any], base: Colour, dark: Colour) -> Shape:
    """Folded, or lifted off the back; its lower feathers darker."""
    outline = smooth(
        [(0.52, -0.3), (0.46, 0.06), (0.05, 0.28), (-0.6, 0.22), (-1.32, 0.12), (-0.8, -0.16), (0.0, -0.46)]
    )
    flight = smooth([(-0.2, 0.4), (-0.25, 0.08), (-0.7, 0.0), (-1.5, 0.0), (-1.5, 0.3)])
    marks: tuple[Decal, ...] = (Decal(flight, shade(dark, 0.8)),)
    pattern = row["wing_pattern"]
    if pattern == "white bars":
        white = jitter(own, _COLOURS["white"], 0.03)
        marks += tuple(Decal(limb((x + 0.1, -0.55), (x - 0.16, 0.45), 0.12), white) for x in (0.2, -0.14))
    elif pattern == "yellow patch":
        marks += (Decal(ellipse(-0.22, -0.02, 0.3, 0.17, 8), jitter(own, _COLOURS["yellow"], 0.035)),)
    elif pattern == "red shoulder":
        marks += (Decal(ellipse(0.34, -0.16, 0.26, 0.22, -30), jitter(own, _COLOURS["red"], 0.035)),)
    elif pattern == "white spots":
        marks += spots(own, (-0.7, -0.3, 0.4, 0.22), 12, 0.07, hsv(0.1, 0.04, 0.96))
    wing = Shape((outline,), base, WING, 0.85, 0.7, marks)
    return _turn(wing, -rng.uniform(0, 14) if rng.uniform() < 0.75 else rng.uniform(14, 42), (0.4, -0.2))
