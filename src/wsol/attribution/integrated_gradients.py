"""Integrated gradients (Sundararajan et al., ICML 2017) along the straight line from the mean-coloured image.

The map is Σ over channels of x · ∫₀¹ ∂ score_y(αx) / ∂x dα. Summed over the image it is score_y(x) - score_y(0)
(completeness), up to the error of the midpoint rule.

`reference: true` is what the released CALM code calls IG: max over channels of |∂ score_y(αx) / ∂x|, summed over
α = 0, 1/n, …, 1 (n + 1 steps) and divided by n, with no product with the image. It is never negative and not complete.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wsol.attribution.gradients import input_gradients, scores_of, sensitivity
from wsol.errors import ParameterError


def target_maps(
    model: Any, images: Tensor, targets: Tensor, steps: int = 50, reference: bool = False
) -> tuple[Tensor, Tensor]:
    """Maps (B, H, W) of one class an image and the network's scores (B, K); ParameterError for fewer than one step."""
    if steps < 1:
        raise ParameterError(f"integrated gradients: steps is {steps}; give at least 1, 50 in the papers")
    if reference:
        points = [step / steps for step in range(steps + 1)]
        total = sum((sensitivity(model, images * point, targets) for point in points), torch.zeros(()).to(images))
        return total / steps, scores_of(model, images)
    total = torch.zeros_like(images)
    for step in range(steps):
        total = total + input_gradients(model, images * ((step + 0.5) / steps), targets)[0]
    return (images * total / steps).sum(1), scores_of(model, images)


def attribute(model: Any, images: Tensor, targets: Tensor, steps: int = 50, reference: bool = False) -> Tensor:
    """Maps (B, H, W) of the target classes (B,)."""
    return target_maps(model, images, targets, steps, reference)[0]
