"""The attention-based dropout layer (Choe and Shim, CVPR 2019), and where it stands in each backbone.

The layer has no parameters and is the identity at evaluation. So it is no module: it is put behind existing layers for
the length of one training pass. Names in the state dict stay those of the plain classifier, released weights load, and
a trained network is read and used as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from wsol.errors import ParameterError

POSITIONS = {
    # Behind the third pooling and the ReLUs of conv4_3 and conv5_3.
    "vgg16": ("trunk.features.16", "trunk.features.22", "trunk.features.29"),
    # Behind the first block of layer3, and the first and the last of layer4.
    "resnet50": ("trunk.layer3.0", "trunk.layer4.0", "trunk.layer4.2"),
    # Behind Mixed_5d, Mixed_6e and the ReLU of the second new convolution.
    "inceptionv3": ("trunk.Mixed_5d", "trunk.Mixed_6e", "head.neck"),
}
"""Layers of the plain classifier that one stands behind, in the order of the forward pass (released evaluation code of
Choe et al., CVPR 2020)."""


def positions(backbone: str) -> tuple[str, ...]:
    """Raises ParameterError for a backbone that has none."""
    if backbone not in POSITIONS:
        raise ParameterError(
            f"backbone: {backbone!r} has no attention-based dropout ({', '.join(POSITIONS)} have); "
            "add its layers to POSITIONS in src/wsol/models/adl.py"
        )
    return POSITIONS[backbone]


def attention_dropout(features: Tensor, drop: bool, threshold: float) -> Tensor:
    """features (B, C, h, w) times one map an image, which comes from their own attention: the mean over channels.

    With `drop` the most discriminative region goes: the map is 1 where the attention is below `threshold` times its
    maximum in this image, else 0, and carries no gradient. Without, the map is the sigmoid of the attention, and
    gradients also flow through it. The attention is at least float32; the result is of the features' type.
    """
    attention = features.mean(1, keepdim=True, dtype=torch.promote_types(features.dtype, torch.float32))
    if drop:
        kept = attention < threshold * attention.amax((2, 3), keepdim=True)
        return features * kept.to(features.dtype)
    return features * torch.sigmoid(attention).to(features.dtype)


@contextmanager
def inserted(model: nn.Module, layers: Sequence[str], drops: Sequence[bool], threshold: float) -> Iterator[None]:
    """While inside, `attention_dropout` stands behind each of the named layers; drops[i] is what the i-th one does."""
    with ExitStack() as stack:
        for name, drop in zip(layers, drops, strict=True):
            handle = model.get_submodule(name).register_forward_hook(_replace_output(drop, threshold))
            stack.callback(handle.remove)
        yield


def _replace_output(drop: bool, threshold: float) -> Any:
    return lambda module, inputs, output: attention_dropout(output, drop, threshold)


def disable_dropout(model: nn.Module) -> None:
    """Ordinary dropout layers of the model let everything pass from now on, also while training."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
