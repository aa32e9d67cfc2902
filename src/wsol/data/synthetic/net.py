"""`synthnet`: families of classes. The members of a family share a structure and differ in details of it."""

from __future__ import annotations

from functools import partial

import numpy as np

from wsol.data.synthetic.objects import Rng, Thing, part, pattern
from wsol.data.synthetic.raster import Colour, Decal, Figure, Shape
from wsol.data.synthetic.shapes import arc, box, ellipse, limb, polygon, smooth
from wsol.data.synthetic.textures import METALS, WOODS, favourite, jitter, pick, shade, spots, stripes, vivid


def _wheels(rng: Rng, *places: tuple[float, float, float]) -> list[Shape]:
    hub, shapes = pick(rng, *METALS), []
    for x, y, radius in places:
        shapes.append(part(ellipse(x, y, radius, radius), (34, 34, 38), relief=0.8, rough=0.5))
        shapes.append(part(ellipse(x, y, radius * 0.52, radius * 0.52), hub, relief=0.9, rough=0.1))
    return shapes


def vehicle(kind: str, rng: Rng) -> Figure:
    """A body on wheels, seen from the side: car, bus, lorry or tractor."""
    typical: dict[str, tuple[Colour, ...]] = {
        "car": ((196, 30, 36), (60, 90, 160), (200, 204, 208)),
        "bus": ((240, 190, 40), (206, 40, 40)),
        "lorry": ((60, 100, 180), (236, 236, 232), (230, 120, 40)),
        "tractor": ((50, 130, 60), (200, 50, 36)),
    }
    paint, glass = favourite(rng, *typical[kind]), pick(rng, (120, 160, 190), (70, 90, 110), (180, 206, 216))
    lamp = part(ellipse(1.4, 0.05, 0.08, 0.1), (250, 236, 160))
    if kind == "car":
        roof = rng.uniform(0.5, 0.7)
        cabin = smooth([(-1.0, -0.18), (-0.6, -roof - 0.2), (0.35, -roof - 0.2), (0.85, -0.18)], 4)
        panes = [
            polygon((-0.72, -0.22), (-0.5, -roof), (-0.14, -roof), (-0.14, -0.22)),
            polygon((0, -0.22), (0, -roof), (0.28, -roof), (0.6, -0.22)),
        ]
        body = smooth([(-1.5, -0.15), (-1.0, -0.26), (0.85, -0.26), (1.45, -0.08), (1.5, 0.35), (-1.5, 0.35)], 4)
        shapes = [
            part(cabin, shade(paint, 0.9)),
            *(part(p, glass, relief=0.4, rough=0.0) for p in panes),
            part(body, paint, relief=0.7, rough=0.1),
            lamp,
        ]
        return Figure((*shapes, *_wheels(rng, (-0.88, 0.38, 0.31), (0.9, 0.38, 0.31))))
    if kind == "bus":
        stripe = (Decal(box(-2, -0.06, 2, 0.08), shade(paint, 0.55)),)
        shapes = [Shape((box(-1.6, -1.1, 1.6, 0.42, 0.16),), paint, 0, 0.7, 0.1, stripe)]
        shapes += [
            part(box(x, -0.88, x + 0.4, -0.28, 0.05), glass, relief=0.4, rough=0.0) for x in np.linspace(-1.46, 1.04, 6)
        ]
        return Figure((*shapes, *_wheels(rng, (-1.0, 0.42, 0.28), (0.98, 0.42, 0.28))))
    if kind == "lorry":
        load = pick(rng, (226, 224, 214), (150, 110, 74), (96, 120, 96), (190, 80, 60))
        shapes = [
            Shape(
                (box(-1.7, -1.05, 0.55, 0.2),),
                load,
                0,
                0.7,
                0.3,
                stripes(rng, (-1.7, -1.05, 0.55, 0.2), 9, 90, shade(load, 0.85)),
            ),
            part(box(-1.7, 0.16, 1.5, 0.38), (70, 70, 74)),
            part(
                smooth([(0.66, 0.32), (0.66, -0.72), (1.2, -0.72), (1.55, -0.15), (1.58, 0.32)], 3),
                paint,
                relief=0.8,
                rough=0.1,
            ),
            part(polygon((0.86, -0.12), (0.86, -0.56), (1.14, -0.56), (1.36, -0.12)), glass, relief=0.4, rough=0.0),
        ]
        return Figure((*shapes, *_wheels(rng, (-1.3, 0.4, 0.26), (-0.68, 0.4, 0.26), (1.1, 0.4, 0.26))))
    shapes = [
        part(box(0.5, -1.15, 0.62, -0.2), (60, 60, 62)),
        part(box(-0.95, -1.15, -0.05, -0.2), shade(paint, 0.8), box(-0.83, -1.02, -0.16, -0.34), relief=0.5),
        part(box(-1.05, -1.26, 0.08, -1.08, 0.06), shade(paint, 0.7), relief=0.8),
        part(
            smooth([(-0.9, -0.3), (0.1, -0.42), (1.1, -0.36), (1.18, 0.3), (-0.9, 0.36)], 4),
            paint,
            relief=0.7,
            rough=0.1,
        ),
    ]
    return Figure((*shapes, *_wheels(rng, (-0.62, 0.22, 0.62), (0.86, 0.5, 0.34))))


