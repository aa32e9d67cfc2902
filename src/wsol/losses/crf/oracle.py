"""The Gaussian kernel as dense linear algebra in torch, on any device and in any precision.

`kernel_matrix` is the definition; `filtered` multiplies by it a few rows at a time, and is the way of last resort: for
float64, and for a GPU without CuPy.
"""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK_ELEMENTS = 1 << 24


def features(image: Tensor, sigma_rgb: float, sigma_xy: float) -> Tensor:
    """(H·W, 5) of an image (3, H, W), its type kept: x and y in units of σ_xy, then red, green, blue in σ_rgb."""
    _, height, width = image.shape
    y, x = torch.meshgrid(
        torch.arange(height, dtype=image.dtype, device=image.device),
        torch.arange(width, dtype=image.dtype, device=image.device),
        indexing="ij",
    )
    return torch.stack([x / sigma_xy, y / sigma_xy, *(image / sigma_rgb)], dim=-1).reshape(-1, 5)


def kernel_matrix(image: Tensor, sigma_rgb: float, sigma_xy: float) -> Tensor:
    """W (N, N) of an image (3, H, W) with N = H·W pixels in raster order; symmetric, in (0, 1], 1 on the diagonal."""
    points = features(image, sigma_rgb, sigma_xy)
    return _weights(points, points)


def filtered(values: Tensor, images: Tensor, sigma_rgb: float, sigma_xy: float) -> Tensor:
    """W S (B, K, H, W) of values (B, K, H, W) and images (B, 3, H, W) of one type; no N x N buffer."""
    batch, channels, height, width = values.shape
    result = torch.empty_like(values, memory_format=torch.contiguous_format)
    pixels = height * width
    rows = max(1, _CHUNK_ELEMENTS // pixels)
    for index in range(batch):
        points = features(images[index], sigma_rgb, sigma_xy)
        columns = values[index].reshape(channels, pixels).T
        into = result[index].view(channels, pixels)
        for start in range(0, pixels, rows):
            into[:, start : start + rows] = (_weights(points[start : start + rows], points) @ columns).T
    return result


def _weights(some: Tensor, all_of_them: Tensor) -> Tensor:
    # Differences, not |a|² + |b|² - 2ab, which loses two digits in float32.
    exponent = torch.zeros(len(some), len(all_of_them), dtype=some.dtype, device=some.device)
    for axis in range(some.shape[1]):
        difference = some[:, axis, None] - all_of_them[None, :, axis]
        exponent.addcmul_(difference, difference)
    return exponent.mul_(-0.5).exp_()
