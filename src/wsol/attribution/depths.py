"""Aggregation at any depth of a class hierarchy, from all classes to each alone (CALM, figure 6 and figure E)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from wsol.attribution.superset import aggregate
from wsol.data.supersets import ClassInfo, superset_map
from wsol.errors import DataError

Supersets = Mapping[int, Sequence[int]]


def hierarchy_supersets(classes: Sequence[ClassInfo]) -> list[dict[int, list[int]]]:
    """The supersets at each depth of the data set's own hierarchy: first all classes, last every class alone.

    classes: those of classes.json, with `path`. For WordNet's hierarchy make the list with
    `wsol.data.supersets.superset_map("wordnet", classes, depth=depth)`.
    """
    deepest = max((len(entry.get("path") or ()) for entry in classes), default=0)
    return [superset_map("hierarchy", classes, depth=depth) for depth in range(deepest + 2)]


def aggregate_at_depths(
    class_maps: Tensor, labels: Tensor, supersets: Sequence[Supersets], normalise: bool = True
) -> Tensor:
    """Maps (D, B, h, w) of the labels (B,), added up over their supersets at each of D depths.

    class_maps (B, K, h, w); normalise as in `wsol.attribution.superset.aggregate`: false for maps on one scale, such as
    CALM's. Raises DataError where the supersets are of other classes than the maps.
    """
    count = class_maps.shape[1]
    members = torch.zeros(len(supersets), count, count, dtype=torch.bool)
    for depth, groups in enumerate(supersets):
        if sorted(groups) != list(range(count)):
            raise DataError(f"supersets of {len(groups)} classes at depth {depth}, the maps are of {count}")
        for index, group in groups.items():
            members[depth, index, list(group)] = True
    chosen = members.to(class_maps.device)[:, labels]
    return torch.stack([aggregate(class_maps, one, normalise) for one in chosen])
