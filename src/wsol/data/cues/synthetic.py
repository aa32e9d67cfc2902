"""Parts of the rendered birds: exact part maps, and the attributes in classes.json that fix what a part looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from wsol.data.cues import PartMap
from wsol.data.images import ImageSource
from wsol.data.manifest import ClassEntry, Manifest
from wsol.data.masks import load_parts
from wsol.data.synthetic.birds import PART_OF_ATTRIBUTE, PARTS
from wsol.errors import DataError


def open_truth(manifest: Manifest, classes: Sequence[ClassEntry]) -> SyntheticTruth:
    return SyntheticTruth(manifest, classes)


class SyntheticTruth:
    """The `CueTruth` of synthbirds. Raises DataError where the classes are not defined by the attributes of birds."""

    parts = PARTS

    def __init__(self, manifest: Manifest, classes: Sequence[ClassEntry]) -> None:
        for entry in classes:
            if set(entry["attributes"]) != set(PART_OF_ATTRIBUTE):
                raise DataError(
                    f"{manifest.dataset}: class {entry['name']!r} has attributes {sorted(entry['attributes'])}, not "
                    f"{sorted(PART_OF_ATTRIBUTE)}; cues can be localised on rendered birds alone"
                )
        self._manifest = manifest
        self._source = ImageSource(manifest.source, manifest.dataset)
        self._traits = [_by_part(entry["attributes"]) for entry in classes]

    def traits(self, class_index: int) -> Mapping[str, Any]:
        return self._traits[class_index]

    def part_map(self, index: int, size: int) -> PartMap:
        labels = load_parts(self._manifest, index, self._source)
        if labels is None:
            raise DataError(
                f"{self._manifest.dataset} {self._manifest.split}: image {self._manifest.image_ids[index]!r} has no "
                "part map; render the data set again"
            )
        resized = np.asarray(cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
        return PartMap(resized, frozenset(int(part) for part in set(resized.ravel().tolist()) - {0}))


def _by_part(attributes: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    names = [(part, tuple(name for name, of in PART_OF_ATTRIBUTE.items() if of == part)) for part in PARTS]
    return {part: tuple(attributes[name] for name in of) for part, of in names}
