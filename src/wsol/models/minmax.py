"""Bringing each map to [0, 1] by its own extremes, inside a network or a loss."""

from __future__ import annotations

import torch


def minmax(maps: torch.Tensor, constant: float = 0.0) -> torch.Tensor:
    """Maps (..., h, w) as float32 in [0, 1]: (m - min) / (max - min) over the last two axes of each.

    A constant map has no such form (0 / 0); every pixel of it becomes `constant`. A NaN pixel makes its map NaN.
    """
    maps = maps.float()
    low = maps.amin((-2, -1), keepdim=True)
    span = maps.amax((-2, -1), keepdim=True) - low
    return torch.where(span == 0, constant, (maps - low) / torch.where(span == 0, 1.0, span))
