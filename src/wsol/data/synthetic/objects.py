"""Single things of unlike structure, for `synthobjects` and `synthscenes`. Their colours vary within a class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wsol.data.synthetic.raster import Colour, Decal, Figure, Shape
from wsol.data.synthetic.shapes import Points, arc, box, ellipse, limb, polygon, smooth, turned
from wsol.data.synthetic.textures import METALS, WOODS, favourite, hsv, jitter, pick, shade, spots, stripes, vivid

Rng = np.random.Generator
Draw = Callable[[Rng], Figure]


@dataclass(frozen=True)
class Thing:
    """A class: how it is drawn, how far it may be turned (degrees either way), and its ancestors, general first."""

    name: str
    draw: Draw
    turn: float
    path: tuple[str, ...]


def pattern(rng: Rng, area: tuple[float, float, float, float], colour: Colour) -> tuple[Decal, ...]:
    """No marking, or stripes, or spots."""
    kind = rng.integers(4)
    mark = shade(colour, rng.uniform(0.5, 0.75)) if rng.uniform() < 0.6 else vivid(rng)
    if kind == 0:
        return stripes(rng, area, int(rng.integers(5, 9)), float(rng.uniform(0, 180)), mark)
    if kind == 1:
        return spots(rng, area, 14, 0.09 * (area[2] - area[0]), mark)
    return ()


def part(outline: Points, colour: Colour, *more: Points, relief: float = 0.6, rough: float = 0.3) -> Shape:
    """A plain shape; further outlines are holes."""
    return Shape((outline, *more), colour, 0, relief, rough)


def mug(rng: Rng) -> Figure:
    colour = favourite(rng, (236, 232, 222), (190, 44, 40), (52, 84, 150))
    half, height = rng.uniform(0.55, 0.75), rng.uniform(1.3, 1.7)
    body = smooth([(-half, 0), (-half * 0.94, height), (half * 0.94, height), (half, 0)], 1)
    marks = pattern(rng, (-half, 0.1, half, height), colour)
    handle = ellipse(half + 0.12, height * 0.48, 0.42, height * 0.32)
    hole = ellipse(half + 0.12, height * 0.48, 0.25, height * 0.2)
    return Figure(
        (
            part(handle, shade(colour, 0.85), hole, relief=0.4),
            part(ellipse(0, height, half * 0.94, 0.14), colour),
            Shape((body,), colour, 0, 0.7, 0.15, marks),
            part(ellipse(0, 0, half, 0.17), shade(colour, 1.5), relief=0.7),
            part(ellipse(0, 0.02, half * 0.86, 0.12), pick(rng, (58, 34, 22), (150, 96, 40), (40, 40, 44)), relief=0.3),
        )
    )


def wheel(rng: Rng) -> Figure:
    tyre, rim = pick(rng, (36, 36, 40), (60, 56, 54)), pick(rng, *METALS)
    count, inner = int(rng.integers(6, 15)), rng.uniform(0.72, 0.82)
    spokes = [limb((0, 0), (np.cos(a), np.sin(a)), 0.09) * (0.8, 0.8) for a in np.arange(count) * 2 * np.pi / count]
    return Figure(
        (
            *(part(spoke, shade(rim, 0.9), relief=0.4, rough=0.1) for spoke in spokes),
            part(ellipse(0, 0, 1, 1, corners=40), tyre, ellipse(0, 0, inner, inner, corners=40), rough=0.5),
            part(ellipse(0, 0, inner + 0.02, inner + 0.02, corners=40), rim, ellipse(0, 0, inner - 0.09, inner - 0.09)),
            part(ellipse(0, 0, 0.2, 0.2), vivid(rng), relief=0.9),
        )
    )


def tree(rng: Rng) -> Figure:
    leaf = pick(rng, (62, 128, 50), (98, 140, 44), (40, 96, 60), (190, 120, 40), (216, 150, 170))
    trunk, lean = pick(rng, *WOODS[:3]), rng.normal(0, 0.12)
    crown = []
    for _ in range(9):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.62)
        x, y, r = lean + reach * np.cos(angle), -0.75 + 0.85 * reach * np.sin(angle), rng.uniform(0.32, 0.46)
        crown.append(part(ellipse(x, y, r, r * 0.9), jitter(rng, leaf, 0.05), relief=rng.uniform(0.5, 0.9), rough=1.0))
    stem = smooth([(-0.14, 1.2), (-0.07, 0.3), (lean - 0.05, -0.6), (lean + 0.07, -0.6), (0.1, 0.3), (0.18, 1.2)])
    branch = limb((0.02, 0.25), (lean + 0.4, -0.5), 0.1, 0.05)
    return Figure((part(stem, trunk, rough=0.9), part(branch, trunk, rough=0.9), *crown))


def house(rng: Rng) -> Figure:
    wall = pick(rng, (226, 214, 188), (190, 110, 86), (200, 206, 214), (236, 200, 120), (150, 176, 150))
    roof, door = pick(rng, (150, 62, 46), (86, 78, 80), (110, 70, 48), (64, 84, 110)), vivid(rng)
    width, peak = rng.uniform(0.9, 1.25), rng.uniform(0.6, 0.95)
    shapes = [
        part(box(width * 0.35, -0.35 - peak, width * 0.58, 0.0), shade(wall, 0.7)),
        Shape(
            (box(-width, 0, width, 1.25),),
            wall,
            0,
            0.6,
            0.4,
            stripes(rng, (-width, 0, width, 1.2), 14, 0, shade(wall, 0.9)),
        ),
        part(polygon((-width - 0.18, 0.06), (0, -peak), (width + 0.18, 0.06)), roof, relief=0.8, rough=0.7),
        part(box(-0.17, 0.55, 0.2, 1.25), door, relief=0.4),
    ]
    for x in (-0.62 * width, 0.62 * width):
        shapes.append(part(box(x - 0.2, 0.32, x + 0.2, 0.76), (240, 240, 236), relief=0.7))
        shapes.append(part(box(x - 0.15, 0.37, x + 0.15, 0.71), pick(rng, (70, 92, 120), (240, 214, 120)), relief=0.3))
    return Figure(tuple(shapes))


def fish(rng: Rng) -> Figure:
    colour = favourite(rng, (240, 130, 30), (120, 160, 190), (230, 190, 60))
    deep, bend = rng.uniform(0.45, 0.72), rng.normal(0, 0.1)
    fin = jitter(rng, shade(colour, 0.75), 0.1)
    body = smooth(
        [
            (1.1, 0.05),
            (0.6, -deep * 0.85),
            (-0.1, -deep),
            (-0.85, -0.16 + bend),
            (-0.85, 0.16 + bend),
            (-0.1, deep),
            (0.6, deep * 0.8),
        ]
    )
    tail = smooth([(-0.75, bend), (-1.35, -0.55 + bend), (-1.2, bend), (-1.35, 0.55 + bend)], 5)
    marks = (
        *pattern(rng, (-0.9, -deep, 0.6, deep), colour),
        Decal(ellipse(0.1, deep * 1.05, 1.1, 0.42), shade(colour, 2.2)),
    )
    return Figure(
        (
            part(tail, fin, rough=0.7),
            part(polygon((0.4, -deep * 0.7), (-0.15, -deep - 0.35), (-0.55, -deep * 0.5)), fin, rough=0.7),
            part(polygon((0.1, deep * 0.7), (-0.25, deep + 0.28), (-0.45, deep * 0.6)), fin, rough=0.7),
            Shape((body,), colour, 0, 0.7, 0.5, marks),
            part(smooth([(0.25, 0.08), (-0.2, 0.02), (-0.3, 0.34)]), shade(fin, 0.8), relief=0.9),
            part(ellipse(0.72, -0.12, 0.13, 0.13), (245, 245, 235)),
            part(ellipse(0.74, -0.12, 0.07, 0.07), (15, 15, 18)),
        )
    )


def key(rng: Rng) -> Figure:
    metal, bow = pick(rng, *METALS, (170, 110, 60)), rng.uniform(0.42, 0.56)
    teeth = [box(0.85 + 0.26 * k, 0.0, 1.02 + 0.26 * k, rng.uniform(0.28, 0.5)) for k in range(3)]
    return Figure(
        (
            *(part(tooth, metal, rough=0.15) for tooth in teeth),
            part(box(-0.2, -0.11, 1.62, 0.11, 0.06), metal, rough=0.15),
            part(ellipse(-0.5, 0, bow, bow * 1.1), metal, ellipse(-0.6, 0, bow * 0.48, bow * 0.55), rough=0.15),
            part(box(-0.04, -0.17, 0.08, 0.17, 0.04), shade(metal, 0.75), relief=0.9),
        )
    )


def bottle(rng: Rng) -> Figure:
    glass = pick(rng, (40, 100, 60), (110, 66, 30), (150, 190, 200), (60, 80, 150), (200, 210, 200))
    half, neck = rng.uniform(0.32, 0.46), rng.uniform(0.11, 0.16)
    body = smooth(
        [
            (-neck, -1.2),
            (-neck, -0.6),
            (-half, -0.15),
            (-half, 1.15),
            (half, 1.15),
            (half, -0.15),
            (neck, -0.6),
            (neck, -1.2),
        ],
        4,
    )
    label = Decal(box(-1, 0.15, 1, 0.85), pick(rng, (238, 230, 206), (200, 60, 50), (250, 250, 250)))
    emblem = Decal(ellipse(0, 0.5, half * 0.5, 0.18), vivid(rng))
    shine = Decal(limb((-half * 0.6, -0.1), (-half * 0.6, 1.0), 0.07), shade(glass, 2.5))
    return Figure(
        (
            Shape((body,), glass, 0, 0.7, 0.1, (label, emblem, shine)),
            part(box(-neck * 1.25, -1.42, neck * 1.25, -1.16, 0.05), vivid(rng), relief=0.8),
        )
    )


def kite(rng: Rng) -> Figure:
    first, second, wide = vivid(rng), vivid(rng), rng.uniform(0.62, 0.85)
    sail = polygon((0, -1), (wide, -0.25), (0, 1), (-wide, -0.25))
    quarters = (
        Decal(polygon((0, -1), (wide, -0.25), (0, -0.25)), second),
        Decal(polygon((0, 1), (-wide, -0.25), (0, -0.25)), second),
    )
    shapes = []
    x, y = 0.0, 0.95
    for _ in range(3):
        end = (x + rng.normal(0, 0.22), y + rng.uniform(0.25, 0.34))
        shapes.append(part(limb((x, y), end, 0.045), (60, 54, 50), relief=0.2))
        shapes.append(
            part(
                polygon(
                    (end[0] - 0.17, end[1] - 0.1),
                    (end[0] + 0.17, end[1] + 0.1),
                    (end[0] + 0.17, end[1] - 0.1),
                    (end[0] - 0.17, end[1] + 0.1),
                ),
                second,
            )
        )
        x, y = end
    spars = (Decal(limb((0, -1), (0, 1), 0.04), (70, 60, 50)), Decal(limb((-1, -0.25), (1, -0.25), 0.04), (70, 60, 50)))
    return Figure((*shapes, Shape((sail,), first, 0, 0.6, 0.2, (*quarters, *spars))))


def lamp(rng: Rng) -> Figure:
    cover, stand = (
        pick(rng, (252, 226, 150), (250, 236, 196), (252, 226, 150), (226, 170, 110)),
        pick(rng, *METALS, *WOODS),
    )
    top, flare, tall = rng.uniform(0.25, 0.45), rng.uniform(0.65, 0.9), rng.uniform(0.9, 1.4)
    hood = polygon((-top, -0.8), (top, -0.8), (flare, 0.05), (-flare, 0.05))
    return Figure(
        (
            part(limb((0, -0.1), (0, tall), 0.1), stand, rough=0.1),
            part(ellipse(0, tall * 0.55, 0.2, 0.26), stand, rough=0.1),
            part(
                smooth([(-0.5, tall + 0.1), (-0.3, tall - 0.06), (0.3, tall - 0.06), (0.5, tall + 0.1)]),
                shade(stand, 0.8),
            ),
            Shape((hood,), cover, 0, 0.7, 0.3, pattern(rng, (-flare, -0.8, flare, 0.05), cover)),
        )
    )


def chair(rng: Rng) -> Figure:
    wood, seat = pick(rng, *WOODS, (60, 60, 64)), vivid(rng)
    slats, tall = int(rng.integers(2, 5)), rng.uniform(1.1, 1.5)
    legs = [limb((x, 0), (x + s, 1.1), 0.12) for x, s in ((-0.55, -0.08), (0.55, 0.08), (-0.3, 0.02), (0.74, 0.1))]
    posts = [limb((-0.6, 0.05), (-0.7, -tall), 0.13), limb((0.42, 0.0), (0.34, -tall), 0.13)]
    rungs = [limb((-0.64, -tall * k / slats), (0.38, -tall * k / slats), 0.14) for k in range(1, slats + 1)]
    cushion = smooth([(-0.72, 0.12), (-0.6, -0.1), (0.5, -0.12), (0.86, 0.06), (0.8, 0.2), (-0.6, 0.22)])
    return Figure(
        (*(part(points, wood, rough=0.6) for points in (*legs, *posts, *rungs)), part(cushion, seat, relief=0.8))
    )


def umbrella(rng: Rng) -> Figure:
    first = favourite(rng, (200, 40, 60), (50, 60, 110), (230, 180, 60))
    second = shade(first, 0.7) if rng.uniform() < 0.5 else vivid(rng)
    rim = [(x, 0.02 + 0.1 * (k % 2)) for k, x in enumerate(np.linspace(1.1, -1.1, 9))]
    dome = np.concatenate([arc(0, 0.05, 1.1, 0.0, 180, 360)[:14] * (1.0, 0.82), np.array(rim)])
    panels = tuple(Decal(polygon((0, -0.95), (x, 0.3), (x + 0.46, 0.3)), second) for x in (-1.1, -0.23, 0.64))
    return Figure(
        (
            part(limb((0, -0.1), (0, 1.15), 0.08), (70, 60, 54), relief=0.4),
            part(arc(0.16, 1.12, 0.16, 0.09, 0, 180), pick(rng, *WOODS), relief=0.4),
            part(limb((0, -0.98), (0, -0.8), 0.07), (70, 60, 54)),
            Shape((dome,), first, 0, 0.75, 0.3, panels),
        )
    )


def guitar(rng: Rng) -> Figure:
    wood = pick(rng, (190, 120, 54), (150, 60, 34), (216, 170, 100), (50, 40, 40), (70, 90, 140))
    waist, neck = rng.uniform(0.34, 0.42), (74, 48, 34)
    body = smooth(
        [(0, -0.45), (0.42, -0.3), (waist, 0.15), (0.6, 0.65), (0.0, 1.05), (-0.6, 0.65), (-waist, 0.15), (-0.42, -0.3)]
    )
    pegs = [ellipse(x, y, 0.07, 0.05) for x in (-0.19, 0.19) for y in (-1.95, -1.8, -1.65)]
    return Figure(
        (
            *(part(peg, (220, 216, 200)) for peg in pegs),
            part(box(-0.16, -2.05, 0.16, -1.55, 0.05), shade(neck, 0.8)),
            part(body, shade(wood, 0.55)),
            part(body * 0.92 + (0, 0.03), wood, relief=0.7, rough=0.5),
            part(ellipse(0, 0.08, 0.2, 0.2), (30, 22, 18), relief=0.2),
            part(box(-0.1, -1.6, 0.1, 0.0), neck, relief=0.8),
            part(box(-0.24, 0.58, 0.24, 0.68), (50, 36, 28), relief=0.8),
            part(box(-0.03, -1.6, 0.03, 0.6), (216, 210, 196), relief=0.8, rough=0.0),
        )
    )


def mushroom(rng: Rng) -> Figure:
    cap, stem = pick(rng, (190, 40, 34), (170, 120, 70), (220, 180, 110), (120, 90, 110)), (236, 226, 204)
    flat = rng.uniform(0.6, 0.95)
    dome = smooth([(-1, 0.1), (-0.7, -flat * 0.7), (0, -flat), (0.7, -flat * 0.7), (1, 0.1), (0, 0.26)])
    stalk = smooth([(-0.24, 0), (-0.2, 0.6), (-0.36, 1.15), (0.36, 1.15), (0.2, 0.6), (0.24, 0)])
    return Figure(
        (
            part(stalk, jitter(rng, stem, 0.03), rough=0.6),
            part(smooth([(-0.4, 0.34), (0, 0.2), (0.4, 0.34), (0.3, 0.5), (-0.3, 0.5)]), shade(stem, 0.85)),
            Shape((dome,), cap, 0, 0.8, 0.3, spots(rng, (-0.9, -flat, 0.9, 0.1), 12, 0.12, (244, 238, 226))),
        )
    )


def clock(rng: Rng) -> Figure:
    frame, face = vivid(rng), pick(rng, (246, 244, 236), (238, 226, 190), (40, 42, 50))
    ink = (30, 30, 34) if sum(face) > 380 else (240, 236, 220)
    marks = [
        limb((0.66 * np.cos(a), 0.66 * np.sin(a)), (0.78 * np.cos(a), 0.78 * np.sin(a)), 0.07)
        for a in np.arange(12) * np.pi / 6
    ]
    hour, minute = rng.uniform(0, 360, 2)
    return Figure(
        (
            *(part(ellipse(x, -0.95, 0.3, 0.24, t), shade(frame, 0.8)) for x, t in ((-0.6, -35), (0.6, 35))),
            *(part(limb((x * 0.6, 0.8), (x, 1.2), 0.15), shade(frame, 0.7)) for x in (-0.75, 0.75)),
            part(ellipse(0, 0, 1.05, 1.05, corners=40), frame, relief=0.8),
            part(ellipse(0, 0, 0.87, 0.87, corners=36), face, relief=0.4, rough=0.1),
            *(part(mark, ink, relief=0.4, rough=0.0) for mark in marks),
            part(turned(limb((0, 0.08), (0, -0.42), 0.12), hour), ink, relief=0.5, rough=0.0),
            part(turned(limb((0, 0.1), (0, -0.64), 0.08), minute), ink, relief=0.5, rough=0.0),
        )
    )


def sailboat(rng: Rng) -> Figure:
    hull, sail = vivid(rng), pick(rng, (244, 242, 234), (230, 190, 140), (200, 70, 60), (90, 140, 190))
    swell = rng.uniform(0.05, 0.25)
    main = smooth([(0.06, -1.5), (0.12, 0.3), (0.95, 0.3), (0.5 + swell, -0.5)], 4)
    jib = smooth([(-0.06, -1.3), (-0.1, 0.25), (-0.85, 0.25), (-0.5, -0.4)], 4)
    body = smooth([(-1.15, 0.48), (1.15, 0.44), (0.8, 0.95), (-0.75, 0.95)], 4)
    return Figure(
        (
            part(limb((0, 0.5), (0, -1.58), 0.08), (110, 80, 54)),
            Shape((main,), sail, 0, 0.6, 0.2, stripes(rng, (0, -1.5, 1, 0.3), 7, 0, shade(sail, 0.88))),
            part(jib, jitter(rng, shade(sail, 0.9), 0.05)),
            Shape((body,), hull, 0, 0.7, 0.4, (Decal(box(-2, 0.38, 2, 0.56), shade(hull, 2.2)),)),
        )
    )


def butterfly(rng: Rng) -> Figure:
    wing, edge, wide = vivid(rng), hsv(rng.uniform(), 0.3, 0.2), rng.uniform(0.8, 1.1)
    dots = spots(rng, (0.1, -0.9, 1.1, 0.8), 6, 0.12, vivid(rng))
    shapes = []
    for side in (-1.0, 1.0):
        flip = np.array([side * wide, 1.0])
        upper = smooth([(0.05, -0.1), (0.35, -0.8), (1.05, -0.85), (0.95, -0.1), (0.4, 0.12)])
        lower = smooth([(0.05, 0.05), (0.6, 0.08), (0.85, 0.5), (0.5, 0.9), (0.15, 0.55)])
        for outline in (lower, upper):
            inner = (outline - outline.mean(axis=0)) * 0.78 + outline.mean(axis=0)
            marks = (Decal(inner * flip, wing), *(Decal(d.points * flip, d.colour) for d in dots))
            shapes.append(Shape((outline * flip,), edge, 0, 0.6, 0.3, marks))
        shapes.append(part(limb((0, -0.5), (side * 0.3, -0.95), 0.05), (40, 34, 30)))
    return Figure((*shapes, part(ellipse(0, 0, 0.11, 0.6), (46, 38, 34), relief=0.9)))


OBJECTS: tuple[Thing, ...] = (
    Thing("mug", mug, 12, ("object", "container", "vessel")),
    Thing("wheel", wheel, 180, ("object", "vehicle part")),
    Thing("tree", tree, 6, ("organism", "plant")),
    Thing("house", house, 5, ("object", "building")),
    Thing("fish", fish, 25, ("organism", "animal")),
    Thing("key", key, 180, ("object", "implement")),
    Thing("bottle", bottle, 25, ("object", "container", "vessel")),
    Thing("kite", kite, 40, ("object", "toy")),
    Thing("lamp", lamp, 8, ("object", "furniture")),
    Thing("chair", chair, 10, ("object", "furniture")),
    Thing("umbrella", umbrella, 35, ("object", "accessory")),
    Thing("guitar", guitar, 70, ("object", "instrument")),
    Thing("mushroom", mushroom, 12, ("organism", "fungus")),
    Thing("clock", clock, 15, ("object", "instrument")),
    Thing("sailboat", sailboat, 10, ("object", "conveyance", "vessel afloat")),
    Thing("butterfly", butterfly, 60, ("organism", "animal")),
)
