"""Parser of the ground truth released with Choe et al.'s WSOL evaluation, without any image.

A folder `<root>/<data set>/<split>` has four text files without header: `image_ids.txt` (the order of everything),
`class_labels.txt` (id,class), `image_sizes.txt` (id,width,height; empty for OpenImages) and `localization.txt`, with
one box (id,x0,y0,x1,y1) or one mask (id,mask,ignore mask) a line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsol.data.released_checksums import SHA256
from wsol.errors import DataError
from wsol.files import sha256_file

FOLDERS = {"train-weaksup": "train", "train-fullsup": "val", "test": "test"}
"""The released folder of each split as this project names it."""

RELEASED, OTHER, UNKNOWN = "released", "not the released file", "no checksum known"


@dataclass(frozen=True)
class ReleasedSplit:
    """Ground truth of N images.

    sizes (N, 2) width and height, or None where not released; labels (N,) or None where not read; boxes (B, 4) x0 y0
    x1 y1 in pixels of the image, all boxes of image 0 first, with owners (B,) the index of their image; masks and
    ignore the members of each image's instance masks and its ignore mask, or None.
    """

    dataset: str
    split: str
    image_ids: list[str]
    sizes: NDArray[np.int64] | None
    labels: NDArray[np.int64] | None
    boxes: NDArray[np.float64]
    owners: NDArray[np.int64]
    masks: list[list[str]]
    ignore: list[str | None]

    def boxes_of(self, index: int) -> NDArray[np.float64]:
        """(M, 4) boxes of one image."""
        start, stop = np.searchsorted(self.owners, [index, index + 1])
        return self.boxes[start:stop]


def split_folder(root: str | os.PathLike[str], dataset: str, split: str) -> Path:
    """The folder of a split, named as released (val) or as here (train-fullsup); raises DataError if there is none."""
    folder = Path(root) / dataset / FOLDERS.get(split, split)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; put the released WSOL metadata of {dataset} there, or set WSOL_DATA to the "
            "folder that holds wsol-metadata"
        )
    return folder


def read_released(root: str | os.PathLike[str], dataset: str, split: str, *, with_labels: bool = True) -> ReleasedSplit:
    """Read one split and check it: ids unique and in the same order everywhere, boxes ordered and inside the image.

    Raises DataError that names the file and the line.
    """
    folder = split_folder(root, dataset, split)
    ids = [fields[0] for _, fields in _rows(folder / "image_ids.txt", (1,))]
    position = {name: index for index, name in enumerate(ids)}
    if len(position) != len(ids):
        repeated = next(name for index, name in enumerate(ids) if position[name] != index)
        raise DataError(f"{folder / 'image_ids.txt'}: id {repeated} stands there twice; get the released file again")
    labels = _numbers(folder / "class_labels.txt", ids, 1)[:, 0] if with_labels else None
    sizes_path = folder / "image_sizes.txt"
    sizes = None
    if any(_rows(sizes_path, (3,))):
        sizes = _numbers(sizes_path, ids, 2)
        if (sizes < 1).any():
            wrong = int((sizes < 1).any(axis=1).argmax())
            raise DataError(f"{sizes_path}: size {sizes[wrong].tolist()} of {ids[wrong]} is not positive")
    truth = folder / "localization.txt"
    boxes: list[list[float]] = []
    owners: list[int] = []
    masks: list[list[str]] = [[] for _ in ids]
    ignore: list[str | None] = [None] * len(ids)
    for line, fields in _rows(truth, (3, 5)):
        owner = position.get(fields[0])
        if owner is None:
            raise DataError(f"{truth}: line {line} is about {fields[0]}, which is not in image_ids.txt")
        if len(fields) == 5:
            boxes.append(_box(fields[1:], f"{truth}: line {line}", None if sizes is None else sizes[owner]))
            owners.append(owner)
        else:
            masks[owner].append(fields[1])
            ignore[owner] = fields[2] or ignore[owner]
    order = np.argsort(np.array(owners, dtype=np.int64), kind="stable")
    return ReleasedSplit(
        dataset=dataset,
        split=split,
        image_ids=ids,
        sizes=sizes,
        labels=labels,
        boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4)[order],
        owners=np.array(owners, dtype=np.int64)[order],
        masks=masks,
        ignore=ignore,
    )


def released_checksums(root: str | os.PathLike[str], dataset: str, split: str) -> dict[str, str]:
    """For each file of a split that is there: "released", "not the released file" or "no checksum known"."""
    folder = split_folder(root, dataset, split)
    known = SHA256.get(f"{dataset}/{folder.name}", {})
    return {
        path.name: UNKNOWN if path.name not in known else RELEASED if sha256_file(path) == known[path.name] else OTHER
        for path in sorted(folder.glob("*.txt"))
    }


def _rows(path: Path, widths: tuple[int, ...]) -> Iterator[tuple[int, list[str]]]:
    """Line number and comma-separated fields; a line with another number of fields is an error."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; a released split has four text files") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error}); get the released file again") from error
    for line, content in enumerate(text.splitlines(), start=1):
        fields = content.split(",")
        if len(fields) not in widths or not fields[0]:
            expected = " or ".join(map(str, widths))
            raise DataError(f"{path}: line {line} is {content!r}; expected {expected} fields separated by commas")
        yield line, fields


def _numbers(path: Path, ids: list[str], columns: int) -> NDArray[np.int64]:
    """Integer columns (N, columns) of a file whose ids must be `ids`, in that order."""
    values = np.empty((len(ids), columns), dtype=np.int64)
    line = 0
    for line, fields in _rows(path, (columns + 1,)):
        if line > len(ids) or fields[0] != ids[line - 1]:
            expected = ids[line - 1] if line <= len(ids) else "the end of the file"
            raise DataError(f"{path}: line {line} is about {fields[0]}, but image_ids.txt has {expected} there")
        try:
            values[line - 1] = [int(value) for value in fields[1:]]
        except ValueError as error:
            raise DataError(f"{path}: line {line} holds {','.join(fields[1:])}; expected integers") from error
    if line != len(ids):
        raise DataError(f"{path}: ends after {line} of {len(ids)} ids; get the released file again")
    return values


def _box(fields: list[str], where: str, size: NDArray[np.int64] | None) -> list[float]:
    try:
        x0, y0, x1, y1 = (float(value) for value in fields)
    except ValueError as error:
        raise DataError(f"{where}: box {','.join(fields)} is not four numbers") from error
    if not (0 <= x0 <= x1 and 0 <= y0 <= y1):
        raise DataError(f"{where}: box {','.join(fields)} is not x0,y0,x1,y1 with 0 <= x0 <= x1 and 0 <= y0 <= y1")
    if size is not None and (x1 > size[0] or y1 > size[1]):
        raise DataError(
            f"{where}: box {','.join(fields)} does not fit its image of {size[0]} x {size[1]} pixels; "
            "boxes and image_sizes.txt are not of the same release"
        )
    return [x0, y0, x1, y1]
