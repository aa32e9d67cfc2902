"""Where F-CAM draws its labelled pixels from (Belharbi et al., WACV 2022, equations 1 and 2), of a batch at once.

The foreground of a CAM is what lies above its Otsu threshold, the background the share of pixels with the lowest
values. Each step labels a few random pixels of either. Erosion of the foreground and dilation of the drawn pixels are
not in the paper but in its released code, and are options here.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from wsol.data.masks import BACKGROUND, IGNORED, OBJECT
from wsol.losses.pseudo_masks import resized
from wsol.models.minmax import minmax

LEVELS = 256


class Regions(NamedTuple):
    """Pixels that may be drawn, (B, H, W) bool each; they may overlap. Both are empty where the map was constant."""

    foreground: torch.Tensor
    background: torch.Tensor


def full_size(cams: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """CAMs (B, h, w) of any range as float32 (B, H, W) in [0, 1]: min-max at their own resolution, then bilinear.

    A map with a value that is not finite becomes 0, as a constant one does.
    """
    scaled = minmax(cams.detach())
    return resized(torch.where(scaled.isfinite().all(2, keepdim=True).all(1, keepdim=True), scaled, 0.0), size)


def grey_levels(maps: torch.Tensor) -> torch.Tensor:
    """Maps in [0, 1] as int64 in [0, 255], cut off and not rounded."""
    return (maps * (LEVELS - 1)).clamp(0, LEVELS - 1).long()


def otsu_thresholds(levels: torch.Tensor) -> torch.Tensor:
    """Otsu's threshold (1979) of each image, (B,) int64: the level whose split has the largest between-class variance.

    levels (B, H, W) int64 in [0, 255]; what lies above the threshold is foreground. Of equal variances the lowest level
    counts, as in OpenCV. An image of one level has none, and gets 0.
    """
    count = levels.shape[0]
    offsets = LEVELS * torch.arange(count, device=levels.device)[:, None]
    histogram = torch.bincount((levels.flatten(1) + offsets).flatten(), minlength=LEVELS * count).view(count, LEVELS)
    # Sums of integers below 2^53 are exact; only the quotient is rounded.
    weight = histogram.double()
    level = torch.arange(LEVELS, device=levels.device, dtype=torch.float64)
    below, sum_below = weight.cumsum(1), (weight * level).cumsum(1)
    total, sum_total = below[:, -1:], sum_below[:, -1:]
    split = below * (total - below)
    between = (sum_total * below - total * sum_below).square() / split.clamp_min(1)
    return torch.where(split > 0, between, 0.0).argmax(1)


def lowest(maps: torch.Tensor, share: float) -> torch.Tensor:
    """(B, H, W) bool: the int(share · H · W) pixels of each map with the lowest values; of equal ones the first."""
    flat = maps.flatten(1)
    count = int(share * flat.shape[1])
    if count == 0:
        return torch.zeros_like(maps, dtype=torch.bool)
    limit = flat.kthvalue(count, dim=1, keepdim=True).values
    below, equal = flat < limit, flat == limit
    missing = count - below.sum(1, keepdim=True)
    return (below | (equal & (equal.cumsum(1) <= missing))).view_as(maps)


def eroded(regions: torch.Tensor, side: int) -> torch.Tensor:
    """Regions (B, H, W) bool without what is nearer to their border than a square of odd `side` reaches.

    The image's border is none. A region that would vanish stays as it was.
    """
    smaller = ~_spread(~regions, side)
    return torch.where(smaller.flatten(1).any(1)[:, None, None], smaller, regions)


def sampling_regions(cams: torch.Tensor, size: tuple[int, int], background: float, erosion: int = 1) -> Regions:
    """The regions of CAMs (B, h, w) at the image's size (H, W); passes no gradient.

    background: share n⁻ in [0, 1] of pixels that may be drawn as background; erosion: odd side of the square that the
    foreground is eroded by, 1 for none. A constant map says nothing: both regions of it are empty.
    """
    maps = full_size(cams, size)
    levels = grey_levels(maps)
    # 0 would take every pixel that is not exactly 0, 255 none at all: moved by one, as in the released code.
    thresholds = otsu_thresholds(levels).clamp(1, LEVELS - 2)[:, None, None]
    varies = (maps.amax((1, 2)) > maps.amin((1, 2)))[:, None, None]
    foreground = (levels > thresholds) & varies
    if erosion > 1:
        foreground = eroded(foreground, erosion)
    return Regions(foreground, lowest(maps, background) & varies)


def draw(regions: torch.Tensor, pixels: int, generator: torch.Generator) -> torch.Tensor:
    """(B, H, W) bool: `pixels` random ones of each region (B, H, W), without replacement; all of a smaller region.

    generator is a CPU generator, of which B × pixels numbers are drawn whatever the regions: the same state draws the
    same pixels on any device.
    """
    flat = regions.flatten(1)
    ranks = flat.cumsum(1)
    sizes = ranks[:, -1]
    uniform = torch.rand(len(flat), pixels, generator=generator, dtype=torch.float64).to(flat.device)
    chosen = torch.full((len(flat), pixels), -1, dtype=torch.int64, device=flat.device)
    for index in range(pixels):
        # Floyd's algorithm: a random one of the first last + 1 members or, where that was drawn already, the last.
        last = sizes - pixels + index
        candidate = (uniform[:, index] * (last + 1)).long().clamp_max(last.clamp_min(0))
        taken = (chosen == candidate[:, None]).any(1)
        chosen[:, index] = torch.where(last >= 0, torch.where(taken, last, candidate), -1)
    places = torch.searchsorted(ranks, chosen + 1).clamp_max(flat.shape[1] - 1)
    # Where nothing was drawn, the place is some other pixel's, to which 0 is added.
    drawn = torch.zeros_like(ranks).scatter_add_(1, places, (chosen >= 0).to(ranks.dtype))
    return (drawn > 0).view_as(regions)


def draw_labels(regions: Regions, pixels: int, dilation: int, generator: torch.Generator) -> torch.Tensor:
    """Labels (B, H, W) int64 of one step: 1 object, 0 background, 255 for the pixels that were not drawn.

    pixels: how many of each region; dilation: odd side of the square that each becomes, 1 for the pixel alone. Where
    squares of both kinds overlap, nothing is labelled.
    """
    foreground = _spread(draw(regions.foreground, pixels, generator), dilation)
    background = _spread(draw(regions.background, pixels, generator), dilation)
    labels = torch.full(foreground.shape, IGNORED, dtype=torch.int64, device=foreground.device)
    labels[foreground & ~background] = OBJECT
    labels[background & ~foreground] = BACKGROUND
    return labels


def _spread(regions: torch.Tensor, side: int) -> torch.Tensor:
    """Dilation by a square of odd side; nothing comes in from outside the image."""
    if side == 1:
        return regions
    grown = functional.max_pool2d(regions[:, None].float(), side, stride=1, padding=side // 2)
    return grown[:, 0] > 0