def quadruped(kind: str, rng: Rng) -> Figure:
    """Four legs, a trunk of a body, a neck and a head: giraffe, zebra, elephant or sheep."""
    coat: dict[str, Colour] = {
        "giraffe": (224, 182, 104),
        "zebra": (238, 236, 228),
        "elephant": (134, 132, 136),
        "sheep": (238, 232, 216),
    }
    skin = jitter(rng, coat[kind], 0.04)
    limbs = {"giraffe": 0.17, "zebra": 0.2, "elephant": 0.4, "sheep": 0.17}[kind]
    leg = {"giraffe": 1.35, "zebra": 1.05, "elephant": 0.95, "sheep": 0.85}[kind]
    tone = (66, 56, 52) if kind == "sheep" else skin
    shapes = [part(limb((-0.95, 0.1), (-1.2 + rng.normal(0, 0.12), 0.65), 0.1, 0.06), shade(tone, 0.8))]
    for x, factor in ((-0.5, 0.7), (0.7, 0.7), (-0.76, 1.0), (0.48, 1.0)):
        step = rng.normal(0, 0.12)
        shapes.append(part(limb((x, 0.2), (x + step, leg), limbs, limbs * 0.75), shade(tone, factor), relief=0.5))
    nod = rng.uniform(-0.15, 0.15)
    trunk = ellipse(0, 0, 1.02, 0.52 if kind != "elephant" else 0.68, -6 if kind == "giraffe" else 0)
    if kind == "giraffe":
        patch, head = pick(rng, (150, 84, 36), (120, 70, 40)), (1.5 + nod, -1.75)
        marks = spots(rng, (-1, -0.5, 1, 0.5), 16, 0.16, patch)
        neck = limb((0.7, -0.1), head, 0.55, 0.28)
        shapes += [
            Shape((neck,), skin, 0, 0.6, 0.3, spots(rng, (0.6, -1.8, 1.6, 0), 14, 0.12, patch)),
            Shape((trunk,), skin, 0, 0.7, 0.3, marks),
        ]
        shapes += [
            part(limb((head[0] - 0.1 + d, head[1]), (head[0] - 0.16 + d, head[1] - 0.36), 0.07), patch)
            for d in (0.0, 0.16)
        ]
        shapes += [part(limb(head, (head[0] + 0.42, head[1] + 0.2), 0.36, 0.22), skin, relief=0.8)]
    elif kind == "zebra":
        ink, head = (30, 28, 30), (1.35, -0.75 + nod)
        neck = limb((0.75, -0.1), head, 0.6, 0.38)
        shapes += [part(limb((0.6, -0.5), (head[0] - 0.22, head[1] - 0.16), 0.2), ink, rough=0.8)]
        shapes += [Shape((neck,), skin, 0, 0.6, 0.3, stripes(rng, (0.7, -0.9, 1.4, 0.1), 6, 30, ink))]
        shapes += [Shape((trunk,), skin, 0, 0.7, 0.3, stripes(rng, (-1, -0.5, 1, 0.5), 9, 85, ink))]
        shapes += [part(limb((head[0] - 0.1, head[1]), (head[0] - 0.12, head[1] - 0.34), 0.13, 0.06), ink)]
        face = limb(head, (head[0] + 0.42, head[1] + 0.3), 0.4, 0.26)
        shapes += [
            Shape((face,), skin, 0, 0.8, 0.3, (Decal(ellipse(head[0] + 0.48, head[1] + 0.34, 0.16, 0.16), ink),))
        ]
    elif kind == "elephant":
        head = (1.15, -0.3 + nod)
        shapes += [part(trunk, skin, relief=0.8, rough=0.9)]
        shapes += [part(limb((1.4, 0.1 + nod), (1.5, 0.5 + nod), 0.1, 0.05), (240, 236, 220))]
        shapes += [part(ellipse(*head, 0.5, 0.5), skin, relief=0.7, rough=0.9)]
        shapes += [part(limb((1.45, -0.2 + nod), (1.62, 0.62), 0.34, 0.2), skin, relief=0.7, rough=0.9)]
        shapes += [part(limb((1.62, 0.6), (1.7 + 2 * nod, 0.85), 0.2, 0.12), skin, relief=0.7)]
        shapes += [
            part(
                smooth([(1.05, -0.66 + nod), (0.5, -0.62 + nod), (0.45, 0.1), (0.8, 0.28), (1.08, -0.05)]),
                shade(skin, 0.78),
                relief=0.9,
            )
        ]
    else:
        head = (1.2, -0.35 + nod)
        wool = [ellipse(rng.uniform(-0.8, 0.8), rng.uniform(-0.35, 0.3), 0.36, 0.32) for _ in range(11)]
        shapes += [
            part(trunk, skin, rough=1.0),
            *(part(curl, jitter(rng, skin, 0.02), relief=rng.uniform(0.6, 0.9), rough=0.9) for curl in wool),
        ]
        shapes += [part(limb(head, (head[0] + 0.22, head[1] + 0.32), 0.46, 0.3), tone, relief=0.8)]
        shapes += [
            part(
                limb((head[0] - 0.12, head[1] - 0.05), (head[0] - 0.42, head[1] + 0.1), 0.17, 0.1),
                shade(tone, 0.8),
                relief=0.9,
            )
        ]
        shapes += [part(ellipse(head[0] - 0.1, head[1] - 0.22, 0.26, 0.2), skin, relief=0.9, rough=1.0)]
    eye = part(ellipse(head[0] + 0.12, head[1] - 0.02, 0.06, 0.06), (12, 12, 12), relief=0.8)
    return Figure((*shapes, eye))


