"""CALM's attribution s^y = p(y,z|x): how likely it is that the cue is at z and says class y (Kim et al., ICCV 2021).

Values lie in [0, 1] and are probabilities: over classes and locations of an image they sum to one, over the locations
of a class to p(y|x). So the maps of different classes can be added and subtracted as they are.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from wsol.attribution.select import of_classes
from wsol.errors import ParameterError
from wsol.losses.calm import log_joint

ONE_SCALE = True
"""An aggregation adds these maps as they are: Σ p(y',z|x) over a superset is the probability of any of its classes."""


def class_maps(model: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """p(y,z|x) of every class (B, K, h, w) and log p(y|x) (B, K); ParameterError for a network without CALM's heads."""
    joint = log_joint(*evidence(model, images))
    return joint.exp(), joint.logsumexp((2, 3))


def attribute(model: Any, images: Tensor, targets: Tensor) -> Tensor:
    """p(y,z|x) (B, h, w) of the target classes (B,)."""
    return of_classes(class_maps(model, images)[0], targets)


def evidence(model: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """f (B, K, h, w) and h (B, 1, h, w) of a network with CALM's heads; ParameterError for another one."""
    head: Any = getattr(model, "head", None)
    if not hasattr(head, "evidence"):
        raise ParameterError(
            f"CALM's maps are asked of a network with head {getattr(model, 'build_args', {}).get('head')!r}; "
            "train it with the method calm_em or calm_ml"
        )
    return head.evidence(model.features(images))
