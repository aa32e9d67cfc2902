"""Which parts tell two classes apart, and where these parts are in an image. One module a reader, found by its name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wsol.errors import ParameterError


@dataclass(frozen=True)
class PartMap:
    """labels (S, S) uint8: number of the part that a pixel belongs to, 0 for none; visible: the parts in the image.

    A visible part may have no pixel: its point can lie off the object.
    """

    labels: NDArray[np.uint8]
    visible: frozenset[int]


class CueTruth(Protocol):
    """What a data set knows of its parts; part k (from 1) is `parts[k - 1]`."""

    parts: tuple[str, ...]

    def traits(self, class_index: int) -> Mapping[str, Any]:
        """Part → what defines the class there; two classes differ in the parts whose values differ."""
        ...

    def part_map(self, index: int, size: int) -> PartMap:
        """Where the parts are in the image of the manifest's row `index`, squashed to size × size."""
        ...


@dataclass(frozen=True)
class ClassPair:
    """Two classes, first < second, and the numbers of the parts in which they differ, ascending."""

    first: int
    second: int
    parts: tuple[int, ...]


def open_truth(reader: str, manifest: Any, classes: Sequence[Any]) -> CueTruth:
    """The parts of a data set. Raises ParameterError where the reader's data have none, DataError for damaged files."""
    try:
        module = importlib.import_module(f"wsol.data.cues.{reader}")
    except ModuleNotFoundError as error:
        if error.name != f"wsol.data.cues.{reader}":
            raise
        raise ParameterError(
            f"{manifest.dataset}: data of reader {reader!r} have no known parts, so cues cannot be localised; use a "
            f"data set with parts, or write src/wsol/data/cues/{reader}.py"
        ) from error
    return module.open_truth(manifest, classes)


def differing(truth: CueTruth, first: int, second: int) -> tuple[int, ...]:
    """Numbers of the parts in which the two classes differ, ascending."""
    a, b = truth.traits(first), truth.traits(second)
    return tuple(number for number, part in enumerate(truth.parts, 1) if a.get(part) != b.get(part))


def class_pairs(
    truth: CueTruth, num_classes: int, groups: Sequence[int] = (1, 2, 3), most: int | None = None
) -> list[ClassPair]:
    """Every pair of classes that differs in as many parts as a group says: by group, then by class.

    `most` keeps that many pairs of each group, evenly spaced in this order.
    """
    found = [ClassPair(a, b, differing(truth, a, b)) for a, b in combinations(range(num_classes), 2)]
    chosen: list[ClassPair] = []
    for group in groups:
        members = [pair for pair in found if len(pair.parts) == group]
        if most is not None and len(members) > most:
            members = [members[position] for position in np.linspace(0, len(members) - 1, most).round().astype(int)]
        chosen += members
    return chosen


def cue_mask(part_map: PartMap, parts: Sequence[int]) -> NDArray[np.uint8] | None:
    """(S, S) uint8, 1 on the pixels of these parts; None where none of them is visible."""
    if part_map.visible.isdisjoint(parts):
        return None
    return np.isin(part_map.labels, parts).astype(np.uint8)
