"""What is where: a layout is a background and figures with their poses, in a frame of side 1, before any pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wsol.data.synthetic import clutter
from wsol.data.synthetic.raster import Figure
from wsol.data.synthetic.shapes import Points, rotation

Rng = np.random.Generator
_MARGIN = 0.02
BACK, OBJECT, IGNORED, FRONT = "back", "object", "ignored", "front"


@dataclass(frozen=True)
class Item:
    """A figure in its place. matrix: 2 × 3, figure units to the frame. class_index: −1 unless the role is OBJECT."""

    figure: Figure
    matrix: Points
    role: str
    class_index: int = -1


@dataclass(frozen=True)
class Layout:
    """Items from back to front, but for those of role FRONT, which come last; the labelled class has an OBJECT.

    ignore_hidden: whether object pixels that a FRONT item hides are ambiguous rather than background.
    """

    background: str
    items: tuple[Item, ...]
    class_index: int
    part_names: tuple[str, ...] = ()
    ignore_hidden: bool = False


def pose(rng: Rng, turn: float, mirrored: bool) -> Points:
    """2 × 2 map of a random view: a turn within ± `turn` degrees, a stretch, a shear, and a mirror image if asked."""
    angle = rng.uniform(-turn, turn) if turn >= 90 else float(np.clip(rng.normal(0, turn / 2), -turn, turn))
    stretch = np.exp(rng.normal(0, 0.07))
    view = np.array([[stretch, np.clip(rng.normal(0, 0.07), -0.18, 0.18)], [0.0, 1 / stretch]])
    return rotation(angle) @ view @ np.diag([-1.0 if mirrored else 1.0, 1.0])


def object_area(rng: Rng, median: float) -> float:
    """Share of the frame that an object's box takes: log-normal about the median, wide, between 0.05 and 0.8."""
    return float(np.clip(median * np.exp(rng.normal(0, 0.5)), 0.05, 0.8))


def fit(figure: Figure, linear: Points, area: float, spot: tuple[float, float]) -> Points:
    """2 × 3 placement so that the box covers about `area` of the frame and the whole figure lies inside it.

    spot: where, from (0, 0) for the upper left to (1, 1) for the lower right of what the figure's size allows.
    """
    x0, y0, x1, y1 = figure.bounds(linear)
    width, height = x1 - x0, y1 - y0
    room = 1 - 2 * _MARGIN
    scale = min(np.sqrt(area / (width * height)), room / width, room / height)
    left = _MARGIN + spot[0] * (room - scale * width)
    top = _MARGIN + spot[1] * (room - scale * height)
    offset = np.array([left - scale * x0, top - scale * y0])
    return np.concatenate([scale * linear, offset[:, None]], axis=1)


def at(figure: Figure, linear: Points, scale: float, centre: tuple[float, float]) -> Points:
    """2 × 3 placement by centre and scale, free to leave the frame."""
    x0, y0, x1, y1 = figure.bounds(linear)
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    return np.concatenate([scale * linear, (np.array(centre) - scale * middle)[:, None]], axis=1)


def frame_box(item: Item) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of the item in the frame."""
    x0, y0, x1, y1 = item.figure.bounds(item.matrix[:, :2])
    dx, dy = item.matrix[:, 2].tolist()
    return x0 + dx, y0 + dy, x1 + dx, y1 + dy


def covered(box: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Share of `box` that lies in `other`."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return max(width, 0.0) * max(height, 0.0) / ((box[2] - box[0]) * (box[3] - box[1]))


def clutter_behind(rng: Rng, background: str, amount: float) -> list[Item]:
    """About `amount` distractors anywhere, small to middling, the lower the larger."""
    kinds = clutter.NATURAL if background in clutter.SCENES_OF_NATURE else clutter.BUILT
    items = []
    for _ in range(int(rng.poisson(amount))):
        figure = kinds[int(rng.integers(len(kinds)))](rng)
        centre = (rng.uniform(0, 1), rng.uniform(0.05, 1))
        scale = rng.uniform(0.04, 0.13) * (0.6 + 0.7 * centre[1])
        if kinds is clutter.NATURAL and rng.uniform() < 0.15:
            scale *= 2
        items.append(Item(figure, at(figure, pose(rng, 30, bool(rng.integers(2))), scale, centre), BACK))
    return items


def clutter_in_front(rng: Rng, chance: float) -> list[Item]:
    """Now and then thin things before the objects: a twig across, or blades of grass along the lower border."""
    if rng.uniform() >= chance:
        return []
    if rng.uniform() < 0.4:
        figure = clutter.twig(rng)
        place = at(figure, pose(rng, 60, False), rng.uniform(0.25, 0.4), (rng.uniform(0, 1), rng.uniform(0, 1)))
        return [Item(figure, place, FRONT)]
    items = []
    for _ in range(int(rng.integers(1, 4))):
        figure = clutter.tuft(rng)
        place = at(figure, pose(rng, 8, False), rng.uniform(0.08, 0.16), (rng.uniform(0, 1), rng.uniform(0.93, 1.02)))
        items.append(Item(figure, place, FRONT))
    return items
