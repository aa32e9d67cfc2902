"""The data sets: their classes, and how a layout of each is drawn by lot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wsol.data.synthetic import birds, clutter
from wsol.data.synthetic.layout import (
    BACK,
    IGNORED,
    OBJECT,
    Item,
    Layout,
    at,
    clutter_behind,
    clutter_in_front,
    covered,
    fit,
    frame_box,
    object_area,
    pose,
)
from wsol.data.synthetic.net import NET
from wsol.data.synthetic.objects import OBJECTS, Thing
from wsol.data.synthetic.raster import Figure
from wsol.errors import ParameterError

Rng = np.random.Generator

# background_bias: how often an image of a class shows the class's preferred scene. clutter: mean number of distractors.
# area: median share of the frame that an object's box takes.
DEFAULT_OPTIONS: dict[str, float] = {"background_bias": 0.65, "clutter": 2.0, "area": 0.3}


def _scene_bird(rng: Rng) -> Figure:
    return birds.bird(rng, birds.attributes(int(rng.integers(birds.MAX_CLASSES))), False)


_BY_NAME = {thing.name: thing for thing in (*NET, *OBJECTS)}
SCENE_THINGS: tuple[Thing, ...] = (
    *(_BY_NAME[name] for name in ("car", "chair", "umbrella", "sheep", "mug", "kite", "clock", "bus")),
    Thing("bird", _scene_bird, 12, ("organism", "animal")),
    *(_BY_NAME[name] for name in ("bottle", "elephant", "sailboat", "bench", "zebra", "teapot", "guitar")),
)


@dataclass(frozen=True)
class Dataset:
    """A data set's classes, scenes and layout. max_classes bounds num_classes; default_classes stands in for None."""

    scenes: tuple[str, ...]
    max_classes: int
    default_classes: int
    describe: Callable[[int], tuple[str, list[str], dict[str, str]]]
    compose: Callable[[Rng, int, int, str, Mapping[str, float]], Layout]


def choose_scene(rng: Rng, dataset: str, class_index: int, num_classes: int, bias: float) -> str:
    """The class's preferred scene with probability `bias`, else any of the data set's scenes."""
    scenes = DATASETS[dataset].scenes
    other = scenes[int(rng.integers(len(scenes)))]
    return preferred_scene(dataset, class_index, num_classes) if rng.uniform() < bias else other


