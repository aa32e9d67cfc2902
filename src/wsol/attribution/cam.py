"""CAM (Zhou et al., CVPR 2016): the class's weights on the last feature map."""

from __future__ import annotations

import torch

from wsol.errors import ParameterError


def class_maps(model: torch.nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps of every class (B, K, h, w) and logits (B, K), from one forward pass."""
    features = model.features(images)  # type: ignore[operator]
    return model.class_maps(features), model.logits(features)  # type: ignore[operator]


def attribute(model: torch.nn.Module, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Maps (B, h, w) of the target classes; no ReLU. Targets (B,) must be class indices of the network."""
    maps, _ = class_maps(model, images)
    wrong = targets[(targets < 0) | (targets >= maps.shape[1])]
    if len(wrong):
        raise ParameterError(f"target {int(wrong[0])} is no class of a network with {maps.shape[1]} classes")
    return maps[torch.arange(len(targets), device=maps.device), targets]
