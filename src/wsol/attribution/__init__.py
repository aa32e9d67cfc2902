"""Test-time maps: what a trained network attributes an image's class to. One method a file, found by name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wsol.attribution.postprocess import score_maps
from wsol.errors import ParameterError

if TYPE_CHECKING:
    import torch

__all__ = ["attribute", "load", "score_maps", "score_order"]


def attribute(
    model: torch.nn.Module, images: torch.Tensor, targets: torch.Tensor, method: str = "cam", **options: Any
) -> torch.Tensor:
    """Attribution maps (B, h, w) at native resolution, one target class an image.

    images (B, 3, H, W) normalised, on the model's device; targets (B,) class indices. The values are raw (any sign and
    scale): `score_maps` brings them to [0, 1]. Raises ParameterError for an unknown method and for a target that is
    no class of the network.
    """
    return load(method).attribute(model, images, targets, **options)


def score_order(attribution: str) -> str:
    """How maps of an attribution become scores: one of `postprocess.ORDERS`.

    A module whose maps are probabilities that shall be scored as they are says `ORDER = "as-is"`; sums of them, which
    an aggregation makes, are no probabilities.
    """
    base, _, aggregation = attribution.partition("+")
    return "resize-normalize" if aggregation else getattr(load(base), "ORDER", "resize-normalize")


def load(name: str) -> Any:
    """The module of an attribution method. Raises ParameterError if there is none of that name."""
    try:
        return importlib.import_module(f"wsol.attribution.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"wsol.attribution.{name}":
            raise
        raise ParameterError(
            f"attribution {name!r} has no code: src/wsol/attribution/{name}.py does not exist"
        ) from error
