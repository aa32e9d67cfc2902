"""The Gaussian kernel as dense linear algebra in torch, on any device and in any precision.

`kernel_matrix` is the definition; `filtered` multiplies by it a few rows at a time, and is the way of last resort: for
float64, and for a GPU without CuPy.
"""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK_ELEMENTS = {"cpu": 1 << 18, "cuda": 1 << 24}  # in a core's cache; enough for a GPU's threads


def features(images: Tensor, sigma_rgb: float, sigma_xy: float) -> Tensor:
    """(..., H·W, 5) of images (..., 3, H, W), their type kept: x and y in units of σ_xy, red, green, blue in σ_rgb."""
    height, width = images.shape[-2:]
    y, x = (torch.arange(size, dtype=images.dtype, device=images.device) / sigma_xy for size in (height, width))
    place = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])
    place = place.expand(*images.shape[:-3], 2, height, width)
    return torch.cat([place, images / sigma_rgb], dim=-3).flatten(-2).transpose(-1, -2)


def kernel_matrix(image: Tensor, sigma_rgb: float, sigma_xy: float) -> Tensor:
    """W (N, N) of an image (3, H, W) with N = H·W pixels in raster order; symmetric, in (0, 1], 1 on the diagonal."""
    axes = features(image, sigma_rgb, sigma_xy).T.contiguous()
    return _weights(axes, axes)


def filtered(values: Tensor, images: Tensor, sigma_rgb: float, sigma_xy: float) -> Tensor:
    """W S (B, K, H, W) of values (B, K, H, W) and images (B, 3, H, W) of one type; no N x N buffer."""
    batch, channels, height, width = values.shape
    result = torch.empty_like(values, memory_format=torch.contiguous_format)
    pixels = height * width
    rows = max(1, _CHUNK_ELEMENTS.get(values.device.type, 1 << 22) // pixels)
    for index in range(batch):
        axes = features(images[index], sigma_rgb, sigma_xy).T.contiguous()
        columns = values[index].reshape(channels, pixels).T
        into = result[index].view(channels, pixels)
        for start in range(0, pixels, rows):
            into[:, start : start + rows] = (_weights(axes[:, start : start + rows], axes) @ columns).T
    return result


def _weights(some: Tensor, every: Tensor) -> Tensor:
    """Rows (n, N) of W from the features (5, n) and (5, N)."""
    # Differences, not |a|² + |b|² - 2ab, which loses two digits in float32.
    exponent = (some[0, :, None] - every[0]).square_()
    for one, other in zip(some[1:], every[1:], strict=True):
        difference = one[:, None] - other
        exponent.addcmul_(difference, difference)
    return exponent.mul_(-0.5).exp_()
