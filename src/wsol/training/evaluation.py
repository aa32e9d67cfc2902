"""Classification and localisation of a model on a split, as the per-epoch table shows them."""

from __future__ import annotations

from typing import Any

import numpy as np

from wsol.attribution import score_order
from wsol.attribution.extract import extract_maps
from wsol.metrics.blocks import Split
from wsol.metrics.evaluate import evaluate
from wsol.scoring import GroundTruth, score_blocks


def evaluate_model(
    model: Any, images: Any, truth: GroundTruth, settings: dict[str, Any], device: Any
) -> dict[str, float]:
    """Top-1 accuracy and the data set's headline localisation metric, in per cent, with ground-truth-class maps."""
    manifest = truth.manifest
    maps, predictions = extract_maps(
        model,
        images,
        manifest.labels,
        attribution=settings["attribution"],
        options=settings["attribution_options"],
        supersets=None,
        device=device,
    )
    selection = settings["selection"]
    blocks = score_blocks(
        lambda start, stop: maps[start:stop],
        None,
        truth,
        selection["image_size"],
        order=score_order(settings["attribution"]),
    )
    split = Split(manifest.dataset, manifest.split, manifest.num_classes)
    result, _ = evaluate(list(selection["metrics"]), selection["metrics"], blocks, split)
    return {
        "accuracy": 100 * float(np.mean(predictions[:, 0] == manifest.labels)),
        "localisation": float(result["values"][selection["headline_metric"]]),
    }
