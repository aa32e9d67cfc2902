"""Losses on attention maps of one image (InCA: Ki, Uh, Lee and Byun, ACCV 2020), of tensors alone.

What they shall do is the paper's (its abstract): features of the foreground and of the foreground without its most
discriminative part become alike, those of the latter and of the background unlike, within each image; and attention of
earlier layers follows that of a later one. The formulas are ours, for the paper's were not at hand.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from wsol.models.minmax import minmax

SHORTEST = 0.01


class Thresholds(NamedTuple):
    """Shares of an attention map's range in [0, 1], rising."""

    background: float
    """Background lies below."""
    foreground: float
    """Foreground lies here and above."""
    peak: float
    """The most discriminative part lies here and above."""


class Regions(NamedTuple):
    """Parts of each image, (B, h, w) bool. `rest` is the foreground without its most discriminative part."""

    foreground: torch.Tensor
    rest: torch.Tensor
    background: torch.Tensor


def regions(attention: torch.Tensor, thresholds: Thresholds, counted: torch.Tensor) -> Regions:
    """The parts that attention (B, h, w), brought to [0, 1] in each image, marks among the `counted` pixels (bool).

    Passes no gradient. A constant map says nothing: all three parts of that image are empty.
    """
    relative = minmax(attention.detach(), constant=float("nan"))
    foreground = (relative >= thresholds.foreground) & counted
    return Regions(foreground, foreground & (relative < thresholds.peak), (relative < thresholds.background) & counted)


def keep_mask(attention: torch.Tensor, thresholds: Thresholds) -> torch.Tensor:
    """(B, h, w) bool: what is left when the most discriminative part and the background of each image are dropped.

    attention (B, h, w), brought to [0, 1] in each image. Passes no gradient. Where nothing would be left, as of a map
    that is constant or has two values only, the whole image stays: an empty one teaches nothing.
    """
    relative = minmax(attention.detach(), constant=float("nan"))
    kept = (relative >= thresholds.background) & (relative < thresholds.peak)
    return kept | ~kept.any((-2, -1), keepdim=True)


def region_means(features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of features (B, C, h, w) over the pixels of mask (B, h, w) bool → float32 (B, C); 0 where it is empty."""
    chosen = mask[:, None].float()
    return (features.float() * chosen).sum((2, 3)) / chosen.sum((2, 3)).clamp_min(1)


def contrastive_attention_loss(features: torch.Tensor, parts: Regions, margin: float) -> torch.Tensor:
    """Mean over images of max(0, d(rest, foreground) - d(rest, background) + margin), not negative.

    features (B, C, h, w); d is the squared distance in [0, 4] of two parts' mean features at unit length, 2 - 2 cos.
    Means shorter than SHORTEST of the foreground's stay as much shorter than 1: their direction says little, and its
    gradient has no bound. Images that lack one of the parts, or whose foreground is all zero, do not count; 0 if all
    do. Gradients go to the features, not to the parts.
    """
    means = torch.stack([region_means(features, mask) for mask in parts])
    lengths = torch.linalg.vector_norm(means.detach(), dim=2, keepdim=True)
    floor = SHORTEST * lengths[0]
    known = floor[:, 0] > 0
    foreground, rest, background = (_unit(mean, torch.where(floor > 0, floor, 1.0)) for mean in means)
    near = (rest - foreground).square().sum(1)
    far = (rest - background).square().sum(1)
    counts = torch.stack([mask.any(2).any(1) for mask in parts]).all(0) & known
    return (functional.relu(near - far + margin) * counts).sum() / counts.sum().clamp_min(1)


def _unit(vectors: torch.Tensor, shortest: torch.Tensor) -> torch.Tensor:
    """Vectors (B, C) over their length, or over `shortest` (B, 1) where that is more."""
    return vectors / torch.maximum(torch.linalg.vector_norm(vectors, dim=1, keepdim=True), shortest)


def foreground_consistency_loss(early: torch.Tensor, later: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Mean squared difference in [0, 1] of two attention maps, each brought to [0, 1] in its image.

    early (B, h, w); later (B, h', w') is the reference: it is resized to the early map (bilinear, half-pixel centres)
    and passes no gradient. counted (B, h, w) bool marks the pixels that are compared: first the mean over those of an
    image, then over images, of which one without any, or whose reference is constant, adds 0.
    """
    size = (early.shape[1], early.shape[2])
    reference = later.detach().float()[:, None]
    reference = minmax(functional.interpolate(reference, size=size, mode="bilinear", align_corners=False)[:, 0])
    known = counted & (reference.amax((1, 2), keepdim=True) > 0)
    squares = (minmax(early) - reference).square() * known
    return (squares.sum((1, 2)) / known.sum((1, 2)).clamp_min(1)).mean()
