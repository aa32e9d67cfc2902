"""What an attribution of the CAM family offers, made of the one function that computes its maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

Explain = Callable[..., tuple[list[Tensor], Tensor]]
"""(model, images, targets, layer, **options) → the maps of each layer, (B, h, w) for targets (B,) and (B, T, h, w) for
(B, T) or None (every class), and the scores (B, K)."""


class Verbs(NamedTuple):
    target_maps: Callable[..., tuple[Tensor, Tensor]]
    class_maps: Callable[..., tuple[Tensor, Tensor]]
    attribute: Callable[..., Any]


def verbs(explain: Explain) -> Verbs:
    """`target_maps`, `class_maps` and `attribute` of a module, made of its `explain`, whose options are theirs."""

    def target_maps(
        model: Any, images: Tensor, targets: Tensor, layer: Any = None, **options: Any
    ) -> tuple[Tensor, Tensor]:
        """Maps (B, h, w), not negative, of one class an image, or (B, T, h, w) of several, and the scores (B, K)."""
        found, scores = explain(model, images, targets, layer, **options)
        return found[0], scores

    def class_maps(model: Any, images: Tensor, layer: Any = None, **options: Any) -> tuple[Tensor, Tensor]:
        """Maps of every class (B, K, h, w) and the scores (B, K)."""
        return target_maps(model, images, None, layer, **options)  # type: ignore[arg-type]

    def attribute(model: Any, images: Tensor, targets: Any, layer: Any = None, **options: Any) -> Any:
        """Maps of the target classes, a list of them for several layers: see `wsol.attribution.attribute`."""
        found, _ = explain(model, images, targets, layer, **options)
        return found if isinstance(layer, list | tuple) else found[0]

    return Verbs(target_maps, class_maps, attribute)
