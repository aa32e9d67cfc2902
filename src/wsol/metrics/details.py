"""What a result can say beside its values: values at a fixed threshold, bootstrap intervals, break-downs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.errors import ParameterError
from wsol.metrics.blocks import MetricResult, mean_of
from wsol.metrics.bootstrap import (
    COVERAGE,
    bootstrap_hits,
    bootstrap_means,
    bootstrap_pixels,
    check_resamples,
    interval,
)
from wsol.metrics.breakdown import SIZE_EDGES, SIZES, Groups, by_class, by_size
from wsol.metrics.curves import HitCurves
from wsol.metrics.thresholds import check_threshold, hits_at_threshold


@dataclass(frozen=True)
class Details:
    """What is wanted: intervals from `resamples` (0: none) drawn with `seed`, a break-down, values at `fixed`.

    `fixed` is one threshold, or one for each value that has one, by name. Raises ParameterError.
    """

    resamples: int = 0
    seed: int = 0
    breakdown: bool = False
    fixed: float | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.resamples != 0:
            check_resamples(self.resamples, self.seed)
        if self.fixed is not None:
            for threshold in self.fixed.values() if isinstance(self.fixed, Mapping) else [self.fixed]:
                check_threshold(threshold)

    @property
    def wanted(self) -> bool:
        return self.needs_images or self.fixed is not None

    @property
    def needs_images(self) -> bool:
        """Whether something is wanted for which metrics must have kept every image's counts."""
        return self.resamples > 0 or self.breakdown


def describe(
    total: MetricResult, details: Details, labels: NDArray[np.integer], sizes: NDArray[np.float64], num_classes: int
) -> dict[str, Any]:
    """The keys `fixed`, `intervals` and `breakdown` of a result, those wanted, ready for JSON.

    labels (N,) and sizes (N,), the object's share of the frame, are in the order of the images of `total`.
    """
    result: dict[str, Any] = {}
    taus = _thresholds(total, details.fixed)
    if taus is not None:
        result["fixed"] = _fixed(total, taus)
    if details.resamples:
        result["intervals"] = _intervals(total, details, taus)
    if details.breakdown:
        result["breakdown"] = {
            "classes": _breakdown(total, by_class(labels, num_classes), taus),
            "sizes": {"names": list(SIZES), "edges": list(SIZE_EDGES)} | _breakdown(total, by_size(sizes), taus),
        }
    return result


def _thresholds(total: MetricResult, fixed: float | Mapping[str, float] | None) -> dict[str, float] | None:
    if fixed is None:
        return None
    if not isinstance(fixed, Mapping):
        return dict.fromkeys(total.hits, float(fixed))
    lacking = sorted(set(total.hits) - set(fixed))
    if lacking:
        raise ParameterError(f"no fixed threshold is given for {', '.join(lacking)}; give one number, or one for each")
    return {name: float(fixed[name]) for name in total.hits}


def _fixed(total: MetricResult, taus: Mapping[str, float]) -> dict[str, Any]:
    values = {name: value for name, value in total.values.items() if name not in total.means}
    for name, hits in _hits_at(total, taus).items():
        values[name] = 100 * int(hits.sum()) / hits.size
    values |= {name: mean_of(values, parts) for name, parts in total.means.items()}
    return {"thresholds": dict(taus), "values": values}


