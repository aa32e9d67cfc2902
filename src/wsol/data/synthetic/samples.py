"""Samples by number: each is a function of (data set, seed, split, index) alone, so order and workers do not matter."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from wsol.data.synthetic.datasets import check_options, choose_scene, class_count, dataset_of
from wsol.data.synthetic.painter import Sample, paint
from wsol.errors import ParameterError

SPLITS = ("train-weaksup", "train-fullsup", "test")
_SMALLEST, _LARGEST = 32, 1024


def render(
    dataset: str,
    seed: int,
    index: int,
    size: int,
    *,
    split: str,
    num_classes: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Sample:
    """Image `index` of a split, size × size pixels; its class is index modulo num_classes.

    The same scene appears at every size, but for the camera's noise. options: see `datasets.DEFAULT_OPTIONS`.
    Raises ParameterError for an unknown data set, split or option, or a number out of range.
    """
    count, chosen = class_count(dataset, num_classes), check_options(options or {})
    if split not in SPLITS:
        raise ParameterError(f"unknown split {split!r}; known are {', '.join(SPLITS)}")
    if not _SMALLEST <= size <= _LARGEST:
        raise ParameterError(f"size = {size} is outside [{_SMALLEST}, {_LARGEST}] pixels")
    if seed < 0 or index < 0:
        raise ParameterError(f"seed = {seed} and index = {index} must not be negative")
    entropy = [seed, zlib.crc32(dataset.encode()), zlib.crc32(split.encode()), index]
    lots, scenery, light = (np.random.default_rng(child) for child in np.random.SeedSequence(entropy).spawn(3))
    class_index = index % count
    scene = choose_scene(lots, dataset, class_index, count, chosen["background_bias"])
    layout = dataset_of(dataset).compose(lots, class_index, count, scene, chosen)
    return paint(layout, scenery, light, size)


def class_table(dataset: str, num_classes: int | None = None) -> list[dict[str, Any]]:
    """Entries of classes.json: index, name, wnid (None), path (root … direct parent) and attributes of each class."""
    describe = dataset_of(dataset).describe
    table = []
    for index in range(class_count(dataset, num_classes)):
        name, path, attributes = describe(index)
        table.append({"index": index, "name": name, "wnid": None, "path": path, "attributes": attributes})
    return table
