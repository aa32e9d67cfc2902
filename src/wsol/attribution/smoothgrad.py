"""SmoothGrad (Smilkov et al., 2017): the mean of the input gradient's map over noisy copies of the image.

As in the released CALM code the map of each copy is max over channels of |∂ score_y / ∂x|, and σ a quarter of the
image's range.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wsol.attribution.gradients import noisy, scores_of, sensitivity


def target_maps(
    model: Any, images: Tensor, targets: Tensor, samples: int = 50, spread: float = 0.25, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Maps (B, H, W), not negative, of one class an image, and the network's scores (B, K). Raises ParameterError."""
    total = torch.zeros_like(images[:, 0])
    for copies in noisy(images, samples, spread, seed):
        total = total + sensitivity(model, copies, targets)
    return total / samples, scores_of(model, images)


def attribute(
    model: Any, images: Tensor, targets: Tensor, samples: int = 50, spread: float = 0.25, seed: int = 0
) -> Tensor:
    """Maps (B, H, W) of the target classes (B,)."""
    return target_maps(model, images, targets, samples, spread, seed)[0]
