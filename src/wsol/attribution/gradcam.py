"""Grad-CAM (Selvaraju et al., ICCV 2017): relu(Σ_k w_k A_k), w_k the mean over places of ∂ score_y / ∂A_k."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from wsol.attribution import family
from wsol.attribution.layers import Layer


def coefficients(activation: Tensor, gradient: Tensor) -> Tensor:
    """w (…, C, 1, 1) from ∂ score / ∂A (…, C, h, w)."""
    return gradient.mean((-2, -1), keepdim=True)


def linear_coefficients(weight: Tensor, mean: Tensor, places: int) -> Tensor:
    """The same where ∂ score_y / ∂A_k = w_yk / n at each of n places: weight (…, T, C) → (…, T, C)."""
    return weight / places


def target_maps(model: Any, images: Tensor, targets: Tensor, layer: Layer | None = None) -> tuple[Tensor, Tensor]:
    """Maps (B, h, w), not negative, of one class an image, or (B, T, h, w) of several, and the scores (B, K)."""
    return family.target_maps("gradcam", model, images, targets, layer)


def class_maps(model: Any, images: Tensor, layer: Layer | None = None) -> tuple[Tensor, Tensor]:
    """Maps of every class (B, K, h, w) and the scores (B, K)."""
    return family.target_maps("gradcam", model, images, None, layer)


def attribute(model: Any, images: Tensor, targets: Any, layer: Any = None) -> Any:
    """Maps of the target classes, a list of them for several layers: see `wsol.attribution.attribute`."""
    return family.maps("gradcam", model, images, targets, layer)
