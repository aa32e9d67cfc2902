"""LayerCAM (Jiang et al., TIP 2021): relu(Σ_k relu(∂ score_y / ∂A_k) · A_k), each place with a weight of its own."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from wsol.attribution import family
from wsol.attribution.verbs import verbs


def coefficients(activation: Tensor, gradient: Tensor) -> Tensor:
    """Weights (…, C, h, w) = relu(∂ score / ∂A)."""
    return gradient.relu()


def linear_coefficients(weight: Tensor, mean: Tensor, places: int) -> Tensor:
    """The same where ∂ score_y / ∂A_k = w_yk / n at each of n places: weight (…, T, C) → (…, T, C)."""
    return weight.relu() / places


def explain(model: Any, images: Tensor, targets: Any, layer: Any = None) -> tuple[list[Tensor], Tensor]:
    """Maps of each layer and the scores (B, K)."""
    return family.explain("layercam", model, images, targets, layer, {})


target_maps, class_maps, attribute = verbs(explain)
