"""The proxy subset: a released list of the training images that a search may do with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from wsol.data.manifest import TRAIN_WEAKSUP, Manifest, validate
from wsol.errors import DataError

TREE = "train/"


def read_proxy(path: str | os.PathLike[str]) -> list[str]:
    """The image ids of a list such as ILSVRC's train/image_ids_proxy.txt: UTF-8, one a line, each once.

    Raises DataError for a list that is absent, empty, not text, or has an id twice or a line that is no id.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file; a search of this data set trains on the images listed there. Put the file there, "
            "or set `proxy: null` in the data set's parameter file to search on all of train-weaksup"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error}); get the released file again") from error
    ids = text.splitlines()
    if not ids:
        raise DataError(f"{path}: lists no image; get the released file again")
    seen: set[str] = set()
    for line, image_id in enumerate(ids, start=1):
        if not image_id.strip() or "," in image_id:
            raise DataError(f"{path}: line {line} is {image_id!r}, not an image id; get the released file again")
        if image_id in seen:
            raise DataError(f"{path}: line {line}: {image_id} stands there twice; get the released file again")
        seen.add(image_id)
    return ids


def proxy_subset(manifest: Manifest, proxy: Sequence[str], origin: str) -> Manifest:
    """The rows of train-weaksup that the list names, in the manifest's order, whatever the order of the list.

    An id may be written with or without the folder `train/` that it lies in. Raises DataError, naming `origin`, for an
    id that is none of the manifest's, one listed in both ways, and a class that is left without an image.
    """
    if manifest.split != TRAIN_WEAKSUP:
        raise DataError(f"{origin}: a proxy is a part of {TRAIN_WEAKSUP}, not of {manifest.split}")
    position = {_bare(name): index for index, name in enumerate(manifest.image_ids)}
    unknown = [name for name in proxy if _bare(name) not in position]
    if unknown:
        raise DataError(
            f"{origin}: {unknown[0]} is no image of {manifest.dataset} {manifest.split} ({len(unknown)} of "
            f"{len(proxy)} ids are not); the list and the images must be of one release"
        )
    chosen = sorted(position[_bare(name)] for name in proxy)
    twice = next((index for index, after in pairwise(chosen) if index == after), None)
    if twice is not None:
        raise DataError(f"{origin}: {manifest.image_ids[twice]} stands there twice; get the released file again")
    rows = [manifest.row(index) for index in chosen]
    subset = Manifest.from_rows(
        manifest.dataset, manifest.split, manifest.source, manifest.num_classes, manifest.localisation, rows
    )
    try:
        validate(subset)
    except DataError as error:
        raise DataError(f"{origin}: {error}") from error
    return subset


def _bare(image_id: str) -> str:
    return image_id.removeprefix(TREE)
