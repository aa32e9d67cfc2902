"""Scoring pairs of classes, against a slow loop over pairs and images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from wsol.attribution import attribute
from wsol.attribution.contrast import contrast_scores
from wsol.cues import chosen_images, score_pairs
from wsol.data.cues import ClassPair, PartMap
from wsol.data.transforms import eval_batch
from wsol.metrics.cues import cue_thresholds
from wsol.metrics.masks import PixelHistograms
from wsol.models import build

SIDE, CLASSES, IMAGES = 32, 4, 9
PAIRS = [ClassPair(0, 1, (1,)), ClassPair(0, 2, (1, 2)), ClassPair(1, 2, (2, 3))]
LABELS = np.array([0, 1, 2, 3, 0, 1, 2, 0, 3])


class Truth:
    """Image i shows part 1 + i % 3 in a square of its own, and no other."""

    parts = ("head", "wing", "tail")

    def traits(self, class_index: int) -> dict[str, Any]:
        return {}

    def part_map(self, index: int, size: int) -> PartMap:
        labels = np.zeros((size, size), dtype=np.uint8)
        labels[index : index + 9, 5:20] = 1 + index % 3
        return PartMap(labels, frozenset({1 + index % 3}))


class Images:
    def __init__(self) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8)

    def batch(self, indices: Any) -> np.ndarray:
        return self.pixels[np.asarray(indices)]


@pytest.mark.parametrize(
    ("head", "attribution", "options", "normalisation", "spacing"),
    [
        ("cam", "cam", {}, "minmax", "even"),
        ("calm", "calm", {}, "clip", "log"),
        ("cam", "input_gradient", {}, "max", "even"),
        ("cam", "smoothgrad", {"samples": 2}, "minmax", "even"),
    ],
)
def test_counts_are_those_of_a_loop(
    head: str, attribution: str, options: dict[str, Any], normalisation: str, spacing: str
) -> None:
    torch.manual_seed(0)
    model = build("resnet50", head=head, num_classes=CLASSES, width=0.125, map_stride=8).eval()
    images, truth, thresholds = Images(), Truth(), cue_thresholds(spacing, 100)
    found = score_pairs(
        model,
        images,
        LABELS,
        truth,
        PAIRS,
        thresholds,
        attribution=attribution,
        options=options,
        normalisation=normalisation,
        size=SIDE,
        images_per_class=2,
        batch_size=4,
    )
    for number, pair in enumerate(PAIRS):
        histogram, scored, skipped = PixelHistograms(thresholds), 0, 0
        for index in np.flatnonzero(np.isin(LABELS, (pair.first, pair.second))):
            if index == 7:  # the third image of class 0
                continue
            part_map = truth.part_map(int(index), SIDE)
            if not part_map.visible & set(pair.parts):
                skipped += 1
                continue
            scored += 1
            pixels = eval_batch(torch.from_numpy(images.batch([index])))
            with torch.no_grad():
                maps = [
                    attribute(model, pixels, torch.tensor([c]), attribution, **options)
                    for c in (pair.first, pair.second)
                ]
            mask = np.isin(part_map.labels, pair.parts).astype(np.uint8)
            histogram.add(contrast_scores(*maps, SIDE, normalisation), mask[None])
        assert (found.images[number], found.skipped[number]) == (scored, skipped)
        assert found.pixels[number].sum() == scored * SIDE**2
        np.testing.assert_array_equal(found.pixels[number].sum(1), histogram.counts.sum(1))
        # Rounding in float32 depends on the batch, and may carry a few pixels into the next bin.
        moved = np.abs(found.pixels[number] - histogram.counts).sum() / 2
        assert moved <= 0.01 * scored * SIDE**2
    assert found.skipped.sum() > 0 and len(found.truth) == 64


def test_images_are_the_first_of_each_class_of_a_pair() -> None:
    assert chosen_images(LABELS, PAIRS, 1).tolist() == [0, 1, 2]
    assert chosen_images(LABELS, PAIRS, None).tolist() == [0, 1, 2, 4, 5, 6, 7], "class 3 is in no pair"
    assert chosen_images(LABELS, [], None).tolist() == []
