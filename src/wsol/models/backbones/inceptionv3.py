"""InceptionV3 (Szegedy et al., CVPR 2016) for localisation: torchvision's network up to Mixed_6e.

Changes of the evaluation protocol (Choe et al., CVPR 2020): the first convolution and both pools of the stem are
padded, Mixed_6a has stride 1, and 14 × 14 maps come from one more pool before it. Side of the map at 224 px:
112, 110, 110, 56, 54, 28 and then 28 or 14. F-CAM's released code pads every 3 × 3 convolution (`padded`): 112, 112,
112, 57, 57, 29 and then 29 or 15.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from wsol.models.layers import scaled, xavier_uniform
from wsol.models.trunk import Trunk


def build(width: float, map_stride: int, padded: bool = False) -> InceptionV3:
    """`padded`: every 3 × 3 convolution of the stem keeps its input's resolution, as in F-CAM's released code."""
    return InceptionV3(width, map_stride, padded)


class InceptionV3(Trunk):
    """Stages at 224 px, width 1: conv2 64 @ 110, conv3 80 @ 56, conv4 192 @ 54, mixed5 288 @ 28, mixed6 768 @ map."""

    stage_names = ("conv2", "conv3", "conv4", "mixed5", "mixed6")
    decoder_skips = ("mixed6", "mixed5", "conv3", "conv2")
    conv_classifier = True
    released_only_prefixes = ("AuxLogits.", "Mixed_7", "fc.")

    def __init__(self, width: float, map_stride: int, padded: bool = False) -> None:
        super().__init__()
        self.width = width
        c32, c64, c80, c192 = (scaled(channels, width) for channels in (32, 64, 80, 192))
        self.Conv2d_1a_3x3 = ConvUnit(3, c32, 3, stride=2, padding=1)
        self.Conv2d_2a_3x3 = ConvUnit(c32, c32, 3, padding=int(padded))
        self.Conv2d_2b_3x3 = ConvUnit(c32, c64, 3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.Conv2d_3b_1x1 = ConvUnit(c64, c80, 1)
        self.Conv2d_4a_3x3 = ConvUnit(c80, c192, 3, padding=int(padded))
        self.maxpool2 = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.Mixed_5b = Mixed5(c192, 32, width)
        self.Mixed_5c = Mixed5(self.Mixed_5b.out_channels, 64, width)
        self.Mixed_5d = Mixed5(self.Mixed_5c.out_channels, 64, width)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True) if map_stride == 16 else nn.Identity()
        self.Mixed_6a = Mixed6a(self.Mixed_5d.out_channels, width)
        self.Mixed_6b = Mixed6(self.Mixed_6a.out_channels, 128, width)
        self.Mixed_6c = Mixed6(self.Mixed_6b.out_channels, 160, width)
        self.Mixed_6d = Mixed6(self.Mixed_6c.out_channels, 160, width)
        self.Mixed_6e = Mixed6(self.Mixed_6d.out_channels, 192, width)
        self.out_channels = self.Mixed_6e.out_channels
        channels = (c64, c80, c192, self.Mixed_5d.out_channels, self.out_channels)
        self.stage_channels = dict(zip(self.stage_names, channels, strict=True))
        xavier_uniform(self)

    def walk(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(images)))
        yield "conv2", x
        x = self.Conv2d_3b_1x1(self.maxpool1(x))
        yield "conv3", x
        x = self.Conv2d_4a_3x3(x)
        yield "conv4", x
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.maxpool2(x))))
        yield "mixed5", x
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(self.maxpool3(x))))
        yield "mixed6", self.Mixed_6e(self.Mixed_6d(x))

    def make_neck(self) -> tuple[nn.Module, int]:
        channels = scaled(1024, self.width)
        layers = [
            *(nn.Dropout(0.5), nn.Conv2d(self.out_channels, channels, 3, padding=1), nn.ReLU()),
            *(nn.Dropout(0.5), nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()),
        ]
        return nn.Sequential(*layers), channels

    def initialise(self, new_layers: nn.Module) -> None:
        xavier_uniform(new_layers)


class ConvUnit(nn.Module):
    """Convolution without bias, batch normalisation (ε 0.001), ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        self.relu = nn.ReLU()
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


