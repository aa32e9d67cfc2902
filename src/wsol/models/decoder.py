"""F-CAM's decoder (Belharbi et al., WACV 2022, figure 2 and Table F.2): a U-Net's way up beside a classifier.

What the paper leaves open is as in its released code: a block doubles its input by nearest neighbour, brings it to the
skip's size (bilinear, corners aligned) where that differs, joins the skip and convolves twice. Where the trunk keeps
its resolution from one stage to the next, a block therefore goes up and down again.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsol.models.layers import scaled

CHANNELS = (256, 128, 64, 32, 16)
"""Of the blocks' outputs at width 1; a decoder with fewer blocks has the first of these."""
BACKGROUND, FOREGROUND = 0, 1
"""Channels of the result."""


class Decoder(nn.Module):
    """From activations (B, C, h, w) and skips to scores (B, 2, H, W) of background and foreground, before softmax.

    in_channels is C; skip_channels those of the skips, from the lowest resolution to the highest; after them comes one
    more block without a skip. Every count but these is the paper's times `width`, as the backbones' are. At width 1.0
    it has 23,119,616 (VGG16), 5,704,384 (InceptionV3) or 9,012,928 (ResNet50) parameters and those of `scores`.
    """

    def __init__(self, in_channels: int, skip_channels: Sequence[int], width: float, centre: bool) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        channels = in_channels
        outputs = [scaled(base, width) for base in CHANNELS[: len(skip_channels) + 1]]
        for skip, out_channels in zip([*skip_channels, 0], outputs, strict=True):
            blocks.append(convolutions(channels + skip, out_channels))
            channels = out_channels
        self.centre = convolutions(in_channels, in_channels) if centre else nn.Identity()
        self.blocks = nn.ModuleList(blocks)
        self.scores = nn.Conv2d(channels, 2, 3, padding=1)
        self._initialise()

    def forward(self, features: Tensor, skips: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """features (B, C, h, w), skips in the order of their channels; (H, W) is the image's size."""
        x = self.centre(features)
        for block, skip in zip(self.blocks, [*skips, None], strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            if skip is not None:
                x = torch.cat([_resized(x, skip.shape[2:]), skip], 1)
            x = block(x)
        return _resized(self.scores(x), size)

    def _initialise(self) -> None:
        """As the released decoder: He uniform convolutions, batch normalisation the identity, Xavier uniform scores."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, mode="fan_in", nonlinearity="relu")
        nn.init.xavier_uniform_(self.scores.weight)
        assert self.scores.bias is not None
        nn.init.zeros_(self.scores.bias)


def convolutions(in_channels: int, out_channels: int) -> nn.Sequential:
    """Twice: a 3 × 3 convolution without bias, batch normalisation, ReLU."""
    return nn.Sequential(
        *(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU()),
        *(nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU()),
    )


def _resized(x: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)
