"""Which classes maps are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from wsol.errors import ParameterError


def checked_targets(targets: Any, shape: Sequence[int], device: torch.device) -> Tensor:
    """Class indices (B, T) on the device: from (B,), from (B, T), or all (B, K) for None; shape: that of the scores.

    Raises ParameterError for another shape, for what are no whole numbers, and for what is no class.
    """
    images, classes = shape
    if targets is None:
        return torch.arange(classes, device=device).expand(images, -1)
    chosen = torch.as_tensor(targets, device=device)
    if chosen.dtype == torch.bool or chosen.is_floating_point() or chosen.is_complex():
        raise ParameterError(f"targets have type {chosen.dtype}; give class indices")
    if chosen.ndim not in (1, 2) or len(chosen) != images or 0 in chosen.shape[1:]:
        raise ParameterError(
            f"targets have shape {tuple(chosen.shape)} for {images} images; "
            "give one class an image (B,), or several (B, T)"
        )
    wrong = chosen[(chosen < 0) | (chosen >= classes)]
    if len(wrong):
        raise ParameterError(f"target {int(wrong[0])} is no class of a network with {classes} classes")
    chosen = chosen.long()
    return chosen if chosen.ndim == 2 else chosen[:, None]


def is_single(targets: Any) -> bool:
    """One class an image, (B,): maps are (B, h, w) and not (B, T, h, w)."""
    return targets is not None and torch.as_tensor(targets).ndim == 1