class Mixed5(nn.Module):
    """Four branches: 1 × 1, 5 × 5, two 3 × 3, pooled (figure 5 of the paper)."""

    def __init__(self, in_channels: int, pool_channels: int, width: float) -> None:
        super().__init__()
        c48, c64, c96 = (scaled(channels, width) for channels in (48, 64, 96))
        self.branch1x1 = ConvUnit(in_channels, c64, 1)
        self.branch5x5_1 = ConvUnit(in_channels, c48, 1)
        self.branch5x5_2 = ConvUnit(c48, c64, 5, padding=2)
        self.branch3x3dbl_1 = ConvUnit(in_channels, c64, 1)
        self.branch3x3dbl_2 = ConvUnit(c64, c96, 3, padding=1)
        self.branch3x3dbl_3 = ConvUnit(c96, c96, 3, padding=1)
        self.pool = nn.AvgPool2d(3, stride=1, padding=1)
        self.branch_pool = ConvUnit(in_channels, scaled(pool_channels, width), 1)
        self.out_channels = c64 + c64 + c96 + self.branch_pool.out_channels

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.branch1x1(x),
            self.branch5x5_2(self.branch5x5_1(x)),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            self.branch_pool(self.pool(x)),
        ]
        return torch.cat(branches, 1)


class Mixed6a(nn.Module):
    """The grid reduction with stride 1 and padding 1 in place of stride 2 and none: it keeps the resolution."""

    def __init__(self, in_channels: int, width: float) -> None:
        super().__init__()
        c64, c96, c384 = (scaled(channels, width) for channels in (64, 96, 384))
        self.branch3x3 = ConvUnit(in_channels, c384, 3, padding=1)
        self.branch3x3dbl_1 = ConvUnit(in_channels, c64, 1)
        self.branch3x3dbl_2 = ConvUnit(c64, c96, 3, padding=1)
        self.branch3x3dbl_3 = ConvUnit(c96, c96, 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.out_channels = c384 + c96 + in_channels

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, self.pool(x)], 1)


class Mixed6(nn.Module):
    """Four branches: 1 × 1, 7 × 7 as 1 × 7 and 7 × 1, the same twice, pooled (figure 6 of the paper)."""

    def __init__(self, in_channels: int, inner_channels: int, width: float) -> None:
        super().__init__()
        c192, inner = scaled(192, width), scaled(inner_channels, width)
        row: tuple[tuple[int, int], tuple[int, int]] = ((1, 7), (0, 3))
        column: tuple[tuple[int, int], tuple[int, int]] = ((7, 1), (3, 0))
        self.branch1x1 = ConvUnit(in_channels, c192, 1)
        self.branch7x7_1 = ConvUnit(in_channels, inner, 1)
        self.branch7x7_2 = ConvUnit(inner, inner, row[0], padding=row[1])
        self.branch7x7_3 = ConvUnit(inner, c192, column[0], padding=column[1])
        self.branch7x7dbl_1 = ConvUnit(in_channels, inner, 1)
        self.branch7x7dbl_2 = ConvUnit(inner, inner, column[0], padding=column[1])
        self.branch7x7dbl_3 = ConvUnit(inner, inner, row[0], padding=row[1])
        self.branch7x7dbl_4 = ConvUnit(inner, inner, column[0], padding=column[1])
        self.branch7x7dbl_5 = ConvUnit(inner, c192, row[0], padding=row[1])
        self.pool = nn.AvgPool2d(3, stride=1, padding=1)
        self.branch_pool = ConvUnit(in_channels, c192, 1)
        self.out_channels = 4 * c192

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(self.pool(x))], 1)
