"""+𝒴: the maps of all classes with the same object structure, added up (CALM, section 5.4 and supplement section F)."""

from __future__ import annotations

import torch


def aggregate(class_maps: torch.Tensor, members: torch.Tensor, normalise: bool = True) -> torch.Tensor:
    """Sum over each image's superset of its class maps.

    class_maps (B, K, h, w); members (B, K) bool, True for the classes of the image's superset 𝒴(y), y itself
    included. `normalise` brings every class map to [0, 1] by its own minimum and maximum first, as the released CALM
    code does for CAM, whose maps have no common scale; a constant map counts as zero. Without it they are added as they
    are, as for CALM's probabilities: `extract_maps` does so where the base's module says `ONE_SCALE = True`.
    Returns (B, h, w).
    """
    maps = class_maps.double()
    if normalise:
        low = maps.amin((2, 3), keepdim=True)
        span = maps.amax((2, 3), keepdim=True) - low
        maps = torch.where(span > 0, (maps - low) / span.clamp_min(torch.finfo(maps.dtype).tiny), 0.0)
    return (maps * members[:, :, None, None].to(maps.dtype)).sum(1)
