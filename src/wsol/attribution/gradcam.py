"""Grad-CAM (Selvaraju et al., ICCV 2017): relu(Σ_k w_k A_k), w_k the mean over places of ∂ score_y / ∂A_k."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from wsol.attribution import family
from wsol.attribution.verbs import verbs


def coefficients(activation: Tensor, gradient: Tensor) -> Tensor:
    """w (…, C, 1, 1) from ∂ score / ∂A (…, C, h, w)."""
    return gradient.mean((-2, -1), keepdim=True)


def linear_coefficients(weight: Tensor, mean: Tensor, places: int) -> Tensor:
    """The same where ∂ score_y / ∂A_k = w_yk / n at each of n places: weight (…, T, C) → (…, T, C)."""
    return weight / places


def explain(model: Any, images: Tensor, targets: Any, layer: Any = None) -> tuple[list[Tensor], Tensor]:
    """Maps of each layer and the scores (B, K)."""
    return family.explain("gradcam", model, images, targets, layer, {})


target_maps, class_maps, attribute = verbs(explain)
