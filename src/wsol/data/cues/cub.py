"""Parts of CUB-200-2011: seven, out of its attributes, its fifteen keypoints and its segmentations.

The rules are those of the released CALM code (cue localisation): a class has an attribute where at least half of the
annotators say so; an attribute is of every part whose word its name holds, values included
(`has_shape::long-legged-like` is of the leg); a pixel of the bird belongs to the visible point that is nearest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsol.data.cues import PartMap
from wsol.data.images import ImageSource, MissingMember, decode_mask
from wsol.data.manifest import ClassEntry, Manifest
from wsol.errors import DataError

WORDS: dict[str, tuple[str, ...]] = {
    "head": ("bill", "crown", "eye", "forehead", "head", "nape", "throat"),
    "back": ("back",),
    "belly": ("belly",),
    "breast": ("breast",),
    "tail": ("tail",),
    "leg": ("leg",),
    "wing": ("wing",),
}
KEYPOINTS: dict[str, tuple[int, ...]] = {
    "head": (2, 5, 6, 7, 10, 11, 15),
    "back": (1,),
    "belly": (3,),
    "breast": (4,),
    "tail": (14,),
    "leg": (8, 12),
    "wing": (9, 13),
}
"""CUB's numbers of the points of each part. Those of the head are one point, their mean; legs and wings stay two."""
PRESENT = 50.0
"""An attribute is the class's from this share of annotators on, in percent."""

TOPS = ("", "CUB/", "CUB_200_2011/")
ATTRIBUTE_NAMES = ("attributes/attributes.txt", "attributes.txt")
ATTRIBUTE_SHARES = ("attributes/class_attribute_labels_continuous.txt",)
IMAGE_NUMBERS = ("images.txt",)
LOCATIONS = ("parts/part_locs.txt",)
TEXTS = (ATTRIBUTE_NAMES, ATTRIBUTE_SHARES, IMAGE_NUMBERS, LOCATIONS)


def open_truth(manifest: Manifest, classes: Sequence[ClassEntry]) -> CubTruth:
    return CubTruth(manifest, len(classes))


class CubTruth:
    """The `CueTruth` of CUB. Needs attributes/, parts/, images.txt and segmentations/ beside the images; DataError."""

    parts = tuple(WORDS)

    def __init__(self, manifest: Manifest, num_classes: int) -> None:
        self._manifest = manifest
        self._source = ImageSource(manifest.source, manifest.dataset)
        names = [line.split(maxsplit=1)[1] for line in _lines(self._source, ATTRIBUTE_NAMES)]
        shares = _numbers(self._source, ATTRIBUTE_SHARES)
        if shares.shape != (num_classes, len(names)):
            raise DataError(
                f"{self._source.path}: {ATTRIBUTE_SHARES[0]} is {shares.shape[0]} × {shares.shape[1]}, expected "
                f"{num_classes} classes × {len(names)} attributes; copy CUB-200-2011 again"
            )
        of_part = {part: [i for i, name in enumerate(names) if _is_of(name, part)] for part in WORDS}
        present = shares >= PRESENT
        self._traits = [{part: tuple(row[of_part[part]].tolist()) for part in WORDS} for row in present]
        self._points = _points(self._source)

    def traits(self, class_index: int) -> Mapping[str, Any]:
        return self._traits[class_index]

    def part_map(self, index: int, size: int) -> PartMap:
        name = self._manifest.image_ids[index]
        if name not in self._points:
            raise DataError(f"{self._source.path}: {LOCATIONS[0]} has no points of {name}; copy CUB-200-2011 again")
        width, height = int(self._manifest.widths[index]), int(self._manifest.heights[index])
        numbers, places = frame_points(self._points[name], width, height, size)
        if not numbers:
            return PartMap(np.zeros((size, size), dtype=np.uint8), frozenset())
        labels = np.array(numbers, dtype=np.uint8)[nearest(places, size)]
        return PartMap(np.where(self._segmentation(name, size), labels, 0).astype(np.uint8), frozenset(numbers))

    def _segmentation(self, name: str, size: int) -> NDArray[np.bool_]:
        member = f"segmentations/{name.rsplit('.', 1)[0]}.png"
        content, where = _read(self._source, (member,))
        resized = Image.fromarray(decode_mask(content, where)).resize((size, size), Image.Resampling.BICUBIC)
        return np.asarray(resized) > 0


