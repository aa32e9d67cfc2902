"""What a metric is given and what it gives back: the contract between `wsol.metrics.evaluate` and the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from wsol.errors import DataError, ParameterError
from wsol.metrics.levels import quantise

if TYPE_CHECKING:
    from wsol.metrics.curves import HitCurves
    from wsol.metrics.levels import Contours, Corners


@dataclass(frozen=True)
class Split:
    """The images that are scored: name of the data set and split, how many classes it has, and the (H, W) of its maps.

    Without a frame, maps may have any size.
    """

    dataset: str
    split: str
    num_classes: int
    frame: tuple[int, int] | None = None


@dataclass
class Block:
    """Some images of a split with all that a metric may need.

    score_maps (n, H, W) in [0, 1]; labels (n,) true class indices; boxes n arrays (M, 4) in map pixels; masks
    (n, H, W) uint8 with 1 object, 0 background, 255 ignored; predictions (n, k) class indices, best first, k >= 5
    (fill with -1 where there are fewer classes); faults the counts of `wsol.attribution.postprocess.map_faults`.
    What the split does not have stays None. `threads` is how many threads a metric may use.
    """

    score_maps: NDArray[np.floating]
    image_ids: Sequence[str]
    labels: NDArray[np.integer]
    boxes: Sequence[NDArray[np.floating]] | None = None
    masks: NDArray[np.uint8] | None = None
    predictions: NDArray[np.integer] | None = None
    faults: Mapping[str, int] = field(default_factory=dict)
    threads: int = 1
    _best: dict[tuple[Contours, Corners], tuple[NDArray[np.float64], NDArray[np.uint8]]] = field(
        default_factory=dict, repr=False
    )

    def require(self, names: Sequence[str], metric: str) -> None:
        """Raises DataError unless the named ones of boxes, masks and predictions are there, one an image."""
        for name in names:
            value = getattr(self, name)
            if value is None:
                raise DataError(f"metric {metric} needs {name}, which these images do not have; leave {metric} out")
            if len(value) != len(self.image_ids):
                first = f"; image {self.image_ids[len(value)]} has none" if len(value) < len(self.image_ids) else ""
                raise DataError(f"{len(self.image_ids)} images but {len(value)} {name}{first}; give one an image")

    def largest_grey(self) -> NDArray[np.uint8]:
        """The largest grey level trunc(255 S) (n,) of each map; a map of 0 proposes no box."""
        for _, maximum in self._best.values():
            return maximum
        largest = self.score_maps.max(axis=(1, 2))
        if hasattr(largest, "__cuda_array_interface__"):
            largest = largest.get()
        return quantise(largest)

    def best_iou(
        self, contours: Contours, corners: Corners = "exclusive"
    ) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Best IoU (n, 256) at each grey level, and the largest grey level (n,) of each map.

        Computed once, since several metrics ask for it, and for both of the papers' contour rules in one pass.
        """
        from wsol.metrics.boxes import BOTH, checked_best_iou

        if (contours, corners) not in self._best:
            self.require(("boxes",), "on boxes")
            assert self.boxes is not None
            rules: tuple[Contours, ...] = BOTH if contours in BOTH else (contours,)
            values, maximum = checked_best_iou(
                self.score_maps, self.boxes, rules, corners, image_ids=self.image_ids, threads=self.threads
            )
            self._best |= {(rule, corners): (value, maximum) for rule, value in zip(rules, values, strict=True)}
        return self._best[contours, corners]


@dataclass
class MetricResult:
    """Named values in percent, and how they came about.

    values; thresholds and threshold_index of the values that chose a threshold; curves (percent over thresholds);
    means (a value that is the mean of others, each with its own threshold); images (per-image columns).

    What intervals and break-downs are made of, in the order of the images: `hits` has the curves and the IoU level of a
    value that is a share of hits; `shares` the values that are the mean of their column in `images`; `histograms` the
    pixel counts (N, 2, B) of a value that is a PxAP.
    """

    values: dict[str, float] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    threshold_index: dict[str, int] = field(default_factory=dict)
    curves: dict[str, Any] = field(default_factory=dict)
    means: dict[str, list[str]] = field(default_factory=dict)
    images: dict[str, NDArray[Any]] = field(default_factory=dict)
    hits: dict[str, tuple[HitCurves, int]] = field(default_factory=dict)
    shares: list[str] = field(default_factory=list)
    histograms: dict[str, NDArray[np.integer]] = field(default_factory=dict)

    def add_curves(self, names: Sequence[str], curves: HitCurves) -> None:
        """One value for each IoU level of `curves`: the best of its curve, with its threshold and per-image hits."""
        curves.require_images()
        index = curves.best_index()
        hits = curves.hits_at(index)
        percent = 100 * curves.counts / curves.n_images
        for level, name in enumerate(names):
            best = int(index[level])
            self.values[name] = float(percent[level, best])
            self.thresholds[name] = float(curves.thresholds[best])
            self.threshold_index[name] = best
            self.curves[name] = percent[level].tolist()
            self.images[name] = hits[:, level]
            self.hits[name] = (curves, level)

    def add_share(self, name: str, outcomes: NDArray[np.bool_]) -> None:
        """A value that is the share of images with this outcome (N,)."""
        self.values[name] = 100 * int(outcomes.sum()) / outcomes.size
        self.images[name] = outcomes
        self.shares.append(name)

    def add_mean(self, name: str, parts: list[str]) -> None:
        self.values[name] = mean_of(self.values, parts)
        self.means[name] = parts


def mean_of(values: Mapping[str, float], parts: Sequence[str]) -> float:
    return float(np.mean([values[part] for part in parts]))


class MetricType(Protocol):
    """The class `Metric` that every metric module has."""

    needs: ClassVar[tuple[str, ...]]

    def __init__(self, parameters: Mapping[str, Any], split: Split) -> None: ...

    def add(self, block: Block) -> None: ...

    def result(self) -> MetricResult: ...

    def keep_images(self) -> None:
        """Called before the first `add` where `MetricResult.histograms` and the like are wanted, which take memory."""

    def merge(self, others: Sequence[Self]) -> None:
        """Append the images of others with the same parameters."""

    def state(self) -> dict[str, NDArray[Any]]:
        """All that `add` took, as arrays to store."""

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Append what `state` gave."""


def check_keys(where: str, parameters: Mapping[str, Any], keys: Sequence[str]) -> None:
    """Raises ParameterError unless `parameters` has exactly these keys."""
    if not isinstance(parameters, Mapping):
        raise ParameterError(f"metric parameters {where}: {parameters!r} is not a mapping with {', '.join(keys)}")
    unknown, missing = sorted(set(parameters) - set(keys)), sorted(set(keys) - set(parameters))
    if unknown or missing:
        raise ParameterError(
            f"metric parameters {where}: unknown {unknown or 'none'}, missing {missing or 'none'}; "
            f"the keys are {', '.join(keys)}"
        )
