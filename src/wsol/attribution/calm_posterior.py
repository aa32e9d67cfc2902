"""CALM's posterior p(z|x,y): where the cue is, given that it says class y (supplement, equation k)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from wsol.attribution.calm import evidence
from wsol.attribution.select import of_classes
from wsol.losses.calm import log_class, log_posterior

ONE_SCALE = True
"""Each map sums to one over the locations, so an aggregation adds them as they are."""


def class_maps(model: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """p(z|x,y) of every class (B, K, h, w) and log p(y|x) (B, K); ParameterError for a network without CALM's heads."""
    f, h = evidence(model, images)
    return log_posterior(f, h).exp(), log_class(f, h)


def attribute(model: Any, images: Tensor, targets: Tensor) -> Tensor:
    """p(z|x,y) (B, h, w) of the target classes (B,)."""
    return of_classes(class_maps(model, images)[0], targets)
