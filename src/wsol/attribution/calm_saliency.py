"""CALM's saliency p(z|x): where the cue is, whatever it says; the same map for every class."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from wsol.attribution.calm import evidence
from wsol.attribution.select import of_classes
from wsol.losses.calm import log_class, log_location

ONE_SCALE = True


def class_maps(model: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """p(z|x) (B, K, h, w), repeated for every class without memory of its own, and log p(y|x) (B, K)."""
    f, h = evidence(model, images)
    return log_location(h).exp().expand(-1, f.shape[1], -1, -1), log_class(f, h)


def attribute(model: Any, images: Tensor, targets: Tensor) -> Tensor:
    """p(z|x) (B, h, w); targets (B,) must be class indices and change nothing."""
    return of_classes(class_maps(model, images)[0], targets)
