"""Checks of what the metrics are given, made before any work, with the image named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError

BACKGROUND, OBJECT, IGNORED = 0, 1, 255
"""Labels of a mask's pixels."""


def image_name(index: int, image_ids: Sequence[str] | None) -> str:
    return f"image {index}" if image_ids is None else f"image {image_ids[index]}"


def check_score_maps(score_maps: ArrayLike, image_ids: Sequence[str] | None = None) -> NDArray[np.floating]:
    """`score_maps` as a (N, H, W) array of floats, all in [0, 1]; raises DataError."""
    maps = np.asarray(score_maps)
    check_layout(maps, image_ids)
    inside = (maps >= 0) & (maps <= 1)
    if not inside.all():
        index = int(np.flatnonzero(~inside.all(axis=(1, 2)))[0])
        value = maps[index][~inside[index]][0]
        raise DataError(
            f"{image_name(index, image_ids)}: its score map holds {value}; scores must be in [0, 1] (see score_maps)"
        )
    return maps


def check_layout(maps: Any, image_ids: Sequence[str] | None = None) -> None:
    """All that `check_score_maps` asks for but the values; NumPy or CuPy. Raises DataError."""
    if maps.ndim != 3:
        raise DataError(f"score maps have shape {maps.shape}; give one array (N, H, W)")
    if maps.shape[1] == 0 or maps.shape[2] == 0:
        raise DataError(f"score maps have shape {maps.shape}; a map without pixels cannot be scored")
    if not np.issubdtype(maps.dtype, np.floating):
        raise DataError(f"score maps have type {maps.dtype}; give floats in [0, 1] (see score_maps)")
    if image_ids is not None and len(image_ids) != len(maps):
        raise DataError(f"{len(maps)} score maps but {len(image_ids)} image ids; give one id an image")


def check_masks(masks: ArrayLike, shape: tuple[int, ...], image_ids: Sequence[str] | None = None) -> NDArray[Any]:
    """`masks` as an array (N, H, W) of the labels above, of the score maps' shape; raises DataError."""
    labels = np.asarray(masks)
    check_mask_shape(labels, shape)
    known = (labels == OBJECT) | (labels == BACKGROUND) | (labels == IGNORED)
    if not known.all():
        index = int(np.flatnonzero(~known.all(axis=(1, 2)))[0])
        value = labels[index][~known[index]][0]
        raise DataError(
            f"{image_name(index, image_ids)}: its mask holds {value}; use 1 object, 0 background, 255 ignored"
        )
    return labels


def check_mask_shape(labels: Any, shape: tuple[int, ...]) -> None:
    """Raises DataError unless masks, NumPy or CuPy, have the score maps' shape."""
    if labels.shape != shape:
        raise DataError(
            f"masks have shape {labels.shape} but score maps {shape}; bring them to one size (resolve_mask)"
        )
