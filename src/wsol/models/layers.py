"""Channel counts and initial weights that the backbones share."""

from __future__ import annotations

from typing import Literal

from torch import nn


def scaled(channels: int, width: float) -> int:
    """`channels * width` to the nearest multiple of 8 (halves up), at least 8."""
    return max(8, 8 * int(channels * width / 8 + 0.5))


def he_normal(module: nn.Module, fan: Literal["fan_in", "fan_out"]) -> None:
    """He normal initialisation of convolutions for ReLU (He et al., ICCV 2015); N(0, 0.01) for linear layers.

    fan_in keeps the scale of activations, fan_out that of gradients.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode=fan, nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0.0, 0.01)
        _set_shifts(layer)


def xavier_uniform(module: nn.Module) -> None:
    """Xavier uniform initialisation of convolutions and linear layers (Glorot and Bengio, AISTATS 2010)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
        _set_shifts(layer)


def _set_shifts(layer: nn.Module) -> None:
    """Biases 0; batch normalisation starts as the identity."""
    if isinstance(layer, nn.BatchNorm2d):
        nn.init.ones_(layer.weight)
    if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d) and layer.bias is not None:
        nn.init.zeros_(layer.bias)
