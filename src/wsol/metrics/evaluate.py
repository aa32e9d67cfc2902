"""Scores of one split: any set of metrics over blocks of images, and values at a threshold chosen on another split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wsol.metrics.blocks import Block, Split
from wsol.metrics.details import Details
from wsol.metrics.evaluator import Evaluation, Evaluator
from wsol.metrics.registry import applicable, metric_names, metric_type
from wsol.metrics.thresholds import at_threshold, freeze

__all__ = [
    "Evaluation",
    "Evaluator",
    "applicable",
    "at_threshold",
    "evaluate",
    "freeze",
    "metric_names",
    "metric_type",
]


def evaluate(
    metrics: Sequence[str],
    parameters: Mapping[str, Mapping[str, Any]],
    blocks: Iterable[Block],
    split: Split,
    *,
    image_ids: Sequence[str] | None = None,
    resamples: int = 0,
    seed: int = 0,
    breakdown: bool = False,
    fixed: float | Mapping[str, float] | None = None,
) -> Evaluation:
    """All `metrics` over the blocks of one split; `parameters[name]` is the content of the metric's parameter file.

    The result holds dataset, split, n_images, parameters, values and curves (percent), thresholds and threshold_index
    of the values that chose one on this very split, means, and counts: nan_maps, constant_maps (from the blocks) and
    empty_maps, which propose no box. With `image_ids` the blocks must hold these images and no other, and the images
    of the result are in this order. The rest is as for `Evaluator.result`. Raises DataError or ParameterError.
    """
    details = Details(resamples, seed, breakdown, fixed)
    evaluator = Evaluator(metrics, parameters, split, image_ids=image_ids, keep_images=details.needs_images)
    for block in blocks:
        evaluator.add(block)
    return evaluator.result(image_ids, resamples=resamples, seed=seed, breakdown=breakdown, fixed=fixed)
