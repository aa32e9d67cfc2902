"""Values at a threshold that was not chosen on the evaluated images: one frozen on another split, or simply given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError, ParameterError
from wsol.metrics.blocks import mean_of
from wsol.metrics.curves import HitCurves
from wsol.metrics.levels import level_index, threshold_grid


def freeze(test_result: Mapping[str, Any], val_result: Mapping[str, Any]) -> dict[str, Any]:
    """Values of `test_result` at the thresholds that `val_result` chose, each value with its own.

    A value without a threshold stays as it is; a mean is taken over its frozen parts. Raises DataError where the two
    results do not come from the same metrics with the same parameters.
    """
    if test_result["parameters"] != val_result["parameters"]:
        raise DataError(
            f"scores of {test_result['split']} and {val_result['split']} of {test_result['dataset']} were made with "
            "different metric parameters, so a threshold cannot be carried over; score both splits again"
        )
    chosen_on = {"dataset": val_result["dataset"], "split": val_result["split"]}
    index = {name: val_result["threshold_index"][name] for name in test_result["threshold_index"]}
    return {"chosen_on": chosen_on, **_at_index(test_result, index, val_result["thresholds"])}


def at_threshold(result: Mapping[str, Any], threshold: float) -> dict[str, Any]:
    """`values` and `thresholds` of a result at one given threshold, which must be on the grid of its curves.

    `evaluate(..., fixed=threshold)` takes any threshold. Raises DataError, ParameterError.
    """
    check_threshold(threshold)
    index, thresholds = {}, {}
    for name in result["threshold_index"]:
        grid = _grid_of(result, name)
        index[name] = int(np.abs(grid - threshold).argmin())
        thresholds[name] = float(grid[index[name]])
        if not np.isclose(thresholds[name], threshold, rtol=0, atol=1e-9):
            raise ParameterError(
                f"threshold {threshold} is not on the curve of {name}; the nearest that is has {thresholds[name]}, or "
                "score the maps again with this threshold fixed"
            )
    return _at_index(result, index, thresholds)


def hits_at_threshold(curves: HitCurves, thresholds: ArrayLike) -> NDArray[np.bool_]:
    """(N, D) hits of every image at one threshold for all D IoU levels or one each, on the grid or not."""
    state = curves.state()
    level = level_index(np.broadcast_to(np.asarray(thresholds, dtype=np.float64), curves.n_iou), state["maximum"])
    images, iou = np.arange(len(level))[:, None], np.arange(curves.n_iou)
    return (state["bits"][images, iou, level // 8] >> (7 - level % 8).astype(np.uint8) & 1).astype(bool)


def check_threshold(threshold: float) -> None:
    """Raises ParameterError unless the threshold is a number from 0 up; from 1 up every cut is empty."""
    if not np.isfinite(threshold) or threshold < 0:
        raise ParameterError(f"threshold {threshold} is not a finite number from 0 up, such as 0.2")


def _grid_of(result: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    """The thresholds that a value's curve runs over: a result has them once, among its metrics' parameters."""
    size, index = len(result["curves"][name]), result["threshold_index"][name]
    for parameters in result["parameters"].values():
        if "thresholds" in parameters:
            grid = threshold_grid(parameters["thresholds"])
            if grid.size == size and grid[index] == result["thresholds"][name]:
                return grid
    raise DataError(
        f"the thresholds of {name} are not among the metric parameters of this result; score the maps again"
    )


def _at_index(
    result: Mapping[str, Any], index: Mapping[str, int], thresholds: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    values = {
        name: result["curves"][name][index[name]] if name in index else value
        for name, value in result["values"].items()
        if name not in result["means"]
    }
    values |= {name: mean_of(values, parts) for name, parts in result["means"].items()}
    return {"values": values, "thresholds": {name: thresholds[name] for name in index}}
