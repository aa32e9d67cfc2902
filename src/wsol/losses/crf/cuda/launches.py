"""What the kernel is given: pixels of a batch in an order of alike ones, in tiles with boxes; torch on any device."""

from __future__ import annotations

import math
from importlib import resources
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from wsol.losses.crf.oracle import features

TILE = 64
ROWS = 4
CUTOFF = 6.0
"""In σ, as on the CPU: a weight left out is below exp(-18)."""

_EXPONENT = math.sqrt(0.5 * math.log2(math.e))
_CELL_BITS = 6


class Device(Protocol):
    """Where the kernel runs: launches with tensors, int (C int) and float (C double)."""

    def launch(self, kernel: str, blocks: int, threads: int, *arguments: Any) -> None: ...


class Tiles(NamedTuple):
    """Pixels of B images in tiles of 64, the last ones repeated to fill the last tile.

    order (B, N): pixel at each place; points (B, T · 64, 5), weights being 2^-|difference|²; low, high (B, T, 5).
    """

    order: Tensor
    points: Tensor
    low: Tensor
    high: Tensor


def source() -> str:
    """The text of the CUDA module."""
    return (resources.files("wsol.losses.crf.cuda") / "gaussian.cu").read_text(encoding="utf-8")


def tiles_of(images: Tensor, sigma_rgb: float, sigma_xy: float) -> Tiles:
    """Of images (B, 3, H, W), float32."""
    points = features(images, sigma_rgb, sigma_xy)
    order = cell_codes(points).argsort(dim=1, stable=True)
    points = points.gather(1, order[..., None].expand(-1, -1, 5)) * _EXPONENT
    missing = -points.shape[1] % TILE
    points = torch.cat([points, points[:, -1:].expand(-1, missing, -1)], dim=1)
    boxes = points.unflatten(1, (-1, TILE))
    return Tiles(order, points, boxes.amin(2).contiguous(), boxes.amax(2).contiguous())


def cell_codes(points: Tensor) -> Tensor:
    """Places (B, N), int64, on a curve through cells of one σ that visits near ones together: interleaved bits."""
    cells = points.floor().clamp(0, 2**_CELL_BITS - 1).long()
    codes = torch.zeros_like(cells[..., 0])
    for bit in reversed(range(_CELL_BITS)):
        for axis in range(points.shape[-1]):
            codes = 2 * codes + (cells[..., axis] >> bit & 1)
    return codes


def filtered(device: Device, values: Tensor, images: Tensor, sigma_rgb: float, sigma_xy: float) -> Tensor:
    """W S (B, K, H, W) of float32 values (B, K, H, W) and images (B, 3, H, W)."""
    batch, channels, height, width = values.shape
    pixels = height * width
    tiles = tiles_of(images, sigma_rgb, sigma_xy)
    count = tiles.low.shape[1]
    limit = (CUTOFF * _EXPONENT) ** 2
    result = torch.empty_like(values, memory_format=torch.contiguous_format)
    packed = F.pad(tiles.points, (0, 3))
    sums = torch.empty(batch, count * TILE, 2, dtype=torch.float32, device=values.device)
    for first in range(0, channels, 2):
        here = min(2, channels - first)
        places = tiles.order[:, None].expand(-1, here, -1)
        ordered = values[:, first : first + here].reshape(batch, here, pixels).gather(2, places)
        packed[:, :pixels, 5 : 5 + here] = ordered.transpose(1, 2)
        packed[:, :, 5 + here :] = 0
        blocks = batch * -(-count // ROWS)
        device.launch("gaussian_rows", blocks, TILE, packed, tiles.low, tiles.high, count, limit, sums)
        into = torch.empty_like(ordered).scatter_(2, places, sums[:, :pixels, :here].transpose(1, 2))
        result[:, first : first + here] = into.view(batch, here, height, width)
    return result
