"""FSL's saliency (Choe et al., Evaluating WSOL Methods Right): how likely each place shows an object of any class."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from wsol.attribution.select import of_classes
from wsol.errors import ParameterError

ONE_SCALE = True


def class_maps(model: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities of object (B, K, h, w), repeated for every class without memory of its own, and logits (B, K).

    Raises ParameterError for a network without FSL's head.
    """
    head: Any = getattr(model, "head", None)
    if not hasattr(head, "saliency"):
        raise ParameterError(
            f"FSL's saliency is asked of a network with head {getattr(model, 'build_args', {}).get('head')!r}; "
            "train it with the method fsl"
        )
    features = model.features(images)
    logits = head.logits(features)
    return head.saliency(features).sigmoid()[:, None].expand(-1, logits.shape[1], -1, -1), logits


def attribute(model: Any, images: Tensor, targets: Tensor) -> Tensor:
    """Probabilities of object (B, h, w); targets (B,) must be class indices and change nothing."""
    return of_classes(class_maps(model, images)[0], targets)
