"""A copy of a classifier that is made for many forward passes on a CPU, at equal scores.

Batch normalisation is folded into the convolutions, activations and sums are joined to them, for layers that only move
memory cost as much as these do; and 3 × 3 convolutions take Winograd's algorithm (`wsol.inference.winograd`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from wsol.errors import ParameterError
from wsol.inference.graph import Program

WORTH = 5e9
"""Parameters × pixels / 32² × forward passes from which on a copy repays its making (0.4 s for a slim ResNet50, 1.5 s
for the published one, on two cores)."""
TOLERANCE = 1e-5
"""Largest difference of a score, in units of the largest score."""


def for_many_passes(
    model: nn.Module, images: Tensor, passes: int, scores_of: Callable[[Any], Tensor]
) -> Callable[[Tensor], Any]:
    """A function from images like `images` (B, 3, H, W) to what `scores_of` reads, for `passes` images to come.

    The model itself where a copy would not repay its making, on a GPU, under autocast, with hooks, where none can be
    made and where its scores differ. Call it in evaluation mode, without gradients; the copy keeps the weights of now,
    and threads may share it. `scores_of` takes the scores (B, K) out of what the model returns.
    """
    parameters = sum(parameter.numel() for parameter in model.parameters())
    work = parameters * images.shape[2] * images.shape[3] / 32**2 * passes
    if work < WORTH or images.device.type != "cpu" or torch.is_autocast_enabled("cpu") or _hooked(model):
        return model
    # As the passes to come will be: the image, a part of it, nothing.
    few = torch.cat([images[:1], images[:1] * 0.5, torch.zeros_like(images[:1])])
    # Of another number of images as well, for a trace may hold for one only.
    samples = [(images, scores_of(model(images))) for images in (few, few[1:2])]
    for make in (program, fused, folded):
        try:
            copy = make(model, few)
            if all(_alike(scores_of(copy(some)), wanted) for some, wanted in samples):
                return copy
        except (RuntimeError, ValueError, TypeError, AttributeError, ParameterError):
            continue  # of whatever kind the model is, it can be run as it is
    return model


def program(model: nn.Module, images: Tensor) -> Callable[[Tensor], Any]:
    """As `fused`, with Winograd's algorithm where it pays; fails where that is nowhere."""
    return Program(folded(model, images))


def fused(model: nn.Module, images: Tensor) -> Callable[[Tensor], Any]:
    """As `folded`, with activations and sums joined to the convolutions; fails with layers that oneDNN has not."""
    trace = folded(model, images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.optimize_for_inference(trace)


def folded(model: nn.Module, images: Tensor) -> Any:
    """A frozen trace: batch normalisation is part of the convolutions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of traced branches, which the comparison judges, and of TorchScript's age
        return torch.jit.freeze(torch.jit.trace(model, images, check_trace=False))


def _alike(scores: Tensor, wanted: Tensor) -> bool:
    return bool((scores - wanted).abs().max() <= TOLERANCE * wanted.abs().max())


def _hooked(model: nn.Module) -> bool:
    return any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
