"""Gradients of class scores with respect to the image: what the gradient baselines have in common.

The score of a class is the network's own output: the logit of a plain classifier, log p(y|x) of CALM.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from wsol.data.transforms import denormalise
from wsol.errors import ParameterError
from wsol.training.seeds import stream_seed


def input_gradients(model: Any, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """∂ score_y / ∂x (B, 3, H, W) of one class an image, and the scores of every class (B, K).

    images (B, 3, H, W) normalised; targets (B,) class indices. Works below `no_grad` and `inference_mode` too. The
    network is read in evaluation mode and left as it was: mode, parameters and their gradients. Raises ParameterError
    for a target that is no class.
    """
    with evaluating(model), torch.inference_mode(False), torch.enable_grad():
        pixels = images.detach().clone().requires_grad_()
        scores = model(pixels)
        wrong = targets[(targets < 0) | (targets >= scores.shape[1])]
        if len(wrong):
            raise ParameterError(f"target {int(wrong[0])} is no class of a network with {scores.shape[1]} classes")
        # Images do not meet in evaluation mode, so the gradient of the sum holds each image's own.
        (gradients,) = torch.autograd.grad(scores[torch.arange(len(targets)), targets].sum(), pixels)
    return gradients, scores.detach()


def sensitivity(model: Any, images: Tensor, targets: Tensor) -> Tensor:
    """max over channels of |∂ score_y / ∂x| (B, H, W), not negative."""
    return input_gradients(model, images, targets)[0].abs().amax(1)


def scores_of(model: Any, images: Tensor) -> Tensor:
    """Scores of every class (B, K), in evaluation mode and without a gradient."""
    with evaluating(model), torch.no_grad():
        return model(images)


def noisy(images: Tensor, samples: int, spread: float, seed: int) -> Iterator[Tensor]:
    """`samples` copies of the images (B, 3, H, W) with Gaussian noise of σ = spread · (max - min) of each image.

    An image's noise is drawn, on the CPU, from a stream that `seed` and its own pixels (as 8 bits) name. So it depends
    neither on the batch, nor on the device, nor on the class asked for. Raises ParameterError.
    """
    if samples < 1 or spread < 0:
        raise ParameterError(
            f"samples {samples} must be at least 1 and spread {spread} not negative; the papers' 50, 0.25"
        )
    extent = images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True)
    return with_noise(images, samples, spread * extent, seed)


def with_noise(images: Tensor, samples: int, sigma: Tensor | float, seed: int) -> Iterator[Tensor]:
    """`samples` copies of the images (B, 3, H, W) with Gaussian noise of this σ, drawn as for `noisy`."""
    streams = [torch.Generator().manual_seed(number) for number in image_seeds(images, seed)]
    for _ in range(samples):
        draws = torch.stack([torch.randn(images.shape[1:], generator=stream) for stream in streams])
        yield images + draws.to(images) * sigma


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """The network in evaluation mode; afterwards every module is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    if any(mode for _, mode in modes):
        model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def image_seeds(images: Tensor, seed: int) -> list[int]:
    """One seed an image of (B, 3, H, W), from `seed` and its own pixels as 8 bits: neither batch nor device matter."""
    pixels = denormalise(images).cpu().contiguous().numpy()
    return [stream_seed(seed, "noise", hashlib.sha256(image.tobytes()).hexdigest()) for image in pixels]
