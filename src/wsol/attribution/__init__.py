"""Test-time maps: what a trained network attributes an image's class to. One method a file, found by name."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any

from wsol.attribution.postprocess import score_maps
from wsol.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

__all__ = ["attribute", "load", "score_maps", "score_order"]


def attribute(
    model: torch.nn.Module,
    images: torch.Tensor,
    targets: torch.Tensor | Sequence[int] | Sequence[Sequence[int]] | None,
    method: str = "cam",
    layer: str | torch.nn.Module | Sequence[str | torch.nn.Module] | None = None,
    **options: Any,
) -> Any:
    """Attribution maps at native resolution: raw values, which `score_maps` brings to [0, 1].

    images (B, 3, H, W) normalised, on the model's device; targets: one class an image (B,) for maps (B, h, w), and for
    the CAM family (docs/attribution/index.md) also several (B, T) for (B, T, h, w) or None, every class, (B, K, h, w).
    The family works on any classifier that returns scores (B, K), and leaves it as it was. layer: a name of
    `model.named_modules()` or one of its modules; several in a list give a list of maps; None is the layer before
    global average pooling and the linear classifier. options: the method's own.

    Raises ParameterError for an unknown method, option or layer, and for a target that is no class of the network.
    """
    module = load(method)
    if layer is not None:
        options["layer"] = layer
    known = inspect.signature(getattr(module, "explain", module.attribute)).parameters
    wrong = [name for name in options if name not in known]
    if wrong and not any(one.kind is one.VAR_KEYWORD for one in known.values()):
        names = ", ".join(list(known)[3:]) or "none"
        raise ParameterError(f"attribution {method!r} has no option {wrong[0]!r}; it has: {names}")
    return module.attribute(model, images, targets, **options)


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
        near = difflib.get_close_matches(name, [module.name for module in pkgutil.iter_modules(__path__)], n=1)
        raise ParameterError(
            f"attribution {name!r} has no code: src/wsol/attribution/{name}.py does not exist"
            + (f"; did you mean {near[0]!r}?" if near else "")
        ) from error
