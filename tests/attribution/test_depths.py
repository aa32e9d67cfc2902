"""Aggregation over a small hierarchy, against sums written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wsol.attribution.depths import aggregate_at_depths, hierarchy_supersets
from wsol.errors import DataError

PATHS = {
    "pug": ["entity", "animal", "dog"],
    "husky": ["entity", "animal", "dog"],
    "owl": ["entity", "animal"],
    "cup": ["entity", "thing"],
}
CLASSES: list[dict[str, Any]] = [
    {"index": index, "name": name, "path": path} for index, (name, path) in enumerate(PATHS.items())
]


def test_supersets_shrink_with_depth_from_all_classes_to_each_alone() -> None:
    everything = [0, 1, 2, 3]
    assert hierarchy_supersets(CLASSES) == [
        dict.fromkeys(everything, everything),
        dict.fromkeys(everything, everything),
        {0: [0, 1, 2], 1: [0, 1, 2], 2: [0, 1, 2], 3: [3]},
        {0: [0, 1], 1: [0, 1], 2: [2], 3: [3]},
        {0: [0], 1: [1], 2: [2], 3: [3]},
    ]
    flat = [{"index": 0, "name": "a"}, {"index": 1, "name": "b"}]
    assert hierarchy_supersets(flat) == [{0: [0, 1], 1: [0, 1]}, {0: [0], 1: [1]}]


def test_maps_are_added_over_the_superset_of_each_depth() -> None:
    maps = torch.rand(2, 4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([1, 2])
    got = aggregate_at_depths(maps, labels, hierarchy_supersets(CLASSES), normalise=False)
    pug = [maps[0].sum(0), maps[0].sum(0), maps[0, :3].sum(0), maps[0, :2].sum(0), maps[0, 1]]
    owl = [maps[1].sum(0), maps[1].sum(0), maps[1, :3].sum(0), maps[1, 2], maps[1, 2]]
    torch.testing.assert_close(got[:, 0], torch.stack(pug))
    torch.testing.assert_close(got[:, 1], torch.stack(owl))
    assert (got.diff(dim=0) <= 1e-15).all(), "probabilities only grow towards the root"


def test_maps_without_a_common_scale_are_brought_to_one_first() -> None:
    maps = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    got = aggregate_at_depths(maps, torch.tensor([0]), hierarchy_supersets(CLASSES))
    stretched = (maps - maps.amin((2, 3), keepdim=True)) / (
        maps.amax((2, 3), keepdim=True) - maps.amin((2, 3), keepdim=True)
    )
    torch.testing.assert_close(got[3, 0], stretched[0, :2].sum(0))


def test_supersets_of_other_classes_are_refused() -> None:
    with pytest.raises(DataError, match="supersets of 4 classes at depth 0, the maps are of 3"):
        aggregate_at_depths(torch.zeros(1, 3, 2, 2), torch.tensor([0]), hierarchy_supersets(CLASSES))
