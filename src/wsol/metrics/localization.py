"""Top-1 and top-5 localisation: the class is right and the box is right.

As F-CAM defines it: the box comes from the map of the true class, so an image counts at (threshold, IoU level) when
its box is a hit there and its true class is among the k best. The best threshold is this metric's own, for each k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError, ParameterError
from wsol.metrics.blocks import Block, MetricResult, Split, check_keys
from wsol.metrics.boxes import check_iou, hits_of
from wsol.metrics.classification import check_ranks, topk_correct
from wsol.metrics.curves import HitCurves
from wsol.metrics.levels import Contours, Corners, check_contours, check_corners, threshold_grid


def topk_hits(hits: ArrayLike, predictions: ArrayLike, labels: ArrayLike, k: int) -> NDArray[np.bool_]:
    """(N, D, T) hits of top-k localisation, from box hits (N, D, T), predictions (N, >= k) and labels (N,).

    T runs over thresholds or over grey levels, as in the box hits. Raises DataError.
    """
    box_hits, correct = np.asarray(hits, dtype=bool), topk_correct(predictions, labels, k)
    if box_hits.ndim != 3 or len(box_hits) != len(correct):
        raise DataError(f"box hits have shape {box_hits.shape}; give (N, D, T) for the {len(correct)} images")
    return box_hits & correct[:, None, None]


class Metric:
    """`localization` in the score job: Top1Loc and Top5Loc, in percent."""

    needs: ClassVar[tuple[str, ...]] = ("boxes", "predictions")

    def __init__(self, parameters: Mapping[str, Any], split: Split) -> None:
        check_keys("localization", parameters, ("thresholds", "corners", "iou", "contours", "top"))
        check_contours(parameters["contours"])
        check_corners(parameters["corners"])
        self._rule: tuple[Contours, Corners] = (parameters["contours"], parameters["corners"])
        self._thresholds = threshold_grid(parameters["thresholds"])
        self._iou = check_iou(parameters["iou"])
        if self._iou.size != 1:
            raise ParameterError("metric parameters localization.iou: give one IoU level, 0.5 in the papers")
        ranks = check_ranks(parameters["top"], "metric parameters localization.top")
        self._curves = {k: HitCurves(1, self._thresholds) for k in ranks}

    def add(self, block: Block) -> None:
        assert block.predictions is not None
        best, maximum = block.best_iou(*self._rule)
        hits = hits_of(best, self._iou)
        for k, curves in self._curves.items():
            curves.add(topk_hits(hits, block.predictions, block.labels, k), maximum)

    def result(self) -> MetricResult:
        result = MetricResult()
        for k, curves in self._curves.items():
            result.add_curves([f"Top{k}Loc"], curves)
        return result

    def keep_images(self) -> None:
        """Every image's hits are kept anyway."""

    def merge(self, others: Sequence[Metric]) -> None:
        for k, curves in self._curves.items():
            curves.merge([other._curves[k] for other in others])

    def state(self) -> dict[str, NDArray[Any]]:
        return {f"top{k}.{key}": rows for k, curves in self._curves.items() for key, rows in curves.state().items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        for k, curves in self._curves.items():
            curves.restore({key: state[f"top{k}.{key}"] for key in curves.state()})
