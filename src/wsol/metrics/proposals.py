"""Boxes proposed by a score map: quantise, threshold, take the contours, take their boxes.

Exactly the rules of the evaluator released with Choe et al., including its quirks: the map is cut to 256 grey levels,
the threshold is relative to the map's own maximum, holes propose boxes too, and right and bottom edges lie one pixel
outside the region unless clipped by the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import ParameterError

Contours = Literal["all", "largest"]
Box = tuple[int, int, int, int]

EMPTY_BOX: Box = (0, 0, 0, 0)
"""What a map proposes where nothing is above the threshold; its area counts as one pixel."""


def check_contours(contours: str) -> None:
    """Raises ParameterError unless `contours` names a rule of this module."""
    if contours not in get_args(Contours):
        raise ParameterError(f"contours {contours!r} is not known; choose one of {', '.join(get_args(Contours))}")


def threshold_grid(thresholds: int | ArrayLike) -> NDArray[np.float64]:
    """T thresholds in [0, 1) a step 1/T apart, or the given ones as a float64 array.

    The integer form is `numpy.arange(0, 1, 1 / T)` as the released evaluator has it, so that every float is the same
    (for some T, such as 49, rounding adds one more threshold right below 1). Raises ParameterError.
    """
    if isinstance(thresholds, (int, np.integer)) and not isinstance(thresholds, bool):
        if thresholds < 1:
            raise ParameterError(f"thresholds: {thresholds} is too few; give 1 or more, 1000 in the papers")
        return np.arange(0.0, 1.0, 1.0 / int(thresholds))
    grid = np.array(thresholds, dtype=np.float64)
    if grid.ndim != 1 or grid.size == 0 or not np.isfinite(grid).all() or (grid < 0).any():
        raise ParameterError("thresholds: give their number, or a non-empty list of finite values from 0 up")
    return grid


def quantise(score_maps: ArrayLike) -> NDArray[np.uint8]:
    """Scores in [0, 1] as grey levels, trunc(255 S) computed in float64."""
    return (np.asarray(score_maps, dtype=np.float64) * 255).astype(np.uint8)


def integer_levels(thresholds: NDArray[np.float64], maximum: int) -> NDArray[np.int64]:
    """The grey level trunc(tau * maximum) that each threshold stands for; foreground is strictly above it.

    The product must be the float64 one: with exact fractions six pairs of threshold and maximum come out one higher.
    """
    return np.trunc(thresholds * np.float64(maximum)).astype(np.int64)


@dataclass(frozen=True)
class LevelBoxes:
    """Boxes of one binary mask, in map pixels."""

    all: list[Box]
    largest: Box

    def of(self, contours: Contours) -> list[Box]:
        return self.all if contours == "all" else [self.largest]


def boxes_above(grey: NDArray[np.uint8], level: int) -> LevelBoxes:
    """Boxes of the contours of {grey > level}: outer borders, hole borders and islands, 8-connected foreground.

    `all` keeps them all; `largest` is the box of the contour of largest polygon area, the first of equals in OpenCV's
    order. Each is [x, y, min(x + w, W - 1), min(y + h, H - 1)].
    """
    mask = cv2.threshold(grey, level, 255, cv2.THRESH_BINARY)[1]
    contours, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return LevelBoxes([EMPTY_BOX], EMPTY_BOX)
    right, bottom = grey.shape[1] - 1, grey.shape[0] - 1
    boxes: list[Box] = []
    for contour in contours:
        x, y, width, height = cv2.boundingRect(contour)
        boxes.append((x, y, min(x + width, right), min(y + height, bottom)))
    if len(boxes) == 1:
        return LevelBoxes(boxes, boxes[0])
    areas = [cv2.contourArea(contour) for contour in contours]
    return LevelBoxes(boxes, boxes[areas.index(max(areas))])


@dataclass(frozen=True)
class Proposals:
    """Boxes of one map for every threshold: `levels[position[i]]` are those of threshold i."""

    levels: list[LevelBoxes]
    position: NDArray[np.int64]


def propose(grey: NDArray[np.uint8], thresholds: NDArray[np.float64]) -> Proposals:
    """Boxes of a (H, W) uint8 map at every threshold, each distinct mask computed once.

    Two levels give the same mask where no pixel's grey value lies above the lower and at or below the upper one.
    """
    grey = np.ascontiguousarray(grey)
    maximum = int(grey.max())
    if maximum == 0:
        return Proposals([LevelBoxes([EMPTY_BOX], EMPTY_BOX)], np.zeros(thresholds.size, dtype=np.int64))
    values = np.flatnonzero(np.bincount(grey.ravel(), minlength=256))
    levels = np.minimum(integer_levels(thresholds, maximum), maximum)
    below = np.searchsorted(values, levels, side="right")
    _, first, position = np.unique(below, return_index=True, return_inverse=True)
    return Proposals([boxes_above(grey, int(level)) for level in levels[first]], position)


def boxes_at(score_map: ArrayLike, threshold: float, contours: Contours = "all") -> list[Box]:
    """The boxes that one (H, W) score map in [0, 1] proposes at one threshold, for drawing and for looking closer."""
    check_contours(contours)
    return propose(quantise(score_map), threshold_grid([threshold])).levels[0].of(contours)
