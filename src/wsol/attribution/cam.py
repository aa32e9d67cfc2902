"""CAM (Zhou et al., CVPR 2016): the class's weights on the last feature map."""

from __future__ import annotations

import torch

from wsol.errors import ParameterError


def class_maps(model: torch.nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps of every class (B, K, h, w) and logits (B, K), from one forward pass."""
    features = model.features(images)  # type: ignore[operator]
    return model.class_maps(features), model.logits(features)  # type: ignore[operator]


def target_maps(
    model: torch.nn.Module, images: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps (B, h, w) of one class an image and logits (B, K): those of `class_maps`, without the other classes' cost.

    A head whose maps cost more for each class, because the class changes what the network computes, gives them itself
    (`head.target_maps(features, targets)`, as ACoL's does).
    """
    features = model.features(images)  # type: ignore[operator]
    logits = model.logits(features)  # type: ignore[operator]
    wrong = targets[(targets < 0) | (targets >= logits.shape[1])]
    if len(wrong):
        raise ParameterError(f"target {int(wrong[0])} is no class of a network with {logits.shape[1]} classes")
    own = getattr(getattr(model, "head", None), "target_maps", None)
    if own is not None:
        return own(features, targets), logits
    maps = model.class_maps(features)  # type: ignore[operator]
    return maps[torch.arange(len(targets), device=maps.device), targets], logits


def attribute(model: torch.nn.Module, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Maps (B, h, w) of the target classes; no ReLU. Targets (B,) must be class indices of the network."""
    return target_maps(model, images, targets)[0]
