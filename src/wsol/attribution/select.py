"""The maps of chosen classes, and differences of them."""

from __future__ import annotations

from torch import Tensor

from wsol.errors import ParameterError
from wsol.models.of_label import of_label


def of_classes(maps: Tensor, targets: Tensor) -> Tensor:
    """Each image's map of its target: (B, K, h, w) and (B,) → (B, h, w). ParameterError for what is no class."""
    wrong = targets[(targets < 0) | (targets >= maps.shape[1])]
    if len(wrong):
        raise ParameterError(f"target {int(wrong[0])} is no class of a network with {maps.shape[1]} classes")
    return of_label(maps, targets)


def counterfactual(maps: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """s^A - s^B (B, h, w): where an image speaks for class A rather than for B (positive), and the reverse (negative).

    maps (B, K, h, w) of every class on one scale, such as CALM's p(y,z|x), whose differences lie in [-1, 1]; first and
    second (B,) are class indices A and B (CALM, section 5.3.1 and supplement figure A). Raises ParameterError.
    """
    return of_classes(maps, first) - of_classes(maps, second)
