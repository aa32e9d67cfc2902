"""Scores of one split: any set of metrics over blocks of images, and values at a threshold chosen on another split.

A metric is a module of this package with a class `Metric` (`wsol.metrics.blocks.MetricType`) and a parameter file
`params/metrics/<module>.yaml`; nothing here knows the metrics by name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import wsol.metrics
from wsol.errors import DataError, ParameterError
from wsol.metrics.blocks import Block, MetricResult, MetricType, Split, mean_of
from wsol.metrics.proposals import quantise


class Evaluation(NamedTuple):
    """`result` can be written as JSON; `images` has one column a name and one entry an image, in the order given."""

    result: dict[str, Any]
    images: dict[str, NDArray[Any]]


def metric_names() -> list[str]:
    """Modules of `wsol.metrics` that are metrics of the score job."""
    modules = [module.name for module in pkgutil.iter_modules(wsol.metrics.__path__)]
    return [name for name in modules if name != "evaluate" and _find(name) is not None]


def metric_type(name: str) -> type[MetricType]:
    """The class `Metric` of `wsol.metrics.<name>`; raises ParameterError for a name that is no metric."""
    found = _find(name) if name.isidentifier() else None
    if found is None:
        raise ParameterError(f"metric {name!r} is not known; the metrics are {', '.join(metric_names())}")
    return found


def _find(name: str) -> type[MetricType] | None:
    module = f"{wsol.metrics.__name__}.{name}"
    try:
        return getattr(importlib.import_module(module), "Metric", None)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None


def applicable(metrics: Sequence[str], available: Sequence[str]) -> list[str]:
    """Those of `metrics` that need nothing but what is available of "boxes", "masks" and "predictions"."""
    return [name for name in metrics if set(metric_type(name).needs) <= set(available)]


def evaluate(
    metrics: Sequence[str], parameters: Mapping[str, Mapping[str, Any]], blocks: Iterable[Block], split: Split
) -> Evaluation:
    """All `metrics` over the blocks of one split; `parameters[name]` is the content of the metric's parameter file.

    The result holds dataset, split, n_images, parameters, values and curves (percent), thresholds and threshold_index
    of the values that chose one on this very split, means, and counts: nan_maps, constant_maps (from the blocks) and
    empty_maps, which propose no box. Raises DataError or ParameterError.
    """
    scorers: dict[str, MetricType] = {}
    for name in metrics:
        if name not in parameters:
            raise ParameterError(f"metric {name} has no parameters; add params/metrics/{name}.yaml")
        scorers[name] = metric_type(name)(parameters[name], split)
    image_ids: list[str] = []
    labels: list[NDArray[Any]] = []
    counts = Counter({"nan_maps": 0, "constant_maps": 0, "empty_maps": 0})
    for block in blocks:
        _check_block(block, split)
        for name, scorer in scorers.items():
            block.require(scorer.needs, name)
            scorer.add(block)
        image_ids.extend(block.image_ids)
        labels.append(np.asarray(block.labels))
        counts.update(block.faults)
        counts["empty_maps"] += int((quantise(block.score_maps).max(axis=(1, 2)) == 0).sum())
    _check_ids(image_ids, split)
    images: dict[str, NDArray[Any]] = {"image_id": np.array(image_ids), "class_index": np.concatenate(labels)}
    total = MetricResult()
    for name, scorer in scorers.items():
        _merge(total, scorer.result(), name)
    result = {
        "dataset": split.dataset,
        "split": split.split,
        "n_images": len(image_ids),
        "parameters": {name: dict(parameters[name]) for name in metrics},
        "values": total.values,
        "thresholds": total.thresholds,
        "threshold_index": total.threshold_index,
        "means": total.means,
        "curves": total.curves,
        "counts": dict(counts),
    }
    return Evaluation(result, images | total.images)


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
    values: dict[str, float] = {}
    thresholds: dict[str, float] = {}
    for name, value in test_result["values"].items():
        if name in test_result["threshold_index"]:
            index = val_result["threshold_index"][name]
            values[name] = test_result["curves"][name][index]
            thresholds[name] = val_result["thresholds"][name]
        elif name not in test_result["means"]:
            values[name] = value
    for name, parts in test_result["means"].items():
        values[name] = mean_of(values, parts)
    chosen_on = {"dataset": val_result["dataset"], "split": val_result["split"]}
    return {"chosen_on": chosen_on, "values": values, "thresholds": thresholds}


def _merge(total: MetricResult, part: MetricResult, name: str) -> None:
    clash = sorted((set(total.values) & set(part.values)) | (set(total.images) & set(part.images)))
    if clash:
        raise ParameterError(f"metric {name} gives {', '.join(clash)}, which another metric gives already; rename one")
    for field in ("values", "thresholds", "threshold_index", "curves", "means", "images"):
        getattr(total, field).update(getattr(part, field))


def _check_block(block: Block, split: Split) -> None:
    labels = np.asarray(block.labels)
    if not len(block.image_ids) == len(block.score_maps) == len(labels):
        raise DataError(
            f"{split.dataset} {split.split}: a block has {len(block.image_ids)} image ids, "
            f"{len(block.score_maps)} score maps and {len(labels)} labels; give one of each an image"
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < split.num_classes):
        wrong = int(((labels < 0) | (labels >= split.num_classes)).argmax())
        raise DataError(
            f"{split.dataset} {split.split}: image {block.image_ids[wrong]} has class index {labels[wrong]}, "
            f"but there are {split.num_classes} classes"
        )


def _check_ids(image_ids: list[str], split: Split) -> None:
    if not image_ids:
        raise DataError(f"{split.dataset} {split.split}: no image to score; check the manifest and the maps")
    repeated = [name for name, count in Counter(image_ids).items() if count > 1]
    if repeated:
        raise DataError(f"{split.dataset} {split.split}: image {repeated[0]} was scored twice; maps must be unique")
