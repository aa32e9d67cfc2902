"""The maps of figures A and E, which need other classes than the image's own: computed on the few images drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from wsol.reports.figures.choose import Supersets


def counterfactual_maps(
    model: Any, pixels: Tensor, pairs: Sequence[tuple[int, int]], attribution: str, options: Mapping[str, Any]
) -> np.ndarray:
    """s^A - s^B (B, h, w) float32 of normalised images (B, 3, H, W), each with its pair of classes.

    An attribution that gives the maps of all classes is asked once, another one once for A and once for B.
    """
    import torch

    from wsol.attribution import attribute, load
    from wsol.attribution.select import counterfactual

    first, second = torch.tensor(list(pairs), device=pixels.device).unbind(1)
    module = load(attribution)
    with torch.no_grad():
        if hasattr(module, "class_maps"):
            difference = counterfactual(module.class_maps(model, pixels, **options)[0], first, second)
        else:
            one, other = (attribute(model, pixels, classes, attribution, **options) for classes in (first, second))
            difference = one - other
    return difference.float().cpu().numpy()


def depth_maps(
    model: Any,
    pixels: Tensor,
    labels: Sequence[int],
    by_depth: Sequence[Supersets],
    attribution: str,
    options: Mapping[str, Any],
) -> np.ndarray:
    """Maps (D, B, h, w) float32 of the labels, added up over their supersets at each of D depths."""
    import torch

    from wsol.attribution import load
    from wsol.attribution.depths import aggregate_at_depths

    module = load(attribution)
    with torch.no_grad():
        every, _ = module.class_maps(model, pixels, **options)
        chosen = torch.tensor(list(labels), device=every.device)
        maps = aggregate_at_depths(every, chosen, by_depth, normalise=not getattr(module, "ONE_SCALE", False))
    return maps.float().cpu().numpy()