def frame_points(
    points: Mapping[int, tuple[float, float]], width: int, height: int, size: int
) -> tuple[list[int], NDArray[np.int64]]:
    """Part numbers (P,) and their points (P, 2), x and y in whole pixels of the size × size frame (truncated).

    points: CUB's number of each visible keypoint → x, y in pixels of the image. Order: head, back, belly, breast, tail,
    legs, wings; it settles ties of `nearest`.
    """
    numbers: list[int] = []
    places: list[NDArray[np.float64]] = []
    for number, (part, keypoints) in enumerate(KEYPOINTS.items(), 1):
        seen = [np.array(points[k]) / (width, height) * size for k in keypoints if k in points]
        if part == "head" and seen:
            seen = [np.mean(seen, axis=0)]
        numbers += [number] * len(seen)
        places += seen
    return numbers, np.array(places, dtype=np.float64).reshape(-1, 2).astype(np.int64)


def nearest(places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """(size, size): index of the point (P, 2) nearest to each pixel; of points as near as each other, the first."""
    grid = np.arange(size)
    distance = (grid[None, :, None] - places[:, 0]) ** 2 + (grid[:, None, None] - places[:, 1]) ** 2
    return distance.argmin(axis=2)


def _is_of(name: str, part: str) -> bool:
    return any(word in name for word in WORDS[part])


def _points(source: ImageSource) -> dict[str, dict[int, tuple[float, float]]]:
    """Image name → visible keypoints, by CUB's number."""
    names = dict(line.split(maxsplit=1) for line in _lines(source, IMAGE_NUMBERS))
    points: dict[str, dict[int, tuple[float, float]]] = {name: {} for name in names.values()}
    for image, part, x, y, visible in _numbers(source, LOCATIONS):
        key = str(int(image))
        if key not in names:
            raise DataError(f"{source.path}: {LOCATIONS[0]} has image {key}, which {IMAGE_NUMBERS[0]} lacks")
        if visible:
            points[names[key]][int(part)] = (x, y)
    return points


def _numbers(source: ImageSource, members: Sequence[str]) -> NDArray[np.float64]:
    lines = _lines(source, members)
    try:
        rows = np.array([line.split() for line in lines], dtype=np.float64)
    except ValueError as error:
        raise DataError(f"{source.path}: {members[0]} is not a table of numbers ({error}); copy it again") from error
    if rows.ndim != 2 or (members is LOCATIONS and rows.shape[1] != 5):
        raise DataError(f"{source.path}: {members[0]} has shape {rows.shape}; copy CUB-200-2011 again")
    return rows


def _lines(source: ImageSource, members: Sequence[str]) -> list[str]:
    content, where = _read(source, members)
    lines = [line for line in content.decode("utf-8").splitlines() if line.strip()]
    if any(len(line.split()) < 2 for line in lines):
        raise DataError(f"{where}: a line has fewer than two fields; copy it again")
    return lines


def find_text(source: ImageSource, members: Sequence[str]) -> str | None:
    """The first of the members that the source has, under any of the folders that a copy may keep or drop."""
    return next((top + member for member in members for top in TOPS if source.has(top + member)), None)


def _read(source: ImageSource, members: Sequence[str]) -> tuple[bytes, str]:
    found = find_text(source, members)
    if found is None:
        raise MissingMember(
            f"{source.path}: no {' or '.join(members)}; put the folders attributes, parts and segmentations and "
            "images.txt of CUB-200-2011 beside its images (docs/cues.md)"
        )
    return source.read(found), f"{source.path}:{found}"
