"""What a metric is given and what it gives back: the contract between `wsol.metrics.evaluate` and the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from wsol.errors import DataError, ParameterError

if TYPE_CHECKING:
    from wsol.metrics.curves import HitCurves
    from wsol.metrics.proposals import Contours


@dataclass(frozen=True)
class Split:
    """The images that are scored: name of the data set and split, and how many classes it has."""

    dataset: str
    split: str
    num_classes: int


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
    _best: dict[bytes, dict[Contours, NDArray[np.float64]]] = field(default_factory=dict, repr=False)

    def require(self, names: Sequence[str], metric: str) -> None:
        """Raises DataError unless the named ones of boxes, masks and predictions are there, one an image."""
        for name in names:
            value = getattr(self, name)
            if value is None:
                raise DataError(f"metric {metric} needs {name}, which these images do not have; leave {metric} out")
            if len(value) != len(self.image_ids):
                raise DataError(f"{len(self.image_ids)} images but {len(value)} {name}; give one an image")

    def best_ious(self, thresholds: NDArray[np.float64]) -> dict[Contours, NDArray[np.float64]]:
        """Best IoU (n, T) for both contour rules; computed once, since several metrics ask for it."""
        from wsol.metrics.boxes import best_ious

        key = thresholds.tobytes()
        if key not in self._best:
            self.require(("boxes",), "on boxes")
            assert self.boxes is not None
            self._best[key] = best_ious(
                self.score_maps, self.boxes, thresholds, image_ids=self.image_ids, threads=self.threads
            )
        return self._best[key]


@dataclass
class MetricResult:
    """Named values in percent, and how they came about.

    values; thresholds and threshold_index of the values that chose a threshold; curves (percent over thresholds);
    means (a value that is the mean of others, each with its own threshold); images (per-image columns).
    """

    values: dict[str, float] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    threshold_index: dict[str, int] = field(default_factory=dict)
    curves: dict[str, Any] = field(default_factory=dict)
    means: dict[str, list[str]] = field(default_factory=dict)
    images: dict[str, NDArray[Any]] = field(default_factory=dict)

    def add_curves(self, names: Sequence[str], curves: HitCurves, thresholds: NDArray[np.float64]) -> None:
        """One value for each IoU level of `curves`: the best of its curve, with its threshold and per-image hits."""
        curves.require_images()
        index = curves.best_index()
        hits = curves.hits_at(index)
        percent = 100 * curves.counts / curves.n_images
        for level, name in enumerate(names):
            best = int(index[level])
            self.values[name] = float(percent[level, best])
            self.thresholds[name] = float(thresholds[best])
            self.threshold_index[name] = best
            self.curves[name] = percent[level].tolist()
            self.images[name] = hits[:, level]

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
