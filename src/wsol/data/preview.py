"""Contact sheets: a page of images by class, each beside its ground truth, to see a data set before trusting it."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wsol.data.synthetic.archive import ANNOTATIONS, CLASSES, encode_png
from wsol.data.synthetic.painter import Sample
from wsol.errors import DataError
from wsol.files import write_bytes

Pixels = NDArray[np.uint8]

_PAPER, _INK = (250, 250, 248), (40, 40, 44)
_BOX, _OUTLINE, _OTHER = (255, 220, 0), (255, 40, 120), (0, 220, 255)
_PART_COLOURS = np.array(
    [(230, 60, 60), (255, 170, 0), (250, 240, 80), (70, 200, 90), (80, 220, 230), (90, 110, 250), (210, 90, 230)]
)
_LABEL_HEIGHT, _GAP = 22, 4


@dataclass(frozen=True)
class Example:
    """One image and what is known about it, in pixels of the image; masks are (H, W) bool."""

    image: Pixels
    class_name: str
    boxes: Sequence[Sequence[float]] = ()
    masks: Sequence[NDArray[np.bool_]] = ()
    other_masks: Sequence[NDArray[np.bool_]] = ()
    ignore: NDArray[np.bool_] | None = None
    parts: Pixels | None = None
    keypoints: Sequence[tuple[str, float, float, bool]] = field(default=())


def example_of(sample: Sample, class_name: str) -> Example:
    """A rendered sample as an example."""
    pairs = list(zip(sample.instance_masks, sample.instance_classes, strict=True))
    return Example(
        sample.image,
        class_name,
        sample.boxes.tolist(),
        [mask for mask, label in pairs if label == sample.class_index],
        [mask for mask, label in pairs if label != sample.class_index],
        sample.ignore,
        sample.parts,
        sample.keypoints,
    )


def contact_sheet(examples: Sequence[Example], per_row: int = 5, tile: int = 144) -> Pixels:
    """Rows of examples, a heading before each new class; each example plain and, beside it, annotated.

    Examples are taken class by class in the order in which the classes first appear. Returns (H, W, 3) uint8 RGB.
    Parts are tinted, masks outlined in pink (those of other classes in cyan), boxes yellow, ignored pixels hatched,
    keypoints white where visible.
    """
    if not examples:
        raise DataError("a contact sheet needs at least one example; choose a split that has images")
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.class_name, []).append(example)
    width = min(per_row, max(len(group) for group in groups.values())) * (2 * tile + _GAP) + _GAP
    bands = []
    for name, group in groups.items():
        heading = np.full((_LABEL_HEIGHT, width, 3), _PAPER, dtype=np.uint8)
        cv2.putText(heading, name, (_GAP, _LABEL_HEIGHT - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
        bands.append(heading)
        for start in range(0, len(group), per_row):
            band = np.full((tile + _GAP, width, 3), _PAPER, dtype=np.uint8)
            for column, example in enumerate(group[start : start + per_row]):
                left = _GAP + column * (2 * tile + _GAP)
                band[:tile, left : left + 2 * tile] = np.hstack(
                    [_enlarged(example.image, tile), annotated(example, tile)]
                )
            bands.append(band)
    return np.vstack(bands)


def _enlarged(image: Pixels, tile: int, nearest: bool = False) -> Pixels:
    method = cv2.INTER_NEAREST if nearest else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (tile, tile), interpolation=method), dtype=np.uint8)


def annotated(example: Example, tile: int) -> Pixels:
    """The image at tile × tile pixels with its ground truth drawn on it: (tile, tile, 3) uint8."""
    height, width = example.image.shape[:2]
    canvas = _enlarged(example.image, tile).astype(np.float32)
    if example.parts is not None:
        parts = _enlarged(example.parts, tile, nearest=True)
        tint = _PART_COLOURS[(parts.astype(int) - 1) % len(_PART_COLOURS)]
        canvas = np.where(parts[..., None] > 0, 0.45 * canvas + 0.55 * tint, canvas).astype(np.float32)
    if example.ignore is not None:
        hatch = (np.add.outer(np.arange(tile), np.arange(tile)) // 3) % 2 == 0
        left_out = _enlarged(example.ignore.astype(np.uint8), tile, nearest=True) > 0
        canvas[left_out & hatch] = (255, 255, 255)
        canvas[left_out & ~hatch] *= 0.6
    page = np.ascontiguousarray(np.clip(canvas, 0, 255).astype(np.uint8))
    for masks, colour in ((example.other_masks, _OTHER), (example.masks, _OUTLINE)):
        for mask in masks:
            shape = _enlarged(mask.astype(np.uint8), tile, nearest=True)
            contours, _ = cv2.findContours(shape, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(page, contours, -1, colour, 1)
    scale = np.array([tile / width, tile / height] * 2)
    for box in example.boxes:
        x0, y0, x1, y1 = np.clip(np.rint(np.asarray(box) * scale), 0, tile - 1).astype(int).tolist()
        cv2.rectangle(page, (x0, y0), (x1, y1), _BOX, 1)
    for _, x, y, visible in example.keypoints:
        if visible:
            spot = (round(x * tile / width), round(y * tile / height))
            cv2.circle(page, spot, 3, (0, 0, 0), -1, cv2.LINE_AA)
            cv2.circle(page, spot, 2, (255, 255, 255), -1, cv2.LINE_AA)
    return page


def archive_examples(archive: str | os.PathLike[str], split: str, per_class: int) -> list[Example]:
    """The first `per_class` images of each class of a split of an archive that `write_archive` made."""
    try:
        with zipfile.ZipFile(archive) as members:
            names = {entry["index"]: entry["name"] for entry in json.loads(members.read(CLASSES))["classes"]}
            splits = json.loads(members.read(ANNOTATIONS))["splits"]
            if split not in splits:
                raise DataError(f"{archive}: no split {split!r}; it has {', '.join(sorted(splits))}")
            taken = dict.fromkeys(names, 0)
            examples = []
            for entry in sorted(splits[split], key=lambda entry: entry["class_index"]):
                label = entry["class_index"]
                if taken[label] < per_class:
                    taken[label] += 1
                    examples.append(_read_example(members, entry, names[label]))
            return examples
    except FileNotFoundError as error:
        raise DataError(f"{archive}: no such file; render the data set first") from error
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"{archive}: not an archive of the synthetic benchmark ({error}); render it again") from error


def _read_example(members: zipfile.ZipFile, entry: dict[str, Any], class_name: str) -> Example:
    def grey(name: str) -> Pixels:
        return decode(members.read(name), cv2.IMREAD_GRAYSCALE)

    return Example(
        np.ascontiguousarray(decode(members.read(entry["image"]), cv2.IMREAD_COLOR)[..., ::-1]),
        class_name,
        entry["boxes"],
        [grey(name) > 0 for name in entry["masks"]],
        [grey(other["mask"]) > 0 for other in entry["others"]],
        grey(entry["ignore"]) > 0 if entry["ignore"] else None,
        grey(entry["parts"]) if entry["parts"] else None,
        [(point["name"], point["x"], point["y"], point["visible"]) for point in entry["keypoints"]],
    )


def decode(content: bytes, flags: int) -> Pixels:
    """Pixels of an encoded image, in OpenCV's channel order."""
    pixels = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags)
    if pixels is None:
        raise DataError("an image in the archive cannot be decoded; render the data set again")
    return np.asarray(pixels, dtype=np.uint8)


def preview_archive(
    archive: str | os.PathLike[str], split: str, out_png: str | os.PathLike[str], per_class: int = 4, tile: int = 144
) -> Path:
    """Write the contact sheet of an archive's split as PNG and return its path."""
    write_bytes(out_png, encode_png(contact_sheet(archive_examples(archive, split, per_class), per_class, tile)))
    return Path(out_png)
