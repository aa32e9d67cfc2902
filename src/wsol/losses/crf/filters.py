"""Which implementation multiplies by W: chosen by kernel, device and type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from wsol.losses.crf import oracle

Filter = Callable[[Tensor, Tensor, float, float], Tensor]
"""W S (B, K, H, W) from values (B, K, H, W), images (B, 3, H, W) of their type and device, σ_rgb and σ_xy."""


def gaussian(values: Tensor, images: Tensor, sigma_rgb: float, sigma_xy: float, threads: int = 1) -> Tensor:
    """The exact kernel: Numba on a CPU, by series for large images and by pairs for small ones; CuPy on a GPU.

    In torch for float64, and where CuPy is missing.
    """
    if values.dtype == torch.float64:
        return oracle.filtered(values, images, sigma_rgb, sigma_xy)
    if values.is_cuda:
        from wsol.losses.crf import cuda

        if cuda.available():
            return cuda.filtered(values, images, sigma_rgb, sigma_xy)
    if values.device.type != "cpu":
        return oracle.filtered(values, images, sigma_rgb, sigma_xy)
    from wsol.losses.crf.cpu import exact, series

    height, width = values.shape[2:]
    engine = series if series.suits(height, width, sigma_rgb, sigma_xy) else exact
    return torch.from_numpy(engine.filtered(_array(values), _array(images), sigma_rgb, sigma_xy, threads))


def lattice(values: Tensor, images: Tensor, sigma_rgb: float, sigma_xy: float, threads: int = 1) -> Tensor:
    """The permutohedral lattice: Numba on the CPU in float32, wherever the tensors are."""
    from wsol.losses.crf.cpu import lattice as engine

    result = engine.filtered(_array(values), _array(images), sigma_rgb, sigma_xy, threads)
    return torch.from_numpy(result).to(device=values.device, dtype=values.dtype)


def _array(tensor: Tensor) -> Any:
    return tensor.detach().to(device="cpu", dtype=torch.float32).contiguous().numpy()