def _intervals(total: MetricResult, details: Details, taus: Mapping[str, float] | None) -> dict[str, Any]:
    """Means are taken on each resample, whose thresholds are chosen anew; the resamples are those of every value."""
    resamples, seed = details.resamples, details.seed
    values: dict[str, NDArray[np.float64]] = {}
    fixed: dict[str, NDArray[np.float64]] = {}
    for curves, names in _by_curves(total):
        at = None if taus is None else np.zeros(curves.n_iou)
        if at is not None and taus is not None:
            for name, level in names.items():
                at[level] = taus[name]
        drawn = bootstrap_hits(curves, resamples, seed, at)
        values |= {name: drawn.best[:, level] for name, level in names.items()}
        if drawn.fixed is not None:
            fixed |= {name: drawn.fixed[:, level] for name, level in names.items()}
    if total.shares:
        shares = bootstrap_means(np.stack([total.images[name] for name in total.shares], axis=1), resamples, seed)
        values |= dict(zip(total.shares, shares.T, strict=True))
    values |= {name: bootstrap_pixels(counts, resamples, seed) for name, counts in total.histograms.items()}
    result: dict[str, Any] = {
        "method": "percentile bootstrap over images",
        "coverage": COVERAGE,
        "resamples": resamples,
        "seed": seed,
        "values": _percent_intervals(values, total.means),
    }
    if taus is not None:
        result["fixed"] = _percent_intervals(fixed, total.means)
    return result


def _percent_intervals(
    resampled: dict[str, NDArray[np.float64]], means: Mapping[str, Sequence[str]]
) -> dict[str, list[float]]:
    for name, parts in means.items():
        if set(parts) <= set(resampled):
            resampled[name] = np.mean([resampled[part] for part in parts], axis=0)
    return {name: list(interval(100 * shares)) for name, shares in resampled.items()}


def _breakdown(total: MetricResult, groups: Groups, taus: Mapping[str, float] | None) -> dict[str, Any]:
    outcomes = {name: total.images[name] for name in (*total.hits, *total.shares)}
    values = _group_values(groups, outcomes, total.means)
    values |= {name: {"value": _numbers(groups.pixel_value(counts))} for name, counts in total.histograms.items()}
    result: dict[str, Any] = {"n": groups.n.tolist(), "values": values}
    if taus is not None:
        result["fixed"] = _group_values(groups, _hits_at(total, taus), total.means)
    return result


def _group_values(
    groups: Groups, outcomes: Mapping[str, NDArray[np.bool_]], means: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    shares = {name: groups.value(hits) for name, hits in outcomes.items()}
    result: dict[str, dict[str, Any]] = {
        name: {"hits": groups.hits(hits).tolist(), "value": _numbers(shares[name])} for name, hits in outcomes.items()
    }
    for name, parts in means.items():
        if set(parts) <= set(shares):
            result[name] = {"value": _numbers(np.mean([shares[part] for part in parts], axis=0))}
    return result


def _hits_at(total: MetricResult, taus: Mapping[str, float]) -> dict[str, NDArray[np.bool_]]:
    return {name: hits_at_threshold(curves, taus[name])[:, level] for name, (curves, level) in total.hits.items()}


def _by_curves(total: MetricResult) -> list[tuple[HitCurves, dict[str, int]]]:
    """The values of each curves object with their IoU levels, so that all levels are resampled at once."""
    groups: dict[int, tuple[HitCurves, dict[str, int]]] = {}
    for name, (curves, level) in total.hits.items():
        groups.setdefault(id(curves), (curves, {}))[1][name] = level
    return list(groups.values())


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    """JSON has no NaN: what is undefined becomes None."""
    return [None if np.isnan(value) else float(value) for value in values]


def in_order(total: MetricResult, rows: NDArray[np.intp]) -> MetricResult:
    """The same values with the images in another order: row i of the result is row rows[i] of `total`."""
    moved: dict[int, HitCurves] = {}
    for curves, _ in total.hits.values():
        if id(curves) not in moved:
            moved[id(curves)] = HitCurves(curves.n_iou, curves.thresholds)
            moved[id(curves)].restore({key: values[rows] for key, values in curves.state().items()})
    return MetricResult(
        total.values,
        total.thresholds,
        total.threshold_index,
        total.curves,
        total.means,
        _rows_of(total.images, rows),
        {name: (moved[id(curves)], level) for name, (curves, level) in total.hits.items()},
        total.shares,
        _rows_of(total.histograms, rows),
    )


def _rows_of(columns: Mapping[str, NDArray[Any]], rows: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
    return {name: column[rows] for name, column in columns.items()}
