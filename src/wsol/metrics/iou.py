"""Intersection over union of boxes, as the WSOL protocol counts it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError


def iou_matrix(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """IoU of every box of `first` (P, 4) with every box of `second` (M, 4), as a (P, M) array in [0, 1].

    Boxes are x0 y0 x1 y1 with both corners inside, so the area is (x1 - x0 + 1)(y1 - y0 + 1) and a point box has
    area 1 (Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", released evaluator).
    """
    a = np.asarray(first, dtype=np.float64).reshape(-1, 1, 4)
    b = np.asarray(second, dtype=np.float64).reshape(1, -1, 4)
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0]) + 1
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1]) + 1
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    union = _area(a) + _area(b) - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return (boxes[..., 2] - boxes[..., 0] + 1) * (boxes[..., 3] - boxes[..., 1] + 1)


def check_boxes(boxes: Any, owner: str) -> NDArray[np.float64]:
    """`boxes` as a float64 (M, 4) array with M >= 1 of ordered, non-negative corners; `owner` names them in errors.

    Raises DataError.
    """
    try:
        array = np.asarray(boxes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{owner}: boxes are not numbers ({error}); give x0 y0 x1 y1 for each box") from error
    if array.size == 0:
        raise DataError(f"{owner}: no ground-truth box; every evaluated image needs at least one")
    if array.ndim != 2 or array.shape[1] != 4:
        raise DataError(f"{owner}: boxes have shape {array.shape}; give an (M, 4) array of x0 y0 x1 y1")
    wrong = ~np.isfinite(array).all(axis=1)
    wrong |= (array < 0).any(axis=1) | (array[:, 2] < array[:, 0]) | (array[:, 3] < array[:, 1])
    if wrong.any():
        box = array[int(wrong.argmax())].tolist()
        raise DataError(f"{owner}: box {box} is not x0 y0 x1 y1 with 0 <= x0 <= x1 and 0 <= y0 <= y1")
    return array
