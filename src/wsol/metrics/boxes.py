"""MaxBoxAcc and MaxBoxAccV2: is a box drawn from the score map close enough to a ground-truth box?

Source: Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right" (CVPR 2020) and its journal
version; the rules are those of the released evaluator. MaxBoxAcc takes the box of the largest contour at IoU 0.5;
MaxBoxAccV2 takes the boxes of all contours and averages the best accuracies at IoU 0.3, 0.5 and 0.7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError, ParameterError
from wsol.metrics.blocks import Block, MetricResult, Split, check_keys
from wsol.metrics.curves import HitCurves
from wsol.metrics.engine import BestIoU, best_iou
from wsol.metrics.inputs import check_layout, image_name
from wsol.metrics.iou import check_boxes
from wsol.metrics.levels import Contours, Corners, check_contours, check_corners, threshold_grid

BOTH: tuple[Contours, ...] = ("all", "largest")


@dataclass(frozen=True)
class BoxAccuracy:
    """Box accuracy of N images at D IoU levels and T thresholds; fractions in [0, 1].

    iou (D,), thresholds (T,), hits (N, D, T) bool.
    """

    iou: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    hits: NDArray[np.bool_]

    @property
    def curve(self) -> NDArray[np.float64]:
        """(D, T) fraction of images that are hits."""
        return self.hits.sum(axis=0) / len(self.hits)

    @property
    def best(self) -> NDArray[np.float64]:
        """(D,) best fraction over the thresholds, chosen for each IoU level on these very images."""
        return self.curve.max(axis=1)

    @property
    def best_threshold(self) -> NDArray[np.float64]:
        """(D,) threshold of the best fraction; the lowest of equals."""
        return self.thresholds[self.curve.argmax(axis=1)]

    @property
    def max_box_acc(self) -> float:
        """Best fraction at IoU 0.5. The papers' MaxBoxAcc is this with `contours="largest"`."""
        at_half = np.flatnonzero(self.iou == 0.5)
        if at_half.size == 0:
            raise ParameterError(f"MaxBoxAcc is defined at IoU 0.5, which is not among {self.iou.tolist()}")
        return float(self.best[at_half[0]])

    @property
    def max_box_acc_v2(self) -> float:
        """Mean of the best fractions over the IoU levels. The papers' MaxBoxAccV2 is this with `contours="all"`."""
        return float(self.best.mean())


def rescale_boxes(boxes: ArrayLike, image_size: Sequence[float], map_size: int | Sequence[int]) -> NDArray[np.float64]:
    """Boxes (M, 4) in pixels of an image of (width, height), moved to the frame of a score map.

    Each coordinate is trunc(coordinate * map side / image side) in float64, the product first, as released; no
    half-pixel or edge correction. `map_size` is the side of a square map or its (width, height).
    """
    width, height = map_size if isinstance(map_size, Sequence) else (map_size, map_size)
    if min(width, height) < 1 or min(image_size) < 1:
        raise DataError(f"cannot rescale boxes from image size {tuple(image_size)} to map size {(width, height)}")
    scaled = np.asarray(boxes, dtype=np.float64).reshape(-1, 4) * np.array([width, height, width, height], dtype=float)
    return np.trunc(scaled / np.array([*image_size, *image_size], dtype=np.float64))


def box_accuracy(
    score_maps: Any,
    gt_boxes: Sequence[ArrayLike],
    iou: Sequence[float] = (0.3, 0.5, 0.7),
    contours: Contours = "all",
    thresholds: int | ArrayLike = 1000,
    *,
    corners: Corners = "exclusive",
    image_ids: Sequence[str] | None = None,
    threads: int = 1,
) -> BoxAccuracy:
    """Box accuracy of score maps (N, H, W) in [0, 1] against N arrays (M, 4) of boxes x0 y0 x1 y1 in map pixels.

    An image is a hit at (threshold, IoU level) if some proposed box has at least that IoU with some ground-truth box.
    Raises DataError, naming the image, for maps or boxes that the protocol does not allow.
    """
    accumulator = BoxHits(iou, contours, thresholds, corners=corners, threads=threads)
    accumulator.add(score_maps, gt_boxes, image_ids=image_ids)
    return accumulator.result()


class BoxHits:
    """`box_accuracy` for images that come in blocks: the result is the same however they are split."""

    def __init__(
        self,
        iou: Sequence[float] = (0.3, 0.5, 0.7),
        contours: Contours = "all",
        thresholds: int | ArrayLike = 1000,
        *,
        corners: Corners = "exclusive",
        threads: int = 1,
    ) -> None:
        check_contours(contours)
        check_corners(corners)
        self.iou = check_iou(iou)
        self.thresholds = threshold_grid(thresholds)
        self._rule: tuple[Contours, Corners] = (contours, corners)
        self._threads = threads
        self.curves = HitCurves(self.iou.size, self.thresholds)

    def add(self, score_maps: Any, gt_boxes: Sequence[ArrayLike], *, image_ids: Sequence[str] | None = None) -> None:
        contours, corners = self._rule
        best = checked_best_iou(score_maps, gt_boxes, (contours,), corners, image_ids=image_ids, threads=self._threads)
        self.curves.add(hits_of(best.values[0], self.iou), best.maximum)

    def result(self) -> BoxAccuracy:
        self.curves.require_images()
        return BoxAccuracy(self.iou, self.thresholds, self.curves.hits())


