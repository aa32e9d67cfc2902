"""The archive that the renderer writes: images, masks and parts as members, and all else in annotations.json.

`annotations.json` is {"dataset", "seed", "size", "splits": {split: [image …]}}; `classes.json` is the class table. An
image has image_id, class_index, width, height, image, boxes, masks, ignore, parts and keypoints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from wsol.data.images import ImageSource
from wsol.data.manifest import SPLITS, ClassEntry, Keypoint, Manifest, Row, parse_classes
from wsol.data.readers._common import ReadOptions, Splits, read_text, with_facts
from wsol.errors import DataError

ANNOTATIONS, CLASSES = "annotations.json", "classes.json"


def read(source: str, options: ReadOptions) -> Splits:
    """All splits of a rendered archive. Its images are always needed: the annotations lie beside them."""
    opened = options.open(source)
    annotations = _json(opened, ANNOTATIONS)
    classes = parse_classes(_json(opened, CLASSES), f"{opened.path}:{CLASSES}")
    if annotations.get("dataset") != options.dataset:
        raise DataError(
            f"{opened.path}: holds data set {annotations.get('dataset')!r}, not {options.dataset!r}; render it again"
        )
    listed = annotations.get("splits", {})
    if set(listed) != set(SPLITS):
        raise DataError(
            f"{opened.path}:{ANNOTATIONS}: splits {sorted(listed)}, expected {sorted(SPLITS)}; render it again"
        )
    manifests = {}
    for split in SPLITS:
        rows = [_row(image, classes, f"{opened.path}:{ANNOTATIONS}") for image in listed[split]]
        rows = with_facts(rows, opened, split, options, hint="The archive contradicts itself; render it again")
        manifests[split] = Manifest.from_rows(options.dataset, split, source, len(classes), options.localisation, rows)
    return Splits(manifests, classes)


def _json(source: ImageSource, member: str) -> dict[str, Any]:
    try:
        return json.loads(read_text(source, member))
    except json.JSONDecodeError as error:
        raise DataError(f"{source.path}:{member}: not valid JSON ({error}); render the archive again") from error


def _row(image: Mapping[str, Any], classes: list[ClassEntry], where: str) -> Row:
    try:
        label = int(image["class_index"])
        return Row(
            image_id=str(image["image_id"]),
            class_index=label,
            class_name=classes[label]["name"] if 0 <= label < len(classes) else "",
            width=int(image["width"]),
            height=int(image["height"]),
            image=str(image["image"]),
            boxes=np.array(image.get("boxes") or [], dtype=np.float64).reshape(-1, 4),
            masks=tuple(image.get("masks") or ()),
            ignore=image.get("ignore"),
            parts=image.get("parts"),
            keypoints=tuple(_keypoint(point) for point in image.get("keypoints") or ()),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{where}: image {image.get('image_id')!r} is malformed ({error!r}); render it again"
        ) from error


def _keypoint(point: Mapping[str, Any]) -> Keypoint:
    return Keypoint(str(point["name"]), float(point["x"]), float(point["y"]), bool(point["visible"]))
