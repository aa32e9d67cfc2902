"""Input gradient (Simonyan et al., 2014): max over channels of |∂ score_y / ∂x|, at the image's resolution."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from wsol.attribution.gradients import input_gradients


def target_maps(model: Any, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Maps (B, H, W), not negative, of one class an image, and the network's scores (B, K)."""
    gradients, scores = input_gradients(model, images, targets)
    return gradients.abs().amax(1), scores


def attribute(model: Any, images: Tensor, targets: Tensor) -> Tensor:
    """Maps (B, H, W) of the target classes (B,)."""
    return target_maps(model, images, targets)[0]
