"""Maps of a split in one file, at native resolution, with all that is needed to bring them to the scored frame."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from wsol.errors import DataError
from wsol.files import load_tensors, save_tensors


@dataclass(frozen=True)
class MapStore:
    """maps (N, h, w) float32, or (1, h, w) where one map serves every image; predictions (N, 5) int32 or None."""

    maps: np.ndarray
    image_ids: list[str]
    predictions: np.ndarray | None
    description: dict[str, Any]

    def block(self, start: int, stop: int) -> np.ndarray:
        """Raw maps of images start…stop-1, (n, h, w)."""
        if len(self.maps) == 1 and len(self.image_ids) != 1:
            return np.broadcast_to(self.maps, (stop - start, *self.maps.shape[1:]))
        return self.maps[start:stop]


def write_maps(
    path: str | os.PathLike[str],
    maps: np.ndarray,
    image_ids: list[str],
    predictions: np.ndarray | None,
    *,
    size: int,
    order: str = "resize-normalize",
    **description: Any,
) -> None:
    """Store maps with the frame they are scored in (`size`: side in pixels) and the order of resize and min-max."""
    if len(maps) not in (1, len(image_ids)):
        raise DataError(f"{path}: {len(maps)} maps for {len(image_ids)} images")
    if predictions is not None and len(predictions) != len(image_ids):
        raise DataError(f"{path}: {len(predictions)} predictions for {len(image_ids)} images")
    tensors = {"maps": maps.astype(np.float32)}
    if predictions is not None:
        tensors["predictions"] = predictions.astype(np.int32)
    upsampling = {"size": size, "interpolation": "bicubic", "order": order}
    save_tensors(path, tensors, {"image_ids": image_ids, "upsampling": upsampling, **description})


def read_maps(path: str | os.PathLike[str]) -> MapStore:
    tensors, metadata = load_tensors(path)
    if "maps" not in tensors or "image_ids" not in metadata:
        raise DataError(f"{path}: not a map store (no maps or no image_ids in it)")
    image_ids = metadata.pop("image_ids")
    if len(tensors["maps"]) not in (1, len(image_ids)):
        raise DataError(f"{path}: {len(tensors['maps'])} maps for {len(image_ids)} images; make the file again")
    return MapStore(tensors["maps"], image_ids, tensors.get("predictions"), metadata)
