"""Manifests of a data set whose ground truth was released as metadata lists by Choe et al. (2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from wsol.data.manifest import ClassEntry, Manifest, Row
from wsol.data.readers._common import ReadOptions, Splits, find_root, with_facts
from wsol.data.released import read_released
from wsol.errors import DataError


def released_rows(folder: Path, split: str, name_of: Callable[[str, int], str]) -> list[Row]:
    """One row an image id of a split, in the released order, with its label, boxes or masks, and size.

    A size is 0 where none is released. `folder` holds the data set's train, val and test; `name_of(image_id, label)` is
    the class name. DataError names the file and line that does not fit.
    """
    released = read_released(folder.parent, folder.name, split)
    labels = [] if released.labels is None else released.labels.tolist()
    sizes = [[0, 0]] * len(released.image_ids) if released.sizes is None else released.sizes.tolist()
    return [
        Row(
            image_id=image_id,
            class_index=label,
            class_name=name_of(image_id, label),
            width=width,
            height=height,
            image=image_id,
            boxes=released.boxes_of(index),
            masks=tuple(released.masks[index]),
            ignore=released.ignore[index],
        )
        for index, (image_id, label, (width, height)) in enumerate(zip(released.image_ids, labels, sizes, strict=True))
    ]


def metadata_folder(options: ReadOptions) -> Path:
    if options.metadata is None:
        raise DataError(f"{options.dataset}: its parameter file names no metadata folder; set source.metadata")
    if not options.metadata.is_dir():
        raise DataError(
            f"{options.metadata}: no such folder of metadata for {options.dataset}. {options.obtain.strip()}"
        )
    return options.metadata


def class_table(names: dict[int, str], wnids: dict[int, str] | None = None) -> list[ClassEntry]:
    """Entries of classes whose indices are known; `names` must have every index 0..K-1."""
    return [
        ClassEntry(index=index, name=names[index], wnid=(wnids or {}).get(index), path=[], attributes={})
        for index in sorted(names)
    ]


def assemble(
    source: str,
    options: ReadOptions,
    rows: dict[str, list[Row]],
    classes: list[ClassEntry],
    roots: Sequence[str],
    hints: dict[str, str],
) -> Splits:
    """The manifests of `rows`, measured against the images unless these are not required.

    `roots` are the top folders that the source may have; `hints` say, a split, what a wrong image size usually means.
    """
    measured = rows
    if options.require_images:
        opened = options.open(source)
        measured = {}
        for split, listed in rows.items():
            root = find_root(opened, listed[0].image, roots, options)
            measured[split] = with_facts(
                [_under(root, row) for row in listed], opened, split, options, hint=hints.get(split, "")
            )
    manifests = {
        split: Manifest.from_rows(options.dataset, split, source, len(classes), options.localisation, listed)
        for split, listed in measured.items()
    }
    return Splits(manifests, classes)


def _under(root: str, row: Row) -> Row:
    if not root:
        return row
    return replace(
        row,
        image=root + row.image,
        masks=tuple(root + mask for mask in row.masks),
        ignore=None if row.ignore is None else root + row.ignore,
    )