def seat(kind: str, rng: Rng) -> Figure:
    """A seat on legs: stool, dining chair, armchair or bench."""
    wood, cloth = pick(rng, *WOODS, (60, 60, 64)), favourite(rng, (150, 60, 50), (90, 110, 90), (176, 140, 96))
    half, tall = (1.35 if kind == "bench" else 0.62), rng.uniform(0.95, 1.4)
    drop = {"stool": 1.5, "dining chair": 1.1, "armchair": 0.75, "bench": 0.8}[kind]
    legs = [
        limb((x * half, 0.05), (x * half * s, drop), 0.14)
        for x, s in ((-0.6, 1.0), (0.6, 1.0), (-0.92, 1.1), (0.92, 1.1))
    ]
    shapes = [part(points, shade(wood, 0.7 + 0.15 * k), rough=0.6) for k, points in enumerate(legs)]
    if kind == "stool":
        shapes += [part(limb((-half, drop * 0.62), (half, drop * 0.62), 0.1), wood, rough=0.6)]
        return Figure(
            (
                *shapes,
                Shape((ellipse(0, 0, 0.8, 0.22),), cloth, 0, 0.8, 0.3, pattern(rng, (-0.8, -0.2, 0.8, 0.2), cloth)),
            )
        )
    if kind == "armchair":
        back = smooth([(-0.75, 0.1), (-0.72, -tall), (0, -tall - 0.16), (0.72, -tall), (0.75, 0.1)], 4)
        shapes += [Shape((back,), cloth, 0, 0.6, 0.4, pattern(rng, (-0.75, -tall, 0.75, 0.1), cloth))]
        shapes += [part(box(-0.7, -0.25, 0.7, 0.5, 0.12), shade(cloth, 1.3), relief=0.7)]
        arms = [box(x - 0.2, -0.55, x + 0.2, 0.55, 0.18) for x in (-0.82, 0.82)]
        return Figure((*shapes, *(part(arm, shade(cloth, 0.8), relief=0.9) for arm in arms)))
    rails = [limb((-half * 0.95, -tall * k), (half * 0.95, -tall * k), 0.2) for k in (0.4, 0.7, 1.0)]
    if kind == "bench":
        tall *= 0.75
        rails = [limb((-half, -tall * k), (half, -tall * k), 0.19) for k in (0.35, 0.7, 1.0)]
    posts = [limb((x, 0), (x, -tall), 0.14) for x in (-half * 0.93, half * 0.93)]
    shapes += [part(points, wood, relief=0.7, rough=0.6) for points in (*posts, *rails)]
    plank = smooth([(-half - 0.12, 0.15), (-half, -0.1), (half, -0.1), (half + 0.12, 0.15)], 3)
    return Figure((*shapes, part(plank, shade(wood, 1.2) if kind == "bench" else cloth, relief=0.9, rough=0.6)))


