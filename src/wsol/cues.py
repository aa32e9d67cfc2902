"""Cue localisation of one network: maps of pairs of classes against the parts in which the classes differ."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wsol.attribution import load
from wsol.attribution.contrast import contrast_scores
from wsol.attribution.select import of_classes
from wsol.data.cues import ClassPair, CueTruth, cue_mask
from wsol.data.transforms import eval_batch
from wsol.metrics.masks import PixelHistograms


@dataclass
class PairCounts:
    """What was counted for pairs of classes: pixels (P, 2, E), images scored (P,) and skipped (P,).

    `truth` is a SHA-256 over the masks that were used, in order.
    """

    pixels: NDArray[np.int64]
    images: NDArray[np.int64]
    skipped: NDArray[np.int64]
    truth: str = field(default="")


def score_pairs(
    model: Any,
    images: Any,
    labels: NDArray[np.int64],
    truth: CueTruth,
    pairs: Sequence[ClassPair],
    thresholds: NDArray[np.float64],
    *,
    attribution: str,
    options: Mapping[str, Any],
    normalisation: str,
    size: int,
    images_per_class: int | None = None,
    device: Any = "cpu",
    batch_size: int = 16,
    progress: Callable[[float], None] = lambda fraction: None,
) -> PairCounts:
    """Count the pixels of every pair on the images of both its classes, the first `images_per_class` of each.

    An image is skipped for a pair where none of the differing parts is visible. Each image is read once, and each of
    its maps made once, however many pairs it belongs to. Batches do not change what is counted, but for float rounding.
    """
    module = load(attribution)
    model.eval()
    histograms = [PixelHistograms(thresholds) for _ in pairs]
    counts = PairCounts(np.empty(0, np.int64), np.zeros(len(pairs), np.int64), np.zeros(len(pairs), np.int64))
    digest = hashlib.sha256()
    chosen = chosen_images(labels, pairs, images_per_class)
    for start in range(0, len(chosen), batch_size):
        batch = chosen[start : start + batch_size]
        work: list[tuple[int, int, NDArray[np.uint8]]] = []
        for row, index in enumerate(batch):
            part_map = truth.part_map(int(index), size)
            for number, pair in enumerate(pairs):
                if labels[index] not in (pair.first, pair.second):
                    continue
                mask = cue_mask(part_map, pair.parts)
                if mask is None:
                    counts.skipped[number] += 1
                else:
                    counts.images[number] += 1
                    digest.update(np.packbits(mask).tobytes())
                    work.append((row, number, mask))
        wanted = sorted({(row, c) for row, n, _ in work for c in (pairs[n].first, pairs[n].second)})
        place = {key: position for position, key in enumerate(wanted)}
        if wanted:
            pixels = eval_batch(torch.from_numpy(images.batch(batch)).to(device))
            maps = _maps(module, model, pixels, wanted, options, batch_size)
            for row, number, mask in work:
                pair = pairs[number]
                first, second = (maps[place[row, c]][None] for c in (pair.first, pair.second))
                histograms[number].add(contrast_scores(first, second, size, normalisation), mask[None])
        progress((start + len(batch)) / len(chosen))
    counts.pixels = np.array([histogram.counts for histogram in histograms], dtype=np.int64)
    counts.truth = digest.hexdigest()
    return counts


def chosen_images(
    labels: NDArray[np.int64], pairs: Sequence[ClassPair], images_per_class: int | None
) -> NDArray[np.int64]:
    """Rows of the manifest, ascending: of each class of a pair the first `images_per_class`, or all."""
    classes = sorted({index for pair in pairs for index in (pair.first, pair.second)})
    rows = [np.flatnonzero(labels == index)[:images_per_class] for index in classes]
    return np.sort(np.concatenate([np.empty(0, np.int64), *rows]))


def _maps(
    module: Any,
    model: Any,
    pixels: torch.Tensor,
    wanted: Sequence[tuple[int, int]],
    options: Mapping[str, Any],
    batch_size: int,
) -> torch.Tensor:
    """Maps (W, h, w) of (image, class) pairs: out of every class's, where the attribution gives them in one pass."""
    rows, classes = torch.tensor(wanted, device=pixels.device).T
    with torch.no_grad():
        if hasattr(module, "class_maps"):
            return of_classes(module.class_maps(model, pixels, **options)[0][rows], classes)
        parts = [
            module.target_maps(model, pixels[rows[i : i + batch_size]], classes[i : i + batch_size], **options)[0]
            for i in range(0, len(wanted), batch_size)
        ]
    return torch.cat(parts)