def hits_of(best: NDArray[np.float64], iou: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n, D, 256) hits from the best IoU (n, 256) of each image and grey level, and the D IoU levels."""
    return best[:, None, :] >= iou[:, None]


def checked_best_iou(
    score_maps: Any,
    gt_boxes: Sequence[ArrayLike],
    contours: Sequence[Contours] = BOTH,
    corners: Corners = "exclusive",
    *,
    image_ids: Sequence[str] | None = None,
    threads: int = 1,
) -> BestIoU:
    """`wsol.metrics.engine.best_iou` after the checks: raises DataError, naming the image."""
    maps = score_maps if hasattr(score_maps, "__cuda_array_interface__") else np.asarray(score_maps)
    check_layout(maps, image_ids)
    boxes = _check_ground_truth(gt_boxes, maps.shape, image_ids)
    return best_iou(maps, boxes, contours, corners, image_ids=image_ids, threads=threads)


def check_iou(iou: Sequence[float]) -> NDArray[np.float64]:
    """IoU levels as a float64 array; raises ParameterError unless all lie in (0, 1]."""
    levels = np.array(iou, dtype=np.float64)
    if levels.ndim != 1 or levels.size == 0 or not ((levels > 0) & (levels <= 1)).all():
        raise ParameterError(f"iou: {iou} is not a non-empty list of IoU levels in (0, 1], such as 0.3, 0.5, 0.7")
    return levels


def _check_ground_truth(
    gt_boxes: Sequence[ArrayLike], shape: tuple[int, ...], image_ids: Sequence[str] | None
) -> list[NDArray[np.float64]]:
    count, height, width = shape
    if len(gt_boxes) != count:
        raise DataError(f"{count} score maps but {len(gt_boxes)} lists of ground-truth boxes; give one list an image")
    checked = [check_boxes(boxes, image_name(index, image_ids)) for index, boxes in enumerate(gt_boxes)]
    for index, boxes in enumerate(checked):
        outside = (boxes[:, 0] >= width) | (boxes[:, 1] >= height)
        if outside.any():
            raise DataError(
                f"{image_name(index, image_ids)}: box {boxes[int(outside.argmax())].tolist()} lies outside its score "
                f"map of {width} x {height} pixels; bring boxes into the map's frame with rescale_boxes"
            )
    return checked


class Metric:
    """`boxes` in the score job: MaxBoxAcc, MaxBoxAccV2 and BoxAccV2 at each IoU level, in percent."""

    needs: ClassVar[tuple[str, ...]] = ("boxes",)

    def __init__(self, parameters: Mapping[str, Any], split: Split) -> None:
        check_keys("boxes", parameters, ("thresholds", "corners", "max_box_acc", "max_box_acc_v2"))
        self._thresholds = threshold_grid(parameters["thresholds"])
        check_corners(parameters["corners"])
        self._corners: Corners = parameters["corners"]
        self._curves: dict[str, tuple[Contours, NDArray[np.float64], HitCurves]] = {}
        for key in ("max_box_acc", "max_box_acc_v2"):
            check_keys(f"boxes.{key}", parameters[key], ("iou", "contours"))
            check_contours(parameters[key]["contours"])
            levels = check_iou(parameters[key]["iou"])
            self._curves[key] = (parameters[key]["contours"], levels, HitCurves(levels.size, self._thresholds))
        if self._curves["max_box_acc"][1].size != 1:
            raise ParameterError("boxes.max_box_acc.iou: MaxBoxAcc has one IoU level, 0.5 in the papers")

    def add(self, block: Block) -> None:
        for rule, levels, curves in self._curves.values():
            best, maximum = block.best_iou(rule, self._corners)
            curves.add(hits_of(best, levels), maximum)

    def result(self) -> MetricResult:
        result = MetricResult()
        _, _, first = self._curves["max_box_acc"]
        result.add_curves(["MaxBoxAcc"], first)
        _, levels, second = self._curves["max_box_acc_v2"]
        names = [f"BoxAccV2@{100 * level:.0f}" for level in levels]
        result.add_curves(names, second)
        result.add_mean("MaxBoxAccV2", names)
        return result

    def keep_images(self) -> None:
        """Every image's hits are kept anyway."""

    def merge(self, others: Sequence[Metric]) -> None:
        for name, (_, _, curves) in self._curves.items():
            curves.merge([other._curves[name][2] for other in others])

    def state(self) -> dict[str, NDArray[Any]]:
        return {
            f"{name}.{key}": rows
            for name, (_, _, curves) in self._curves.items()
            for key, rows in curves.state().items()
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        for name, (_, _, curves) in self._curves.items():
            curves.restore({key: state[f"{name}.{key}"] for key in curves.state()})
