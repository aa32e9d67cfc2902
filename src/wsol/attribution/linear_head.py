"""Heads whose gradient is known without a backward pass: global average pooling and a linear layer, in either order.

There ∂ score_y / ∂A_k is w_yk / n at each of the n = h · w places, whatever the image. So maps of every class follow
from one forward pass without a graph. A head is recognised by its structure and checked in every pass: what its last
linear layer read must be the mean of the activations, and what it gave must be the scores.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wsol.attribution.capture import Call

MEMORY = 2**25
"""Largest number of coefficients (images × classes × channels) that are held at a time."""


def head_weight(activation: Tensor, call: Call | None, scores: Tensor) -> Tensor | None:
    """W (K, C) if scores (B, K) are W · mean(activation (B, C, h, w)) + b of the last linear layer, else None."""
    if call is None or not call.intact:
        return None
    weight: Any = call.module.weight
    classes, channels = weight.shape[:2]
    if channels != activation.shape[1] or scores.shape != (len(activation), classes):
        return None
    if isinstance(call.module, nn.Linear):
        read, expected, given = call.input, activation.mean((2, 3)), call.output
        if read.shape != expected.shape or given.shape != scores.shape:
            return None
    else:
        read, expected = call.input, activation
        if read.shape != expected.shape:
            return None
        given = call.output.mean((2, 3))
    # Channel by channel: a few negative values that a ReLU takes away before the pooling must not pass.
    size = expected.abs() if isinstance(call.module, nn.Conv2d) else activation.abs().mean((2, 3))
    same = ((read - expected).abs() <= _tolerance(activation, read) * size).all()
    same = same & ((given - scores).abs() <= _tolerance(given, scores) * given.abs().amax()).all()
    return weight.detach().reshape(classes, channels) if bool(same) else None


def linear_maps(method: Any, activation: Tensor, weight: Tensor, targets: Tensor | None, **options: Any) -> Tensor:
    """Maps (B, T, h, w) of the classes targets (B, T), or of every class, from activations (B, C, h, w) and W (K, C).

    method: a module with `linear_coefficients(weight, mean, places, **options)`, as `wsol.attribution.gradcam`.
    """
    activation = activation.to(torch.promote_types(activation.dtype, torch.float32))
    weight = weight.to(activation.dtype)
    images, channels, height, width = activation.shape
    flat = activation.flatten(2)
    mean = flat.mean(2)[:, None]
    chosen = weight[None] if targets is None else weight[targets]
    at_once = max(1, MEMORY // (images * channels))
    parts = []
    for start in range(0, chosen.shape[1], at_once):
        part = method.linear_coefficients(chosen[:, start : start + at_once], mean, height * width, **options)
        parts.append(torch.matmul(part, flat))
    return torch.cat(parts, 1).relu_().reshape(images, -1, height, width)


def maps_from_features(method: str, model: Any, features: Tensor, targets: Tensor | None, **options: Any) -> Tensor:
    """Maps (B, h, w) of one class an image from the CAM layer's activations, with no second pass through the trunk.

    method: cam, gradcam, gradcam_pp, smooth_gradcam_pp, xgradcam or layercam; model: a network with `logits` and
    `class_maps`; features (B, C, h, w) as `model.features` gives them; targets (B,), or (B, T) and None for maps
    (B, T, h, w) and (B, K, h, w). Raises ParameterError, also for smooth_gradcam_pp with a head whose gradient depends
    on the image: its noisy copies need the trunk.
    """
    from wsol.attribution.family import features_maps

    return features_maps(method, model, features, targets, options)


def _tolerance(*tensors: Tensor) -> float:
    """Relative rounding of a mean in the coarsest of the types; half precision rounds once, at the end."""
    coarsest = max(torch.finfo(tensor.dtype).eps for tensor in tensors)
    return (64 if coarsest < 1e-6 else 4) * coarsest
