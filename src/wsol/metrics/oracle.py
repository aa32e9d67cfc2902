"""The definition of the box metrics, on OpenCV: readable, slow, and what both engines must equal hit for hit.

The rules of the evaluator released with Choe et al., its quirks included: holes propose boxes too, and right and bottom
edges lie one pixel outside the region unless clipped by the image. Only levels that differ are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.metrics.iou import iou_matrix
from wsol.metrics.levels import LEVELS, Contours, Corners, check_contours, check_corners, level_index, quantise

Box = tuple[int, int, int, int]

EMPTY_BOX: Box = (0, 0, 0, 0)
"""What a map proposes where nothing is above the threshold; its area counts as one pixel."""


@dataclass(frozen=True)
class LevelBoxes:
    """Boxes x0 y0 x1 y1 of one cut of a map, in map pixels, by contour rule."""

    all: list[Box]
    largest: Box
    external: list[Box]

    def of(self, contours: Contours) -> list[Box]:
        return [self.largest] if contours == "largest" else getattr(self, contours)


NOTHING = LevelBoxes([EMPTY_BOX], EMPTY_BOX, [EMPTY_BOX])


def boxes_above(grey: NDArray[np.uint8], level: int, corners: Corners = "exclusive") -> LevelBoxes:
    """Boxes of the contours of {grey > level}: outer borders, hole borders and islands, 8-connected foreground.

    `largest` is the box of the contour of largest polygon area, the first of equals in OpenCV's order. Each box is
    [x, y, min(x + w, W - 1), min(y + h, H - 1)], or [x, y, x + w - 1, y + h - 1] with inclusive corners.
    """
    mask = cv2.threshold(grey, level, 255, cv2.THRESH_BINARY)[1]
    contours, hierarchy = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return NOTHING
    last_x, last_y = grey.shape[1] - 1, grey.shape[0] - 1
    beyond = 0 if corners == "exclusive" else 1
    boxes: list[Box] = []
    for contour in contours:
        x, y, width, height = cv2.boundingRect(contour)
        boxes.append((x, y, min(x + width - beyond, last_x), min(y + height - beyond, last_y)))
    outermost = [box for box, links in zip(boxes, hierarchy[0], strict=True) if links[3] < 0]
    if len(boxes) == 1:
        return LevelBoxes(boxes, boxes[0], outermost)
    areas = [cv2.contourArea(contour) for contour in contours]
    return LevelBoxes(boxes, boxes[areas.index(max(areas))], outermost)


def level_boxes(grey: NDArray[np.uint8], corners: Corners = "exclusive") -> list[LevelBoxes]:
    """Boxes of a (H, W) uint8 map for each level t = 0...255, each distinct cut computed once.

    Two levels give the same cut where no pixel's grey value lies above the lower and at or below the upper one.
    """
    grey = np.ascontiguousarray(grey)
    values = np.flatnonzero(np.bincount(grey.ravel(), minlength=LEVELS))
    below = np.searchsorted(values, np.arange(LEVELS), side="right")
    cuts = [boxes_above(grey, int(values[count - 1]) if count else 0, corners) for count in range(len(values) + 1)]
    return [cuts[count] for count in below]


def best_iou(
    grey: NDArray[np.uint8], boxes: ArrayLike, contours: Sequence[Contours], corners: Corners = "exclusive"
) -> NDArray[np.float64]:
    """(R, 256) best IoU over proposed and ground-truth boxes (M, 4), for each of R contour rules and each level t."""
    check_corners(corners)
    levels = level_boxes(grey, corners)
    result = np.empty((len(contours), LEVELS))
    for row, rule in enumerate(contours):
        check_contours(rule)
        known: dict[int, float] = {}
        for level, proposed in enumerate(levels):
            if id(proposed) not in known:
                known[id(proposed)] = float(iou_matrix(proposed.of(rule), boxes).max())
            result[row, level] = known[id(proposed)]
    return result


def boxes_at(
    score_map: ArrayLike, threshold: float, contours: Contours = "all", corners: Corners = "exclusive"
) -> list[Box]:
    """The boxes that one (H, W) score map in [0, 1] proposes at one threshold, for drawing and for looking closer."""
    check_contours(contours)
    check_corners(corners)
    grey = np.ascontiguousarray(quantise(score_map))
    level = int(level_index(np.array([threshold], dtype=np.float64), int(grey.max()))[0])
    return boxes_above(grey, level, corners).of(contours)
