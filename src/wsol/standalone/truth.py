"""Ground truth of a split out of the released text files or a manifest, checked as a whole before it is used."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wsol.data.images import ImageSource
from wsol.data.manifest import Manifest, Row, read_manifest
from wsol.data.released import OTHER, UNKNOWN, read_released, released_checksums, split_folder
from wsol.errors import DataError, ParameterError
from wsol.files import sha256_file

FILES = ("class_labels.txt", "image_ids.txt", "image_sizes.txt", "localization.txt")
ALIASES = {"OpenImages30k": "OpenImages"}
"""Data sets that are called otherwise in the released metadata."""


@dataclass(frozen=True)
class Truth:
    """Images with labels and boxes or masks; `origin` says where from (for reports), `warnings` what to mistrust."""

    manifest: Manifest
    origin: dict[str, Any]
    warnings: list[str]


def released_truth(
    metadata: str | os.PathLike[str], dataset: str, split: str, masks: str | os.PathLike[str] | None = None
) -> Truth:
    """A split of the released metadata, `<metadata>/<dataset>/<split>/*.txt`; `masks` is the folder of the mask PNGs.

    Raises DataError that names the file and the line, the image or the mask that does not fit.
    """
    folder_name = dataset
    if dataset in ALIASES and not (Path(metadata) / dataset).is_dir():
        folder_name = ALIASES[dataset]
    released = read_released(metadata, folder_name, split)
    folder = split_folder(metadata, folder_name, split)
    assert released.labels is not None
    if len(released.labels) == 0:
        raise DataError(f"{folder / 'image_ids.txt'}: holds no image; get the released file again")
    sizes = [(0, 0)] * len(released.labels) if released.sizes is None else released.sizes.tolist()
    rows = [
        Row(
            image_id=image_id,
            class_index=label,
            class_name=str(label),
            width=width,
            height=height,
            image=image_id,
            boxes=released.boxes_of(index),
            masks=tuple(released.masks[index]),
            ignore=released.ignore[index],
        )
        for index, (image_id, label, (width, height)) in enumerate(
            zip(released.image_ids, released.labels.tolist(), sizes, strict=True)
        )
    ]
    localisation = "boxes" if len(released.boxes) else "masks" if any(released.masks) else "none"
    # A name of its own: as train-weaksup, a manifest would drop its boxes, which CUB's training images have.
    named = "train" if split == "train-weaksup" else split
    manifest = Manifest.from_rows(dataset, named, str(masks or ""), int(released.labels.max()) + 1, localisation, rows)
    checksums = released_checksums(metadata, folder_name, split)
    states = {name: checksums[name] for name in FILES}
    warnings = [
        f"{folder / name}: {state}; numbers do not compare with published ones"
        for name, state in states.items()
        if state == OTHER
    ]
    if UNKNOWN in states.values():
        warnings.append(
            f"{folder}: no checksums are known for this split; whether it is the released one is not checked"
        )
    _check(manifest, str(folder), masks)
    return Truth(manifest, {"kind": "released metadata", "files": states}, warnings)


def manifest_truth(path: str | os.PathLike[str], masks: str | os.PathLike[str] | None = None) -> Truth:
    """A split from a manifest (parquet); `masks` replaces the folder or archive that it names. Raises DataError."""
    manifest = read_manifest(path)
    if len(manifest) == 0:
        raise DataError(f"{path}: holds no image; prepare the data set again")
    if masks is not None:
        manifest = replace(manifest, source=str(masks))
    _check(manifest, str(path), manifest.source)
    return Truth(manifest, {"kind": "manifest", "sha256": sha256_file(path)}, [])


def read_truth(
    metadata: str | os.PathLike[str] | None,
    dataset: str | None,
    split: str | None,
    manifest: str | os.PathLike[str] | None,
    masks: str | os.PathLike[str] | None,
) -> Truth:
    """One of `released_truth` and `manifest_truth`; raises ParameterError unless exactly one is asked for."""
    if manifest is not None:
        if metadata is not None:
            raise ParameterError("give --metadata or --manifest, not both: each is a ground truth")
        truth = manifest_truth(manifest, masks)
        for option, wanted, found in (
            ("--dataset", dataset, truth.manifest.dataset),
            ("--split", split, truth.manifest.split),
        ):
            if wanted is not None and wanted != found:
                raise ParameterError(f"{manifest}: is of {found}, but {option} is {wanted}; leave {option} out")
        return truth
    if metadata is None or dataset is None or split is None:
        raise ParameterError("name the ground truth: --metadata DIR --dataset NAME --split NAME, or --manifest FILE")
    return released_truth(metadata, dataset, split, masks)


def _check(manifest: Manifest, where: str, masks: str | os.PathLike[str] | None) -> None:
    instances = manifest.instances_per_image()
    if manifest.localisation == "none":
        raise DataError(f"{where}: has neither boxes nor masks, so nothing can be localised; take another split")
    if not instances.all():
        lacking = manifest.image_ids[int((instances == 0).argmax())]
        raise DataError(f"{where}: image {lacking} has no {manifest.localisation}; every image needs one to be scored")
    if manifest.localisation == "boxes":
        _check_boxes(manifest, where)
    else:
        _check_masks(manifest, where, masks)


def _check_boxes(manifest: Manifest, where: str) -> None:
    sizes = np.stack([manifest.widths, manifest.heights], axis=1).astype(np.float64)
    if (sizes < 1).any():
        unknown = manifest.image_ids[int((sizes < 1).any(axis=1).argmax())]
        raise DataError(f"{where}: the size of image {unknown} is not known, so its boxes cannot be moved to the map")
    boxes = np.concatenate(manifest.boxes)
    owners = np.repeat(np.arange(len(manifest)), [len(own) for own in manifest.boxes])
    ordered = (boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2:] >= boxes[:, :2]).all(axis=1)
    wrong = ~(ordered & (boxes[:, :2] < sizes[owners]).all(axis=1))
    if wrong.any():
        index = int(wrong.argmax())
        width, height = sizes[owners[index]]
        raise DataError(
            f"{where}: box {boxes[index].tolist()} of image {manifest.image_ids[owners[index]]} is not x0 y0 x1 y1 "
            f"within its {width:.0f} x {height:.0f} pixels; correct it"
        )


def _check_masks(manifest: Manifest, where: str, masks: str | os.PathLike[str] | None) -> None:
    if not masks:
        example = manifest.masks[0][0]
        raise DataError(f"{where}: is scored by masks; name the folder that holds {example} with --masks")
    source = ImageSource(str(masks), manifest.dataset)
    for image, names, ignore in zip(manifest.image_ids, manifest.masks, manifest.ignore, strict=True):
        for name in (*names, *([ignore] if ignore else [])):
            if not source.has(name.partition("#")[0]):
                raise DataError(
                    f"{source.path}: no mask {name} of image {image}; complete the folder, or correct --masks"
                )
