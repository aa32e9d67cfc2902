"""+𝒴: the maps of all classes with the same object structure, added up (CALM, section 5.4 and supplement section F)."""

from __future__ import annotations

import torch


def aggregate(class_maps: torch.Tensor, members: torch.Tensor, normalise: bool = True) -> torch.Tensor:
    """Sum over each image's superset of its class maps.

    class_maps (B, K, h, w); members (B, K) bool, True for the classes of the image's superset 𝒴(y), y itself
    included. `normalise` brings every class map to [0, 1] by its own minimum and maximum first, as the released CALM
    code does for CAM, whose maps have no common scale; a constant map counts as zero, also where rounding of its own
    dtype alone makes it differ from place to place. Without it they are added as they are, as for CALM's probabilities:
    `extract_maps` does so where the base's module says `ONE_SCALE = True`. Values of members that are not finite stay
    so, for whoever counts such maps; those of other classes do not matter. Returns (B, h, w).
    """
    rounding = 8 * torch.finfo(class_maps.dtype).eps
    maps = class_maps.double()
    if normalise:
        low = maps.amin((2, 3), keepdim=True)
        high = maps.amax((2, 3), keepdim=True)
        span = high - low
        constant = span <= rounding * torch.maximum(low.abs(), high.abs())
        maps = torch.where(constant, 0.0, (maps - low) / torch.where(constant, 1.0, span))
    return torch.where(members[:, :, None, None], maps, 0.0).sum(1)
