"""Exact evaluation of every threshold at once, on a CPU (Numba) or a GPU (CuPy), equal to `wsol.metrics.oracle`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsol.metrics.inputs import check_score_maps
from wsol.metrics.levels import Contours, Corners


class BestIoU(NamedTuple):
    """Best IoU over proposed and ground-truth boxes of n maps, for R contour rules and each grey level t = 0...255.

    values (R, n, 256) float64 in [0, 1]; maximum (n,) uint8, the largest grey level of each map.
    """

    values: NDArray[np.float64]
    maximum: NDArray[np.uint8]


def best_iou(
    score_maps: Any,
    boxes: Sequence[NDArray[np.float64]],
    contours: Sequence[Contours] = ("all", "largest"),
    corners: Corners = "exclusive",
    *,
    image_ids: Sequence[str] | None = None,
    threads: int = 1,
) -> BestIoU:
    """Best IoU of score maps (n, H, W), NumPy or CuPy, against n arrays (M, 4) of boxes in map pixels.

    A level at or above a map's maximum proposes nothing but the box [0, 0, 0, 0], as in the released evaluator. More
    threads change the time, not the values. Raises DataError, naming the image, for scores outside [0, 1] and NaN;
    shapes and boxes are checked by `wsol.metrics.boxes`.
    """
    if hasattr(score_maps, "__cuda_array_interface__"):
        from wsol.metrics.engine import cuda

        invalid = cuda.invalid_maps(score_maps)
        if invalid.any():
            _refuse(int(invalid.argmax()), score_maps, image_ids)
        return BestIoU(*cuda.best_iou(score_maps, boxes, contours, corners))

    from wsol.metrics.engine.cpu import boxes as cpu

    if score_maps.dtype not in (np.float32, np.float64):
        score_maps = check_score_maps(score_maps, image_ids).astype(np.float64)
    greys, valid = cpu.grey_levels(score_maps, threads)
    if not valid.all():
        _refuse(int(valid.argmin()), score_maps, image_ids)
    return BestIoU(*cpu.best_iou(greys, boxes, contours, corners, threads))


def _refuse(index: int, score_maps: Any, image_ids: Sequence[str] | None) -> None:
    one = score_maps[index : index + 1]
    one = one.get() if hasattr(one, "get") else one
    check_score_maps(one, [str(index) if image_ids is None else image_ids[index]])
