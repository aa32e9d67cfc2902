"""Predicted classes of each image, for top-k localisation."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wsol.errors import DataError
from wsol.standalone.maps import MapSource


def read_predictions(path: str | os.PathLike[str], wanted: Sequence[str], known: Sequence[str]) -> NDArray[np.int32]:
    """(N, k) class indices of the wanted images, best first, of a file `image_id,best,second,...`.

    A first line that begins with `image_id` is skipped. `known` are all images of the split, each of which may stand
    there once, and no other. Raises DataError that names the line.
    """
    images, table = set(known), dict[str, list[int]]()
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            for line, fields in enumerate(csv.reader(stream), start=1):
                if not fields or (line == 1 and fields[0] == "image_id"):
                    continue
                where = f"{path}: line {line}"
                if fields[0] not in images or fields[0] in table:
                    why = "stands there twice" if fields[0] in table else "is no image of this split"
                    raise DataError(f"{where}: {fields[0]} {why}; give each image of the split one line")
                table[fields[0]] = _classes(fields[1:], where)
                if len(table[fields[0]]) != len(next(iter(table.values()))):
                    raise DataError(f"{where}: {len(fields) - 1} classes, but the lines above have another number")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file of predictions; check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV text ({error}); write lines image_id,class index,...") from error
    missing = [image for image in wanted if image not in table]
    if missing:
        raise DataError(f"{path}: no line for image {missing[0]} ({len(missing)} of {len(wanted)} images have none)")
    return np.array([table[image] for image in wanted], dtype=np.int32)


def stored_predictions(source: MapSource, names: Sequence[str]) -> NDArray[np.int32] | None:
    """(N, k) class indices that lie beside the maps, or None."""
    found = [source.predictions(name) for name in names]
    return None if not found or found[0] is None else np.array(found, dtype=np.int32)


def _classes(fields: list[str], where: str) -> list[int]:
    try:
        classes = [int(field) for field in fields]
    except ValueError:
        classes = []
    if not classes or min(classes) < 0:
        raise DataError(f"{where}: {','.join(fields)!r} is not a list of class indices from 0 up, best first")
    return classes