def vessel(kind: str, rng: Rng) -> Figure:
    """A round body that holds liquid: teapot, jug, vase or wine glass."""
    typical: dict[str, tuple[Colour, ...]] = {
        "teapot": ((236, 232, 220), (150, 80, 50), (60, 90, 150)),
        "jug": ((180, 100, 66), (214, 190, 150)),
        "vase": ((50, 100, 170), (40, 130, 130), (150, 50, 90)),
    }
    clay = favourite(rng, *typical.get(kind, ((200, 200, 200),)))
    if kind == "wine glass":
        glass, wine = (
            pick(rng, (206, 220, 226), (186, 206, 200)),
            pick(rng, (120, 20, 40), (226, 200, 110), (220, 120, 120)),
        )
        bowl = smooth([(-0.5, -1.1), (-0.56, -0.55), (-0.25, -0.05), (0.25, -0.05), (0.56, -0.55), (0.5, -1.1)], 5)
        fill = Decal(box(-1, -0.85 + rng.uniform(0, 0.4), 1, 0.5), wine)
        shapes = (
            part(limb((0, -0.1), (0, 0.9), 0.1), glass, rough=0.0),
            part(ellipse(0, 0.95, 0.5, 0.12), glass, rough=0.0),
        )
        return Figure(
            (
                *shapes,
                Shape(
                    (bowl,),
                    glass,
                    0,
                    0.7,
                    0.0,
                    (fill, Decal(limb((-0.36, -0.95), (-0.38, -0.5), 0.07), (250, 250, 250))),
                ),
            )
        )
    if kind == "vase":
        neck, belly = rng.uniform(0.18, 0.3), rng.uniform(0.55, 0.8)
        body = smooth(
            [
                (-neck * 1.5, -1.1),
                (-neck, -0.7),
                (-belly, 0.1),
                (-0.34, 1.05),
                (0.34, 1.05),
                (belly, 0.1),
                (neck, -0.7),
                (neck * 1.5, -1.1),
            ],
            5,
        )
        stems = [(rng.uniform(-0.6, 0.6), rng.uniform(-2.0, -1.5)) for _ in range(4)]
        flowers = [part(limb((0, -1.0), s, 0.06), (60, 110, 50)) for s in stems] + [
            part(ellipse(*s, 0.22, 0.2), vivid(rng), relief=0.8) for s in stems
        ]
        return Figure((*flowers, Shape((body,), clay, 0, 0.8, 0.2, pattern(rng, (-belly, -0.8, belly, 1.0), clay))))
    if kind == "jug":
        body = smooth(
            [
                (-0.4, -1.1),
                (-0.42, -0.5),
                (-0.66, 0.3),
                (-0.5, 1.0),
                (0.5, 1.0),
                (0.66, 0.3),
                (0.42, -0.5),
                (0.62, -1.2),
            ],
            5,
        )
        handle = part(ellipse(-0.62, -0.2, 0.42, 0.66), shade(clay, 0.8), ellipse(-0.62, -0.2, 0.26, 0.48), relief=0.4)
        return Figure((handle, Shape((body,), clay, 0, 0.8, 0.2, pattern(rng, (-0.6, -0.6, 0.6, 0.9), clay))))
    body = smooth([(-0.5, -0.55), (-0.85, 0.1), (-0.5, 0.72), (0.5, 0.72), (0.85, 0.1), (0.5, -0.55)], 5)
    spout = smooth([(0.6, 0.4), (0.95, -0.1), (1.12, -0.6), (1.36, -0.6), (1.15, 0.1), (0.7, 0.6)], 5)
    handle = part(ellipse(-0.85, 0.0, 0.46, 0.46), shade(clay, 0.8), ellipse(-0.85, 0.0, 0.3, 0.3), relief=0.4)
    lid = [
        part(ellipse(0, -0.55, 0.52, 0.14), shade(clay, 0.8), relief=0.9),
        part(ellipse(0, -0.76, 0.13, 0.13), shade(clay, 1.4), relief=1.0),
    ]
    return Figure(
        (
            handle,
            part(spout, shade(clay, 0.9)),
            Shape((body,), clay, 0, 0.8, 0.15, pattern(rng, (-0.8, -0.5, 0.8, 0.7), clay)),
            *lid,
        )
    )