def preferred_scene(dataset: str, class_index: int, num_classes: int) -> str:
    """Two or more classes share a scene, so that the background hints at the class and does not give it away."""
    scenes = DATASETS[dataset].scenes
    return scenes[class_index % min(len(scenes), max(1, (num_classes + 1) // 2))]


def check_options(options: Mapping[str, Any]) -> dict[str, float]:
    unknown = sorted(set(options) - set(DEFAULT_OPTIONS))
    if unknown:
        raise ParameterError(f"unknown synthetic option {unknown[0]!r}; known are {', '.join(sorted(DEFAULT_OPTIONS))}")
    merged = {name: float(value) for name, value in {**DEFAULT_OPTIONS, **options}.items()}
    for name, low, high in (("background_bias", 0.0, 1.0), ("clutter", 0.0, 20.0), ("area", 0.02, 0.8)):
        if not low <= merged[name] <= high:
            raise ParameterError(f"synthetic option {name} = {merged[name]:g} is outside [{low:g}, {high:g}]")
    return merged


def dataset_of(name: str) -> Dataset:
    try:
        return DATASETS[name]
    except KeyError:
        raise ParameterError(f"unknown synthetic data set {name!r}; known are {', '.join(DATASETS)}") from None


def class_count(name: str, num_classes: int | None) -> int:
    """num_classes, or the data set's default for None, checked."""
    dataset = dataset_of(name)
    count = dataset.default_classes if num_classes is None else num_classes
    if not 2 <= count <= dataset.max_classes:
        raise ParameterError(f"{name}: num_classes = {count} is outside [2, {dataset.max_classes}]")
    return count


def _describe_bird(index: int) -> tuple[str, list[str], dict[str, str]]:
    return birds.class_name(index), birds.class_path(index), birds.attributes(index)


def _describer(things: tuple[Thing, ...]) -> Callable[[int], tuple[str, list[str], dict[str, str]]]:
    return lambda index: (things[index].name, list(things[index].path), {})


def _placed(rng: Rng, thing: Thing, area: float, class_index: int, role: str = OBJECT) -> Item:
    figure = thing.draw(rng)
    linear = pose(rng, thing.turn, bool(rng.integers(2)))
    spot = (rng.uniform(), rng.uniform())
    return Item(figure, fit(figure, linear, area, spot), role, class_index)


def _birds(rng: Rng, class_index: int, num_classes: int, scene: str, options: Mapping[str, float]) -> Layout:
    faces_left = bool(rng.integers(2))
    figure = birds.bird(rng, birds.attributes(class_index), faces_left)
    linear = pose(rng, 22, faces_left)
    matrix = fit(figure, linear, object_area(rng, options["area"]), (rng.uniform(), rng.uniform()))
    item = Item(figure, matrix, OBJECT, class_index)
    behind = clutter_behind(rng, scene, options["clutter"])
    if rng.uniform() < 0.5:
        behind.append(_perch(rng, item))
    items = (*behind, item, *clutter_in_front(rng, 0.3))
    return Layout(scene, items, class_index, birds.PARTS)


def _perch(rng: Rng, item: Item) -> Item:
    """A branch under the feet."""
    x0, _, x1, y1 = frame_box(item)
    branch = clutter.twig(rng)
    scale = rng.uniform(0.35, 0.6)
    centre = ((x0 + x1) / 2 + rng.normal(0, 0.05), y1 + 0.005)
    return Item(branch, at(branch, pose(rng, 10, bool(rng.integers(2))), scale, centre), BACK)


def _repeated(
    rng: Rng, things: tuple[Thing, ...], class_index: int, chances: tuple[float, ...], median: float
) -> list[Item]:
    """One or several objects of a class that overlap little; chances: of 1, 2, … objects."""
    count = 1 + int(rng.choice(len(chances), p=chances))
    area = object_area(rng, median)
    items = [_placed(rng, things[class_index], area, class_index)]
    for _ in range(count - 1):
        share = area * rng.uniform(0.3, 0.9) / count
        for _ in range(6):
            extra = _placed(rng, things[class_index], share, class_index)
            if all(
                max(covered(frame_box(i), frame_box(extra)), covered(frame_box(extra), frame_box(i))) < 0.15
                for i in items
            ):
                items.append(extra)
                break
    return items


def _net(rng: Rng, class_index: int, num_classes: int, scene: str, options: Mapping[str, float]) -> Layout:
    items = _repeated(rng, NET, class_index, (0.76, 0.17, 0.07), options["area"])
    behind = clutter_behind(rng, scene, options["clutter"])
    return Layout(scene, (*behind, *items, *clutter_in_front(rng, 0.25)), class_index)


def _objects(rng: Rng, class_index: int, num_classes: int, scene: str, options: Mapping[str, float]) -> Layout:
    items = _repeated(rng, OBJECTS, class_index, (0.68, 0.22, 0.1), options["area"])
    behind = clutter_behind(rng, scene, options["clutter"])
    if rng.uniform() < 0.35:
        behind.append(_ambiguous(rng, OBJECTS[class_index], items[0]))
    return Layout(scene, (*behind, *items, *clutter_in_front(rng, 0.3)), class_index, ignore_hidden=True)


def _ambiguous(rng: Rng, thing: Thing, main: Item) -> Item:
    """A further object of the class that nobody outlined: far off and small, or cut by the frame."""
    figure = thing.draw(rng)
    linear = pose(rng, thing.turn, bool(rng.integers(2)))
    x0, y0, x1, y1 = figure.bounds(linear)
    reach = max(x1 - x0, y1 - y0)
    if rng.uniform() < 0.5:
        place = at(figure, linear, rng.uniform(0.1, 0.2) / reach, (rng.uniform(0.08, 0.92), rng.uniform(0.08, 0.92)))
    else:
        side, along = rng.choice([-0.02, 1.02]), rng.uniform(0.1, 0.9)
        centre = (side, along) if rng.uniform() < 0.5 else (along, side)
        place = at(figure, linear, rng.uniform(0.3, 0.5) / reach, centre)
    return Item(figure, place, IGNORED)


def _scenes(rng: Rng, class_index: int, num_classes: int, scene: str, options: Mapping[str, float]) -> Layout:
    main = _placed(rng, SCENE_THINGS[class_index], object_area(rng, options["area"] * 0.9), class_index)
    items = [main]
    labels = [int(k) for k in rng.choice(num_classes, int(rng.integers(1, 3)))]
    labels += [class_index] * int(rng.choice(4, p=(0.45, 0.3, 0.15, 0.1)))
    crowd = rng.uniform() < 0.15
    if crowd:
        labels += [class_index] * int(rng.integers(2, 5))
    for label in labels:
        figure = SCENE_THINGS[label].draw(rng)
        linear = pose(rng, SCENE_THINGS[label].turn, bool(rng.integers(2)))
        x0, y0, x1, y1 = figure.bounds(linear)
        area = object_area(rng, 0.025 if crowd else 0.065 if label == class_index else 0.035)
        centre = (rng.uniform(0.0, 1.0), rng.uniform(0.1, 0.95))
        if crowd:
            centre = (centre[0], float(np.clip(rng.normal(0.6, 0.12), 0.1, 0.9)))
        other = Item(figure, at(figure, linear, float(np.sqrt(area / ((x1 - x0) * (y1 - y0)))), centre), OBJECT, label)
        if covered(frame_box(main), frame_box(other)) < 0.2 and rng.uniform() < 0.6:
            items.append(other)
        else:
            items.insert(0, other)
    behind = clutter_behind(rng, scene, options["clutter"] * 0.7)
    return Layout(scene, (*behind, *items, *clutter_in_front(rng, 0.25)), class_index)


DATASETS: dict[str, Dataset] = {
    "synthbirds": Dataset(
        ("forest", "meadow", "lake", "snow", "desert", "autumn", "foliage", "sky"),
        birds.MAX_CLASSES, 10, _describe_bird, _birds,
    ),
    "synthobjects": Dataset(
        ("table", "street", "meadow", "tiles", "seabed", "room", "bricks", "sky", "autumn", "night"),
        len(OBJECTS), 12, _describer(OBJECTS), _objects,
    ),
    "synthnet": Dataset(
        ("street", "desert", "room", "tiles", "bricks", "night", "meadow", "lake", "table", "autumn", "snow"),
        len(NET), 20, _describer(NET), _net,
    ),
    "synthscenes": Dataset(
        ("street", "room", "meadow", "table", "sky", "night", "lake", "bricks", "snow"),
        len(SCENE_THINGS), 12, _describer(SCENE_THINGS), _scenes,
    ),
}  # fmt: skip

MIXED = ("synthbirds", "synthobjects", "synthnet")
"""What `synthmix` takes its classes from, in turn."""


def _part_of_mix(index: int) -> tuple[Dataset, int]:
    return DATASETS[MIXED[index % len(MIXED)]], index // len(MIXED)


def _describe_mixed(index: int) -> tuple[str, list[str], dict[str, str]]:
    dataset, own = _part_of_mix(index)
    name, path, _ = dataset.describe(own)
    return f"{name} ({MIXED[index % len(MIXED)]})", path, {}


def _mix(rng: Rng, class_index: int, num_classes: int, scene: str, options: Mapping[str, float]) -> Layout:
    dataset, own = _part_of_mix(class_index)
    layout = dataset.compose(rng, own, max(2, num_classes // len(MIXED)), scene, options)
    items = tuple(replace(item, class_index=class_index) if item.role == OBJECT else item for item in layout.items)
    return replace(layout, items=items, class_index=class_index, part_names=(), ignore_hidden=False)


DATASETS["synthmix"] = Dataset(
    tuple(dict.fromkeys(scene for name in MIXED for scene in DATASETS[name].scenes)),
    len(MIXED) * min(DATASETS[name].max_classes for name in MIXED),
    30,
    _describe_mixed,
    _mix,
)
