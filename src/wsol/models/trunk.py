"""The convolutional part that carries pretrained weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from torch import Tensor, nn


class Trunk(nn.Module):
    """Base of the backbones. Its parameter names are torchvision's, so that released weights load by name."""

    stage_names: ClassVar[tuple[str, ...]]
    conv_classifier: ClassVar[bool] = False
    """Whether the plain classifier is a 1 × 1 convolution before the pooling (else a linear layer after it)."""
    head_rate_prefixes: ClassVar[tuple[str, ...]] = ()
    """Parameters of the trunk that train at the head's learning rate."""
    released_only_prefixes: ClassVar[tuple[str, ...]] = ()
    """Parameters of torchvision's network that lie behind the trunk."""
    released_classifiers: ClassVar[Mapping[str, str]] = {}
    """torchvision's classifier parameters, and where they belong in a network whose head has them in that shape."""

    decoder_skips: ClassVar[tuple[str, ...]] = ()
    """Stages that a U-Net decoder joins, from the lowest resolution to the highest (F-CAM, Table F.2)."""
    decoder_centre: ClassVar[bool] = False
    """Whether such a decoder begins with a block of its own, before it goes up."""

    out_channels: int
    stage_channels: dict[str, int]
    """Of each of `stage_names`."""

    def walk(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Stage by stage (name, activations), so that a caller keeps only what it needs."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """The last stage's activations (B, out_channels, h, w)."""
        activations = images
        for _, activations in self.walk(images):  # noqa: B007 the last one is the result
            pass
        return activations

    def make_neck(self) -> tuple[nn.Module, int]:
        """New layers between the trunk and the CAM layer of the published classifier, and their output channels."""
        return nn.Identity(), self.out_channels

    def initialise(self, new_layers: nn.Module) -> None:
        """Draw initial weights of layers that no released file has."""
        raise NotImplementedError
