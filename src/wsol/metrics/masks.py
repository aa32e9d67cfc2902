"""PxAP: pixel-wise average precision of score maps against object masks.

Source: Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right"; the rules are those of the
released evaluator. Pixels of all images go into one pool, so large objects weigh most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError, ParameterError
from wsol.metrics.blocks import Block, MetricResult, Split, check_keys
from wsol.metrics.inputs import check_score_maps, image_name
from wsol.metrics.proposals import threshold_grid

BACKGROUND, OBJECT, IGNORED = 0, 1, 255


@dataclass(frozen=True)
class PixelAveragePrecision:
    """`ap` in [0, 1]; precision and recall (T + 1,) of the pixels scoring at least thresholds (T + 1,), last one 1.

    Precision is NaN where no pixel scores that high.
    """

    ap: float
    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def pixel_average_precision(
    score_maps: ArrayLike,
    masks: ArrayLike,
    thresholds: int | ArrayLike = 1000,
    *,
    image_ids: Sequence[str] | None = None,
) -> PixelAveragePrecision:
    """PxAP of score maps (N, H, W) in [0, 1] against masks (N, H, W): 1 object, 0 background, 255 ignored.

    Raises DataError for maps or masks out of range, and where no pixel is an object.
    """
    accumulator = PixelHistograms(thresholds)
    accumulator.add(score_maps, masks, image_ids=image_ids)
    return accumulator.result()


class PixelHistograms:
    """`pixel_average_precision` for images that come in blocks: counts of object and background pixels per bin.

    Bins are [t0, t1), ..., [t_last, 1), {1}; a score below t0 falls in none, as in the released evaluator.
    """

    def __init__(self, thresholds: int | ArrayLike = 1000) -> None:
        grid = threshold_grid(thresholds)
        if (np.diff(grid) <= 0).any() or grid[-1] >= 1:
            raise ParameterError("thresholds of PxAP must increase and stay below 1, since they are edges of bins")
        self.edges: NDArray[np.float64] = np.append(grid, 1.0)
        self._object = np.zeros(self.edges.size, dtype=np.int64)
        self._background = np.zeros(self.edges.size, dtype=np.int64)

    def add(self, score_maps: ArrayLike, masks: ArrayLike, *, image_ids: Sequence[str] | None = None) -> None:
        maps = check_score_maps(score_maps, image_ids)
        labels = _check_masks(masks, maps.shape, image_ids)
        for score_map, label in zip(maps, labels, strict=True):
            bins = np.searchsorted(self.edges, score_map.astype(np.float64), side="right")
            self._object += self._count(bins[label == OBJECT])
            self._background += self._count(bins[label == BACKGROUND])

    def _count(self, bins: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(bins, minlength=self.edges.size + 1)[1:]

    def result(self) -> PixelAveragePrecision:
        true = self._object[::-1].cumsum()
        false = self._background[::-1].cumsum()
        if true[-1] == 0:
            raise DataError("no pixel of the evaluated masks is an object, so PxAP is undefined; check the masks")
        predicted = true + false
        recall = true / true[-1]
        precision = np.divide(true, predicted, out=np.full(true.size, np.nan), where=predicted > 0)
        kept = predicted > 0
        steps = np.diff(recall, prepend=0.0)
        ap = float((precision[kept] * steps[kept]).sum())
        return PixelAveragePrecision(ap, self.edges, precision[::-1], recall[::-1])


def resolve_mask(instances: Sequence[ArrayLike], ignore: ArrayLike | None, size: int | Sequence[int]) -> NDArray[Any]:
    """One (H, W) uint8 mask with 1 object, 0 background, 255 ignored, out of instance masks of any size.

    Each is resized to `size` (side, or (H, W)) by nearest neighbour and counts where it is above 0.5; objects are the
    union of the instances, and ignored is what `ignore` marks outside them. Raises DataError.
    """
    height, width = size if isinstance(size, Sequence) else (size, size)
    if not instances:
        raise DataError("no instance mask was given; an image evaluated with masks needs at least one")
    objects = np.any([_resized(mask, height, width) for mask in instances], axis=0)
    resolved = objects.astype(np.uint8)
    if ignore is not None:
        resolved[_resized(ignore, height, width) & ~objects] = IGNORED
    return resolved


def _resized(mask: ArrayLike, height: int, width: int) -> NDArray[np.bool_]:
    array = np.asarray(mask)
    if array.ndim != 2 or array.size == 0:
        raise DataError(f"a mask has shape {array.shape}; give one grey channel (H, W)")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    return cv2.resize(array, (width, height), interpolation=cv2.INTER_NEAREST) > 0.5


def _check_masks(masks: ArrayLike, shape: tuple[int, ...], image_ids: Sequence[str] | None) -> NDArray[Any]:
    labels = np.asarray(masks)
    if labels.shape != shape:
        raise DataError(
            f"masks have shape {labels.shape} but score maps {shape}; bring them to one size (resolve_mask)"
        )
    known = (labels == OBJECT) | (labels == BACKGROUND) | (labels == IGNORED)
    if not known.all():
        index = int(np.flatnonzero(~known.all(axis=(1, 2)))[0])
        value = labels[index][~known[index]][0]
        raise DataError(
            f"{image_name(index, image_ids)}: its mask holds {value}; use 1 object, 0 background, 255 ignored"
        )
    return labels


class Metric:
    """`masks` in the score job: PxAP in percent, with the precision-recall curve in fractions."""

    needs: ClassVar[tuple[str, ...]] = ("masks",)

    def __init__(self, parameters: Mapping[str, Any], split: Split) -> None:
        check_keys("masks", parameters, ("thresholds",))
        self._histograms = PixelHistograms(parameters["thresholds"])

    def add(self, block: Block) -> None:
        assert block.masks is not None
        self._histograms.add(block.score_maps, block.masks, image_ids=block.image_ids)

    def result(self) -> MetricResult:
        pixels = self._histograms.result()
        precision = [None if np.isnan(value) else float(value) for value in pixels.precision]
        curve = {"thresholds": pixels.thresholds.tolist(), "precision": precision, "recall": pixels.recall.tolist()}
        return MetricResult(values={"PxAP": 100 * pixels.ap}, curves={"PxAP": curve})
