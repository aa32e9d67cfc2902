"""XGrad-CAM (Fu et al., BMVC 2020): relu(Σ_k w_k A_k), w_k the mean of ∂ score_y / ∂A_k weighted with A_k."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wsol.attribution import family
from wsol.attribution.verbs import verbs


def coefficients(activation: Tensor, gradient: Tensor) -> Tensor:
    """w (…, C, 1, 1) = Σ G·A / Σ A from A (…, C, h, w) and ∂ score / ∂A; 0 where Σ A is 0, as in a dead channel."""
    total = activation.sum((-2, -1), keepdim=True)
    weighted = (gradient * activation).sum((-2, -1), keepdim=True)
    return torch.where(total == 0, 0.0, weighted / torch.where(total == 0, 1.0, total))


def linear_coefficients(weight: Tensor, mean: Tensor, places: int) -> Tensor:
    """The same where ∂ score_y / ∂A_k = w_yk / n at each of n places; mean (B, 1, C) of A: (B, T, C)."""
    return torch.where(mean == 0, 0.0, weight / places)


def explain(model: Any, images: Tensor, targets: Any, layer: Any = None) -> tuple[list[Tensor], Tensor]:
    """Maps of each layer and the scores (B, K)."""
    return family.explain("xgradcam", model, images, targets, layer, {})


target_maps, class_maps, attribute = verbs(explain)