def tool(kind: str, rng: Rng) -> Figure:
    """A handle with a head: hammer, axe, shovel or broom."""
    wood, steel = pick(rng, *WOODS, (190, 50, 40), (50, 70, 120)), pick(rng, *METALS[:3])
    long = rng.uniform(1.1, 1.5) if kind in ("hammer", "axe") else rng.uniform(1.5, 1.9)
    grip = Decal(box(-1, long * 0.45, 1, 3), pick(rng, (40, 40, 44), (200, 60, 40), (230, 190, 60)))
    handle = Shape((limb((0, -0.9), (0, long), 0.17, 0.21),), wood, 0, 0.6, 0.4, (grip,) if rng.uniform() < 0.5 else ())
    if kind == "hammer":
        claw = smooth([(-0.1, -1.1), (-0.5, -1.12), (-0.85, -0.7), (-0.42, -0.85), (-0.1, -0.76)], 5)
        return Figure(
            (
                handle,
                part(claw, shade(steel, 0.9), rough=0.1),
                part(box(-0.15, -1.14, 0.62, -0.72, 0.08), steel, relief=0.8, rough=0.1),
            )
        )
    if kind == "axe":
        blade = smooth([(-0.12, -1.05), (0.45, -1.3), (0.75, -1.0), (0.72, -0.5), (0.4, -0.2), (-0.12, -0.55)], 5)
        return Figure(
            (
                handle,
                part(blade, steel, relief=0.8, rough=0.2),
                part(arc(0.2, -0.75, 0.52, 0.1, -52, 42), shade(steel, 1.8), relief=0.8),
            )
        )
    if kind == "shovel":
        scoop = smooth([(-0.42, -0.85), (0.42, -0.85), (0.4, -1.5), (0.0, -1.95), (-0.4, -1.5)], 5)
        hilt = part(arc(0, long + 0.12, 0.26, 0.13, 0, 360), wood, relief=0.7)
        return Figure(
            (
                handle,
                hilt,
                part(scoop, steel, relief=0.8, rough=0.3),
                part(limb((0, -0.8), (0, -1.3), 0.15, 0.05), shade(steel, 0.7), relief=0.9),
            )
        )
    straw = pick(rng, (214, 180, 92), (190, 150, 80), (90, 140, 90), (200, 90, 70))
    brush = polygon((-0.28, -0.75), (0.28, -0.75), (0.62, -1.75), (0.2, -1.82), (-0.2, -1.82), (-0.62, -1.75))
    bristles = tuple(
        Decal(limb((x * 0.35, -0.7), (x, -1.9), 0.05), shade(straw, 0.7)) for x in np.linspace(-0.55, 0.55, 7)
    )
    return Figure(
        (
            handle,
            Shape((brush,), straw, 0, 0.6, 0.9, bristles),
            part(box(-0.34, -0.98, 0.34, -0.72, 0.08), vivid(rng), relief=0.9),
        )
    )


# One member of each family in turn, so that any number of classes spreads over the families.
_MEMBERS: tuple[tuple[str, ...], ...] = (
    ("car", "giraffe", "stool", "teapot", "hammer"),
    ("bus", "elephant", "armchair", "vase", "broom"),
    ("lorry", "zebra", "bench", "wine glass", "axe"),
    ("tractor", "sheep", "dining chair", "jug", "shovel"),
)
_FAMILIES = (
    (vehicle, 8.0, ("object", "conveyance", "vehicle")),
    (quadruped, 8.0, ("organism", "animal", "quadruped")),
    (seat, 8.0, ("object", "furniture", "seat")),
    (vessel, 12.0, ("object", "container", "vessel")),
    (tool, 180.0, ("object", "implement", "tool")),
)
NET: tuple[Thing, ...] = tuple(
    Thing(name, partial(draw, name), turn, path)
    for row in _MEMBERS
    for name, (draw, turn, path) in zip(row, _FAMILIES, strict=True)
)
