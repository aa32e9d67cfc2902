"""The loss as a function of tensors: checks, the released code's scaling, and the gradient."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from wsol.errors import DataError, ParameterError
from wsol.losses.crf.filters import Filter, gaussian, lattice

KERNELS = ("exact", "lattice")


def crf_loss(
    probabilities: Tensor,
    images: Tensor,
    *,
    sigma_rgb: float = 15.0,
    sigma_xy: float = 100.0,
    scale: float = 1.0,
    kernel: str = "exact",
    threads: int | None = None,
) -> Tensor:
    """-(1/B) Σ_images Σ_k S_k' W S_k, a scalar with a gradient to `probabilities`.

    probabilities (B, K, H, W), floats, in [0, 1] for the loss to mean what it should; images (B, 3, H, W), RGB in
    0...255 of any type, without a gradient. Half precision is computed in float32 and gives a float32 loss.

    sigma_rgb is in grey levels, sigma_xy in pixels of the unscaled image. scale in (0, 1]: images are resized by
    nearest neighbour and probabilities bilinearly, as in the released code, with sigma_xy · scale for σ_xy.

    kernel: `exact`, or `lattice`, the released permutohedral approximation, which gives 0.5 to 0.65 of the exact loss:
    a weight of this loss belongs to one of them. `lattice` always runs on the CPU, and takes W for symmetric in its
    gradient, as the released code does.

    threads: on the CPU, torch's number by default; they change the time, not the value.

    Raises ParameterError for a number out of range or an unknown kernel, DataError for tensors that do not fit.
    """
    _check_parameters(sigma_rgb, sigma_xy, scale, kernel)
    _check_tensors(probabilities, images)
    dtype = torch.float64 if probabilities.dtype == torch.float64 else torch.float32
    values = probabilities.to(dtype)
    colours = images.detach().to(device=values.device, dtype=dtype)
    if scale != 1.0:
        values, colours = _scaled(values, colours, scale)
    threads = torch.get_num_threads() if threads is None else threads
    if threads < 1:
        raise ParameterError(f"CRF loss: threads is {threads}; give at least 1")
    filtered = partial(gaussian if kernel == "exact" else lattice, threads=threads)
    return _QuadraticForm.apply(values, colours, filtered, float(sigma_rgb), float(sigma_xy) * scale)


class _QuadraticForm(torch.autograd.Function):
    """-(1/B) Σ S' W S and its gradient -2 W S / B."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, images: Tensor, filtered: Filter, sigma_rgb: float, sigma_xy: float
    ) -> Tensor:
        smoothed = filtered(values.detach(), images, sigma_rgb, sigma_xy)
        ctx.save_for_backward(smoothed)
        # Sums of some ten million products: float32 would lose digits that the filters have.
        return -(values.double() * smoothed).sum().div(len(values)).to(values.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        (smoothed,) = ctx.saved_tensors
        return smoothed * (gradient * (-2.0 / len(smoothed))), None, None, None, None


def _scaled(values: Tensor, colours: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    height, width = values.shape[2:]
    if min(int(height * scale), int(width * scale)) < 1:
        raise ParameterError(f"CRF loss: scale {scale} leaves no pixel of {height} x {width}; take a larger one")
    # The factor itself, not the ratio of the sizes it leads to, says where samples lie.
    values = F.interpolate(
        values, scale_factor=scale, mode="bilinear", align_corners=False, recompute_scale_factor=False
    )
    return values, F.interpolate(colours, scale_factor=scale, mode="nearest", recompute_scale_factor=False)


def _check_parameters(sigma_rgb: float, sigma_xy: float, scale: float, kernel: str) -> None:
    if kernel not in KERNELS:
        raise ParameterError(f"CRF loss: kernel {kernel!r} is not known; choose among {', '.join(KERNELS)}")
    for name, value in (("sigma_rgb", sigma_rgb), ("sigma_xy", sigma_xy)):
        if not 0 < value < float("inf"):
            raise ParameterError(f"CRF loss: {name} is {value}; give a positive number")
    if not 0 < scale <= 1:
        raise ParameterError(f"CRF loss: scale is {scale}; give a number above 0, at most 1")


def _check_tensors(probabilities: Tensor, images: Tensor) -> None:
    if probabilities.ndim != 4 or 0 in probabilities.shape or not probabilities.is_floating_point():
        raise DataError(
            f"CRF loss: probabilities have shape {tuple(probabilities.shape)} and type {probabilities.dtype}; "
            "give floats (B, K, H, W)"
        )
    batch, _, height, width = probabilities.shape
    if tuple(images.shape) != (batch, 3, height, width):
        raise DataError(
            f"CRF loss: images have shape {tuple(images.shape)}, which does not go with probabilities of shape "
            f"{tuple(probabilities.shape)}; give RGB images {(batch, 3, height, width)}"
        )
    low, high = (float(value) for value in images.detach().aminmax())
    if not (low >= 0 and high <= 255):
        raise DataError(f"CRF loss: images have values from {low:g} to {high:g}; give RGB in 0...255, not normalised")
