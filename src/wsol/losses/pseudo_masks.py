"""Masks that a network makes of its own maps, and the loss against them (SPG: Zhang et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.nn import functional

REFERENCE_SIDE = 224
MIN_FOREGROUND = 30
"""Fewest foreground pixels of a frame of `REFERENCE_SIDE`² before the threshold becomes relative (released code)."""
RELATIVE_THRESHOLD = 0.7


class PseudoMask(NamedTuple):
    """`foreground` (B, H, W) bool, and `labelled` (B, H, W) bool: where that says something."""

    foreground: torch.Tensor
    labelled: torch.Tensor


def resized(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Maps (B, h, w) as float32 (B, H, W) by bilinear interpolation with half-pixel centres; `size` is (H, W)."""
    return functional.interpolate(maps[:, None].float(), size=tuple(size), mode="bilinear", align_corners=False)[:, 0]


def pseudo_mask(scores: torch.Tensor, high: float, low: float) -> PseudoMask:
    """Foreground above `high`, background below `low`, nothing in between; scores (B, H, W), mostly in [0, 1].

    A map with fewer than 30 pixels above `high` has its foreground above 0.7 of its maximum instead. The 30 belong to
    frames of 224 × 224 and shrink or grow with the frame's area. Background wins where both hold. A NaN is neither.
    Passes no gradient.
    """
    scores = scores.detach()
    height, width = scores.shape[1:]
    enough = MIN_FOREGROUND * height * width / REFERENCE_SIDE**2
    above = scores > high
    few = above.sum((1, 2), keepdim=True) < enough
    foreground = torch.where(few, scores > RELATIVE_THRESHOLD * scores.amax((1, 2), keepdim=True), above)
    background = scores < low
    return PseudoMask(foreground & ~background, foreground | background)


def mask_loss(logits: torch.Tensor, mask: PseudoMask) -> torch.Tensor:
    """Mean binary cross-entropy of logits (B, H, W) over all labelled pixels of the batch; 0 if there is none."""
    each = functional.binary_cross_entropy_with_logits(logits.float(), mask.foreground.float(), reduction="none")
    return (each * mask.labelled).sum() / mask.labelled.sum().clamp_min(1)
