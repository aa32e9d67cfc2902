"""The released evaluator's way to count, one threshold at a time: for comparison in benchmarks and tests alone.

Written from the behaviour of the evaluator released with Choe et al. (`BoxEvaluator` and `MaskEvaluator` of
clovaai/wsolevaluation), without any of the short cuts of `wsol.metrics`: every threshold cuts the map and traces its
contours again, whether or not the cut differs from the one before, and the best IoU of each box is looked up in a
reduction that is made anew for every threshold. It is what people wait for today. Do not use it to evaluate maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray


def released_hits(
    score_map: NDArray[np.float64],
    gt_boxes: ArrayLike,
    thresholds: ArrayLike,
    iou_percent: Sequence[int] = (30, 50, 70),
    multi_contour: bool = True,
) -> NDArray[np.int64]:
    """(D, T) 0 or 1: is the map (H, W) a hit at each IoU level and threshold? gt_boxes (M, 4) in map pixels.

    Raises ValueError for NaN and for scores out of [0, 1].
    """
    grid = np.asarray(thresholds, dtype=np.float64)
    boxes, per_threshold = released_boxes(score_map, grid, multi_contour)
    overlaps = _pairwise_iou(np.array(boxes, dtype=np.float64), np.asarray(gt_boxes, dtype=np.float64).reshape(-1, 4))
    best = []
    start = 0
    for count in per_threshold:
        best.append(max(overlaps.max(axis=1)[start : start + count]))
        start += count
    hits = np.zeros((len(iou_percent), grid.size), dtype=np.int64)
    for row, percent in enumerate(iou_percent):
        hits[row, np.flatnonzero(np.asarray(best) >= percent / 100)] += 1
    return hits


def released_boxes(
    score_map: NDArray[np.float64], thresholds: NDArray[np.float64], multi_contour: bool
) -> tuple[list[tuple[int, int, int, int]], list[int]]:
    """Boxes x0 y0 x1 y1 of all thresholds, one after another, and how many each threshold has."""
    if np.isnan(score_map).any() or (score_map > 1).any() or (score_map < 0).any():
        raise ValueError("the score map holds NaN or values out of [0, 1]")
    height, width = score_map.shape
    image = np.ascontiguousarray((score_map * 255).astype(np.uint8))
    boxes: list[tuple[int, int, int, int]] = []
    counts: list[int] = []
    for threshold in thresholds:
        cut = cv2.threshold(image, int(threshold * np.max(image)), 255, cv2.THRESH_BINARY)[1]
        contours: Sequence[Any] = cv2.findContours(cut, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
        if len(contours) == 0:
            boxes.append((0, 0, 0, 0))
            counts.append(1)
            continue
        if not multi_contour:
            contours = [max(contours, key=cv2.contourArea)]
        for contour in contours:
            x, y, w, h = cv2.boundingRect(contour)
            boxes.append((x, y, min(x + w, width - 1), min(y + h, height - 1)))
        counts.append(len(contours))
    return boxes, counts


def released_pixel_counts(
    score_map: NDArray[np.float64], mask: NDArray[np.uint8], edges: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Object and background pixels in each bin of explicit edges, by `numpy.histogram` for each class."""
    objects = np.histogram(score_map[mask == 1], bins=edges)[0]
    background = np.histogram(score_map[mask == 0], bins=edges)[0]
    return objects, background


def released_edges(thresholds: ArrayLike) -> NDArray[np.float64]:
    """The thresholds with 1, 2 and 3 behind them, so that score 1 has a bin of its own."""
    return np.append(np.asarray(thresholds, dtype=np.float64), [1.0, 2.0, 3.0])


def _pairwise_iou(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    x0 = np.maximum(first[:, None, 0], second[None, :, 0])
    y0 = np.maximum(first[:, None, 1], second[None, :, 1])
    x1 = np.minimum(first[:, None, 2], second[None, :, 2])
    y1 = np.minimum(first[:, None, 3], second[None, :, 3])
    both = np.maximum(0, x1 - x0 + 1) * np.maximum(0, y1 - y0 + 1)
    areas = [(boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - both
    degenerate = union <= 0
    union[degenerate] = 1
    result = both / union
    result[degenerate] = 0
    return result
