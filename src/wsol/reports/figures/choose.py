"""Which images, class pairs and supersets a figure shows: by rule, so that nobody picks the good ones."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from wsol.reports.pictures import evenly_spaced

Supersets = Mapping[int, Sequence[int]]


@dataclass(frozen=True)
class Superset:
    """The classes that a class is aggregated with at a depth of the hierarchy, and what they have in common."""

    depth: int
    name: str
    classes: tuple[int, ...]

    @property
    def label(self) -> str:
        count = len(self.classes)
        return f"{self.name} ({count} classes)" if count > 1 else f"{self.name} alone"


def evenly_over_classes(labels: Sequence[int], wanted: int) -> list[int]:
    """Indices of `wanted` images, evenly spaced over all of them in the order of their classes (labels (N,))."""
    by_class = sorted(range(len(labels)), key=lambda index: (int(labels[index]), index))
    return [by_class[place] for place in evenly_spaced(len(labels), wanted)]


def class_pairs(
    classes: Sequence[int], differing: Callable[[int, int], Sequence[Hashable]], wanted: int, most: int = 3
) -> list[tuple[int, int]]:
    """Class pairs A < B that differ in 1 to `most` parts, the same number of each, evenly spaced over those there are.

    `wanted` is the number of pairs in all; fewer come back where there are fewer. The fewest differing parts come first
    (CALM, section 5.3.1, takes all pairs that differ in one, two or three parts).
    """
    by_count: dict[int, list[tuple[int, int]]] = {count: [] for count in range(1, most + 1)}
    for pair in combinations(sorted(classes), 2):
        count = len(differing(*pair))
        if count in by_count:
            by_count[count].append(pair)
    shares = [wanted // most + (count <= wanted % most) for count in by_count]
    return [
        pairs[place]
        for pairs, share in zip(by_count.values(), shares, strict=True)
        for place in evenly_spaced(len(pairs), share)
    ]


def middle_first(items: Sequence[int]) -> list[int]:
    """The items from the middle one on, then those before it: the order in which an example is looked for."""
    middle = len(items) // 2
    return [*items[middle:], *items[:middle]]


def growing_supersets(
    by_depth: Sequence[tuple[Supersets, Mapping[int, str]]], label: int, wanted: int
) -> list[Superset]:
    """The supersets of a class from itself alone to all classes, each once, at most `wanted` of them.

    by_depth: (supersets, names) at each depth, the shallowest first. Where depths give the same superset, the deepest
    stands for them. With more than `wanted`, those kept are evenly spaced, with both ends.
    """
    found: list[Superset] = []
    for depth in reversed(range(len(by_depth))):
        groups, names = by_depth[depth]
        members = tuple(groups[label])
        if not found or members != found[-1].classes:
            found.append(Superset(depth, names[label], members))
    if len(found) <= wanted:
        return found
    return [found[round(place * (len(found) - 1) / (wanted - 1))] for place in range(wanted)]
