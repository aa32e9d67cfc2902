"""Maps of a split in one file, at native resolution, with all that is needed to bring them to the scored frame."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

import numpy as np

from wsol.errors import DataError
from wsol.files import load_metadata, save_tensors


class MapStore:
    """Maps of a file that `write_maps` wrote, read when they are asked for, so that they need not fit into memory.

    predictions (N, 5) int32 or None; description is the rest of the header. Get one from `read_maps`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        from safetensors import safe_open

        self.path = os.fspath(path)
        metadata = load_metadata(path)
        self._tensors = safe_open(self.path, framework="numpy")
        names = set(self._tensors.keys())
        if "maps" not in names or "image_ids" not in metadata:
            raise DataError(f"{path}: not a map store (no maps or no image_ids in it)")
        self.image_ids: list[str] = metadata.pop("image_ids")
        self.shape: tuple[int, ...] = tuple(self._tensors.get_slice("maps").get_shape())
        if not self.shape or self.shape[0] not in (1, len(self.image_ids)):
            count = self.shape[0] if self.shape else 0
            raise DataError(f"{path}: {count} maps for {len(self.image_ids)} images; make the file again")
        self.predictions: np.ndarray | None = (
            self._tensors.get_tensor("predictions") if "predictions" in names else None
        )
        self.description: dict[str, Any] = metadata

    @cached_property
    def maps(self) -> np.ndarray:
        """All maps in memory: (N, h, w) float32, or (1, h, w) where one map serves every image."""
        return self._tensors.get_tensor("maps")

    def block(self, start: int, stop: int) -> np.ndarray:
        """Raw maps of images start…stop-1, (n, h, w); only these are read."""
        if self.shape[0] == 1 and len(self.image_ids) != 1:
            return np.broadcast_to(self.maps, (stop - start, *self.shape[1:]))
        stop = min(stop, self.shape[0])
        if start >= stop:
            return np.empty((0, *self.shape[1:]), dtype=np.float32)
        return self._tensors.get_slice("maps")[start:stop]


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
    tensors = {"maps": maps.astype(np.float32, copy=False)}
    if predictions is not None:
        tensors["predictions"] = predictions.astype(np.int32)
    upsampling = {"size": size, "interpolation": "bicubic", "order": order}
    save_tensors(path, tensors, {"image_ids": image_ids, "upsampling": upsampling, **description})


def read_maps(path: str | os.PathLike[str]) -> MapStore:
    """The store in a file; raises DataError. Its maps are read later, so the file must stay."""
    return MapStore(path)
