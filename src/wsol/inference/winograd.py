"""A 3 × 3 convolution with a quarter of the products: Winograd's algorithm F(4 × 4, 3 × 3) on a CPU.

Lavin & Gray, "Fast algorithms for convolutional neural networks", CVPR 2016. A tile of 6 × 6 inputs is transformed, its
36 values are multiplied with those of the transformed weights, one product of matrices each, and transformed to 4 × 4
outputs: 36 multiplications where 144 are. The root-mean-square error in float32 is 1.2 to 2.3 times that of oneDNN's
convolution on the layers of `benchmarks/inference.py`.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wsol.inference.transforms import FAR, IN, LANES, NEAR, OUT, to_frequencies, to_outputs

TILES = 192
"""Tiles at a time, at least one band of them: few enough for the caches, enough for the products."""


def suits(weight: Tensor, stride: list[int], padding: list[int], dilation: list[int], groups: int) -> bool:
    """Whether a convolution is one of these: weight (K, C, 3, 3), K and C multiples of 16, and 32 at least."""
    return (
        weight.dtype == torch.float32
        and tuple(weight.shape[2:]) == (3, 3)
        and all(channels % LANES == 0 and channels >= 2 * LANES for channels in weight.shape[:2])
        and (list(stride), list(dilation), groups) == ([1, 1], [1, 1], 1)
        and padding[0] == padding[1]
        and 0 <= padding[0] <= 2
    )


def multiplications(height: int, width: int) -> float:
    """Those of an output of this size as a share of the convolution's own: 1/4 where tiles fit, more at small sizes."""
    return IN * IN * -(-height // OUT) * -(-width // OUT) / (9 * height * width)


def weight_transform() -> Tensor:
    """G (6, 3), float64: each point's powers over the product of its distances from the other points; infinity last."""
    points = [0.0, NEAR, -NEAR, FAR, -FAR]
    rows = []
    for point in points:
        scale = np.prod([point - other for other in points if other != point])
        rows.append([point**power / scale for power in range(3)])
    return torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)


class Scratch(threading.local):
    """Memory that a thread uses again from convolution to convolution: fresh one costs as much as a transform."""

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def floats(self, name: str, count: int) -> Tensor:
        """(count,) of any values; the same memory as the last of this name."""
        if name not in self._kept or len(self._kept[name]) < count:
            self._kept[name] = torch.empty(count)
        return self._kept[name][:count]


class Winograd:
    """x (B, C, H, W) → (B, K, H + 2p - 2, W + 2p - 2), channels last, of weight (K, C, 3, 3) and bias (K,) or None.

    `relu`: the outputs' negative values become 0. Threads may share one.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, padding: int, relu: bool, scratch: Scratch) -> None:
        transform, (filters, channels) = weight_transform(), weight.shape[:2]
        taps = weight.permute(2, 3, 1, 0).reshape(9, channels * filters).double()
        spectrum = torch.kron(transform, transform) @ taps
        self._weight = spectrum.float().reshape(IN * IN, channels, filters)
        self._bias = np.zeros(filters, np.float32) if bias is None else bias.detach().numpy()
        self._padding, self._lowest = padding, np.float32(0 if relu else -np.inf)
        self._scratch = scratch

    def __call__(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        batch, channels, height, width = x.shape
        filters = self._weight.shape[2]
        out_height, out_width = (side + 2 * self._padding - 2 for side in (height, width))
        down, across = -(-out_height // OUT), -(-out_width // OUT)
        bands, band = batch * down, max(1, min(batch * down, TILES // across))
        made = torch.empty((batch, filters, out_height, out_width), memory_format=torch.channels_last)
        source, target = _flat(x), _flat(made)
        sizes = (batch, height, width, channels, across), (batch, out_height, out_width, filters, across)
        lines = self._scratch.floats("lines", 2 * IN * (OUT * across + 2) * channels).numpy()
        parts = self._scratch.floats("parts", (IN * OUT + OUT) * filters).numpy()
        for first in range(0, bands, band):
            here = (first, min(first + band, bands))
            count = (here[1] - here[0]) * across
            tiles = self._scratch.floats("tiles", IN * IN * count * channels)
            products = self._scratch.floats("products", IN * IN * count * filters)
            to_frequencies(source, sizes[0], self._padding, here, tiles.numpy(), lines)
            by_frequency = tiles.view(count, IN * IN, channels).transpose(0, 1)
            torch.bmm(by_frequency, self._weight, out=products.view(IN * IN, count, filters))
            to_outputs(products.numpy(), sizes[1], here, self._bias, self._lowest, target, parts)
        return made


def _flat(x: Tensor) -> Any:
    """The values of a channels-last tensor in the order of its memory."""
    return x.permute(0, 2, 3, 1).reshape(-1).numpy()
