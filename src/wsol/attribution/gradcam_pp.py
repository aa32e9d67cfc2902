"""Grad-CAM++ (Chattopadhyay et al., WACV 2018): relu(Σ_k w_k A_k), w_k = Σ_ij α_k(ij) · relu(∂ score_y / ∂A_k(ij)).

α = G² / (2 G² + (Σ_ab A_k(ab)) G³), equation 19. Its Y is exp(score), which cancels in α and would only scale the map
of an image; here Y is the score.

`variant`: "paper"; "official-alpha", the authors' code, which also divides α by its sum over the places where G > 0;
"no-division", which leaves the division out, w_k = Σ G² relu(G), as torch-cam and F-CAM's code, a copy of it, do.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wsol.attribution import family
from wsol.attribution.verbs import verbs
from wsol.errors import ParameterError

VARIANTS = ("paper", "official-alpha", "no-division")


def coefficients(activation: Tensor, gradient: Tensor, variant: str = "paper") -> Tensor:
    """w (…, C, 1, 1) from A (…, C, h, w) and ∂ score / ∂A. α is 0 where its denominator is. Raises ParameterError."""
    _check(variant)
    if variant == "no-division":
        return (gradient.square() * gradient.relu()).sum((-2, -1), keepdim=True)
    alpha = safe_ratio(gradient, activation.sum((-2, -1), keepdim=True))
    if variant == "official-alpha":
        counted = torch.where(gradient > 0, alpha, 0.0).sum((-2, -1), keepdim=True)
        alpha = alpha / torch.where(counted == 0, 1.0, counted)
    return (alpha * gradient.relu()).sum((-2, -1), keepdim=True)


def safe_ratio(gradient: Tensor, total: Tensor) -> Tensor:
    """α: G² / (2 G² + total · G³) with G² cancelled, lest it underflow; 0 where G or the denominator is 0."""
    denominator = 2 + total * gradient
    defined = (gradient != 0) & (denominator != 0)
    return torch.where(defined, 1 / torch.where(defined, denominator, 1.0), 0.0)


def linear_coefficients(weight: Tensor, mean: Tensor, places: int, variant: str = "paper") -> Tensor:
    """The same where ∂ score_y / ∂A_k = w_yk / n at each of n places; mean (B, 1, C) of A: (B, T, C).

    relu(w) / (2 + w · mean), for official-alpha relu(w) / n, for no-division relu(w)³ / n².
    """
    _check(variant)
    if variant == "no-division":
        return weight.relu() ** 3 / places**2
    if variant == "official-alpha":
        # α is the same at every place: n of them over their sum, unless it is not defined.
        return torch.where(2 + weight * mean != 0, weight.relu() / places, 0.0)
    denominator = 2 + weight * mean
    return torch.where(denominator == 0, 0.0, weight.relu() / torch.where(denominator == 0, 1.0, denominator))


def _check(variant: str) -> None:
    if variant not in VARIANTS:
        raise ParameterError(f"gradcam_pp: variant {variant!r} is not known; choose one of {', '.join(VARIANTS)}")


def explain(
    model: Any, images: Tensor, targets: Any, layer: Any = None, variant: str = "paper"
) -> tuple[list[Tensor], Tensor]:
    """Maps of each layer and the scores (B, K)."""
    return family.explain("gradcam_pp", model, images, targets, layer, {"variant": variant})


target_maps, class_maps, attribute = verbs(explain)
