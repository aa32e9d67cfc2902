"""VarGrad (Adebayo et al., 2018): the variance of the input gradient's map over noisy copies of the image.

E[s²] - E[s]² of s = max over channels of |∂ score_y / ∂x|, with the copies of SmoothGrad, as in the released CALM code.
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
    mean = torch.zeros_like(images[:, 0])
    deviations = torch.zeros_like(mean)
    # Welford's recurrence: the difference of two near-equal sums of squares would be noise, and could be negative.
    for count, copies in enumerate(noisy(images, samples, spread, seed), 1):
        values = sensitivity(model, copies, targets)
        step = values - mean
        mean = mean + step / count
        deviations = deviations + step * (values - mean)
    return deviations / samples, scores_of(model, images)


def attribute(
    model: Any, images: Tensor, targets: Tensor, samples: int = 50, spread: float = 0.25, seed: int = 0
) -> Tensor:
    """Maps (B, H, W) of the target classes (B,)."""
    return target_maps(model, images, targets, samples, spread, seed)[0]
