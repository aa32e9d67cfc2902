"""LayerCAM (Jiang et al., TIP 2021): relu(Σ_k relu(∂ score_y / ∂A_k) · A_k), each place with a weight of its own."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from wsol.attribution import family
from wsol.attribution.layers import Layer


def coefficients(activation: Tensor, gradient: Tensor) -> Tensor:
    """Weights (…, C, h, w) = relu(∂ score / ∂A)."""
    return gradient.relu()


def linear_coefficients(weight: Tensor, mean: Tensor, places: int) -> Tensor:
    """The same where ∂ score_y / ∂A_k = w_yk / n at each of n places: weight (…, T, C) → (…, T, C)."""
    return weight.relu() / places


def target_maps(model: Any, images: Tensor, targets: Tensor, layer: Layer | None = None) -> tuple[Tensor, Tensor]:
    """Maps (B, h, w), not negative, of one class an image, or (B, T, h, w) of several, and the scores (B, K)."""
    return family.target_maps("layercam", model, images, targets, layer)


def class_maps(model: Any, images: Tensor, layer: Layer | None = None) -> tuple[Tensor, Tensor]:
    """Maps of every class (B, K, h, w) and the scores (B, K)."""
    return family.target_maps("layercam", model, images, None, layer)


def attribute(model: Any, images: Tensor, targets: Any, layer: Any = None) -> Any:
    """Maps of the target classes, a list of them for several layers: see `wsol.attribution.attribute`."""
    return family.maps("layercam", model, images, targets, layer)
