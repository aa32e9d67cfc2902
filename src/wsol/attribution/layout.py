"""How a layer's output holds its maps: (B, C, h, w), as convolutions give it, or otherwise, as transformers do.

Known by the shape and the image's proportions: channels last (B, h, w, C), and tokens (B, N, C), the last h · w of
which are the places, row by row, behind tokens that belong to none (class, distillation, registers).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

EXTRA_TOKENS = 8
"""At most so many tokens of no place are looked for."""


class Layout(NamedTuple):
    """The way from a layer's output to maps (B, C, h, w), and back to an output that holds them."""

    maps: Callable[[Tensor], Tensor]
    output: Callable[[Tensor, Tensor], Tensor]
    """Of the maps and the output as it was, from which comes what belongs to no place."""
    extra: int = 0
    """Tokens of no place."""


AS_IT_IS = Layout(lambda output: output, lambda maps, output: maps)
CHANNELS_LAST = Layout(lambda output: output.permute(0, 3, 1, 2), lambda maps, output: maps.permute(0, 2, 3, 1))


def layout_of(output: object, size: tuple[int, int] | None) -> Layout | None:
    """Of a layer's output where images have this (H, W); None for what holds no maps, or a shape that is not known.

    Four dimensions are maps unless they have the image's proportions as channels last alone.
    """
    if not isinstance(output, Tensor):
        return None
    if output.ndim == 4:
        _, first, second, third = output.shape
        last = size is not None and alike((first, second), size) and not alike((second, third), size)
        return CHANNELS_LAST if last else AS_IT_IS
    if output.ndim == 3 and size is not None:
        grid = token_grid(output.shape[1], size)
        return None if grid is None else _tokens(*grid, output.shape[1] - math.prod(grid))
    return None


def token_grid(tokens: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """Rows and columns (h, w) of the places among so many tokens of an image (H, W), None if there is no such grid.

    The exact proportions of the image come before those within one place, then the fewest tokens of no place.
    """
    for exact in (True, False):
        for places in range(tokens, max(0, tokens - EXTRA_TOKENS - 1), -1):
            width = max(1, round(math.sqrt(places * size[1] / size[0])))
            grid = (places // width, width)
            if math.prod(grid) == places and (grid[0] * size[1] == width * size[0] if exact else alike(grid, size)):
                return grid
    return None


def alike(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """The same proportions, up to one place in the longer direction."""
    return abs(grid[0] * size[1] - grid[1] * size[0]) <= max(size)


def _tokens(height: int, width: int, extra: int) -> Layout:
    def maps(output: Tensor) -> Tensor:
        return output[:, extra:].transpose(1, 2).unflatten(2, (height, width))

    def back(maps: Tensor, output: Tensor) -> Tensor:
        return torch.cat([output[:, :extra], maps.flatten(2).transpose(1, 2)], 1)

    return Layout(maps, back, extra)
