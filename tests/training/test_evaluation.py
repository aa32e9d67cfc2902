"""What the per-epoch table says of a model, against the metrics computed directly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from wsol.attribution import score_maps
from wsol.data.manifest import Manifest, Row
from wsol.data.transforms import IMAGENET_MEAN, IMAGENET_STD, normalise
from wsol.metrics.boxes import box_accuracy, rescale_boxes
from wsol.scoring import GroundTruth
from wsol.training.evaluation import evaluate_model

SIDE, CLASSES, COUNT = 16, 3, 70
BOXES_METRIC = {
    "thresholds": 20,
    "corners": "exclusive",
    "max_box_acc": {"iou": [0.5], "contours": "largest"},
    "max_box_acc_v2": {"iou": [0.3, 0.5, 0.7], "contours": "all"},
}


class ChannelNet(nn.Module):
    """The map of class k is colour channel k, halved in size; its logit is the mean."""

    def features(self, images: torch.Tensor) -> torch.Tensor:
        assert not self.training, "maps are those of the network in evaluation mode"
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        return nn.functional.avg_pool2d(images * deviation + mean, 2)

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        return features.mean((2, 3))

    def class_maps(self, features: torch.Tensor) -> torch.Tensor:
        return features


class Images:
    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def batch(self, indices: np.ndarray) -> np.ndarray:
        return self.pixels[indices]


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, Manifest]:
    """A bright rectangle in the channel of the class, mostly; stored images are twice as large as what is scored."""
    generator = np.random.default_rng(5)
    pixels = generator.integers(0, 60, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
    rows = []
    for index in range(COUNT):
        label = index % CLASSES
        left, top = generator.integers(0, 6, 2)
        width, height = generator.integers(4, 10, 2)
        channel = label if index % 4 else (label + 1) % CLASSES
        pixels[index, top : top + height, left : left + width, channel] = 250
        box = np.array([[2 * left, 2 * top, 2 * (left + width) - 1, 2 * (top + height) - 1]], dtype=float)
        rows.append(Row(f"blob/{index}", label, "abc"[label], 2 * SIDE, 2 * SIDE, f"{index}.png", boxes=box))
    return pixels, Manifest.from_rows("blobs", "train-fullsup", "raw:blobs", CLASSES, "boxes", rows)


@pytest.mark.parametrize(("metric", "contours"), [("MaxBoxAccV2", "all"), ("MaxBoxAcc", "largest")])
def test_accuracy_and_localisation_are_those_of_the_metrics(
    blobs: tuple[np.ndarray, Manifest], metric: str, contours: str
) -> None:
    pixels, manifest = blobs
    selection = {"image_size": SIDE, "headline_metric": metric, "metrics": {"boxes": BOXES_METRIC}}
    settings: dict[str, Any] = {"attribution": "cam", "attribution_options": {}, "selection": selection}
    model = ChannelNet().train()
    scores = evaluate_model(model, Images(pixels), GroundTruth(manifest), settings, torch.device("cpu"))

    channels = ChannelNet().eval().features(normalise(torch.from_numpy(pixels)))
    predicted = channels.mean((2, 3)).argmax(1).numpy()
    maps = channels[torch.arange(COUNT), torch.from_numpy(manifest.labels)].numpy()
    boxes = [rescale_boxes(box, (2 * SIDE, 2 * SIDE), SIDE) for box in manifest.boxes]
    expected = box_accuracy(score_maps(maps, SIDE), boxes, contours=contours, thresholds=20)
    assert scores == {
        "accuracy": pytest.approx(100 * np.mean(predicted == manifest.labels)),
        "localisation": pytest.approx(
            100 * getattr(expected, {"MaxBoxAccV2": "max_box_acc_v2", "MaxBoxAcc": "max_box_acc"}[metric])
        ),
    }
    assert all(type(value) is float for value in scores.values()), "a saved state holds plain numbers only"
    assert 20 < scores["localisation"] < 95 and 60 < scores["accuracy"] < 90, "the example tells right from wrong"
