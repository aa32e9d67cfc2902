"""Which map belongs to which image, and whether each can be scored: everything that can be said before any work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from wsol.errors import DataError
from wsol.standalone.maps import MapSource


def match_maps(
    source: MapSource, wanted: Sequence[str], known: Sequence[str], *, ignore_extra: bool = False
) -> dict[str, str]:
    """The name of the map of each wanted image; `known` are all images of the split, of which `wanted` may be a share.

    A map is called as its image (`a/x.jpg`), or as its image without the extension (`a/x`) where no other image of the
    split is called so. Raises DataError, naming an image and a file, for a missing map, two maps of one image, and,
    unless `ignore_extra`, a map of no image.
    """
    by_stem = _stems(known)
    images = set(known)
    found: dict[str, str] = {}
    extra: list[str] = []
    for name in source.names:
        candidates = [name] if name in images else by_stem.get(name, [])
        if len(candidates) > 1:
            raise DataError(
                f"{source.place(name)}: may belong to image {candidates[0]} or {candidates[1]}; "
                f"call it {candidates[0]}.npy, with the extension of its image"
            )
        if not candidates:
            extra.append(name)
        elif candidates[0] in found:
            first = source.place(found[candidates[0]])
            raise DataError(f"image {candidates[0]} has two maps: {first} and {source.place(name)}; remove one")
        else:
            found[candidates[0]] = name
    missing = [image for image in wanted if image not in found]
    if missing:
        raise DataError(
            f"{source.where}: no map of image {missing[0]} ({len(missing)} of {len(wanted)} images have none); "
            f"a folder holds it as {missing[0]}.npy. Make the missing maps, for every image counts"
            + (f"; is {source.place(extra[0])} of another split?" if len(missing) == len(wanted) and extra else "")
        )
    if extra and not ignore_extra:
        raise DataError(
            f"{source.place(extra[0])}: a map of no image of this split ({len(extra)} such maps); remove them, or, "
            "where one folder serves several splits, pass --ignore-extra"
        )
    return {image: found[image] for image in wanted}


def check_headers(
    source: MapSource,
    names: Mapping[str, str],
    size: int,
    *,
    normalise: bool,
    watched: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> None:
    """Raise DataError, naming image and file, unless each map has the type and shape that can be scored.

    As they are: (size, size), float32 or float64. With `normalise`: (h, w) numbers of any size. `watched` wraps the
    images to show progress.
    """
    for image in watched(names):
        where = f"{source.place(names[image])}: the map of image {image}"
        shape, dtype = source.header(names[image])[:2]
        if len(shape) != 2 or 0 in shape:
            raise DataError(f"{where} has shape {shape}; save one map (H, W) an image")
        if normalise:
            if not (np.issubdtype(dtype, np.floating) or np.issubdtype(dtype, np.integer)):
                raise DataError(f"{where} has type {dtype}; save real numbers")
            continue
        if shape != (size, size):
            raise DataError(
                f"{where} has shape {shape}, but boxes and masks are compared in a frame of {size} x {size}; resize "
                f"it to that frame, or pass --normalise to have raw maps upsampled and normalised here"
            )
        if dtype not in (np.float32, np.float64):
            raise DataError(
                f"{where} has type {dtype}; save float32 or float64 scores in [0, 1], or pass --normalise for raw maps"
            )


def _stems(images: Sequence[str]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for image in images:
        result.setdefault(PurePosixPath(image).with_suffix("").as_posix(), []).append(image)
    return result
