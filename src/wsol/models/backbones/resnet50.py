"""ResNet50 (He et al., CVPR 2016) for localisation: the last stages keep their resolution.

torchvision's topology (the stride of a downsampling block is in its 3 × 3 convolution). layer4 has stride 1, and for
28 × 28 maps layer3 too; no dilation (evaluation protocol of Choe et al., CVPR 2020).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from wsol.models.layers import he_normal, scaled, xavier_uniform
from wsol.models.trunk import Trunk

EXPANSION = 4


def build(width: float, map_stride: int) -> ResNet50:
    return ResNet50(width, map_stride)


class ResNet50(Trunk):
    """Stages at 224 px, width 1: stem 64 @ 112, layer1 256 @ 56, layer2 512 @ 28, layer3 1024, layer4 2048 @ map."""

    stage_names = ("stem", "layer1", "layer2", "layer3", "layer4")
    decoder_skips = ("layer3", "layer2", "layer1", "stem")
    head_rate_prefixes = ("layer4.",)
    released_only_prefixes = ("fc.",)
    released_classifiers: ClassVar = {"fc.weight": "head.classifier.weight", "fc.bias": "head.classifier.bias"}

    def __init__(self, width: float, map_stride: int) -> None:
        super().__init__()
        stem = scaled(64, width)
        self.conv1 = nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        planes = [scaled(channels, width) for channels in (64, 128, 256, 512)]
        self.layer1 = _stage(stem, planes[0], blocks=3, stride=1)
        self.layer2 = _stage(planes[0] * EXPANSION, planes[1], blocks=4, stride=2)
        self.layer3 = _stage(planes[1] * EXPANSION, planes[2], blocks=6, stride=map_stride // 8)
        self.layer4 = _stage(planes[2] * EXPANSION, planes[3], blocks=3, stride=1)
        self.out_channels = planes[3] * EXPANSION
        channels = (stem, *(base * EXPANSION for base in planes))
        self.stage_channels = dict(zip(self.stage_names, channels, strict=True))
        he_normal(self, "fan_out")
        for block in self.modules():
            if isinstance(block, Bottleneck):
                # Each block begins as its shortcut (Goyal et al., arXiv 1706.02677, section 5.1): from scratch, a slim
                # network loses its first epochs otherwise. Loaded weights overwrite it.
                nn.init.zeros_(block.bn3.weight)

    def walk(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        x = self.relu(self.bn1(self.conv1(images)))
        yield "stem", x
        x = self.layer1(self.maxpool(x))
        yield "layer1", x
        x = self.layer2(x)
        yield "layer2", x
        x = self.layer3(x)
        yield "layer3", x
        yield "layer4", self.layer4(x)

    def initialise(self, new_layers: nn.Module) -> None:
        xavier_uniform(new_layers)


class Bottleneck(nn.Module):
    """1 × 1, 3 × 3 and 1 × 1 convolutions beside a shortcut; every ReLU is its own module, so that it can be hooked."""

    def __init__(self, in_channels: int, planes: int, stride: int) -> None:
        super().__init__()
        out_channels = planes * EXPANSION
        self.conv1 = nn.Conv2d(in_channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(planes, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu3 = nn.ReLU()
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        residual = self.relu1(self.bn1(self.conv1(x)))
        residual = self.relu2(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu3(residual + shortcut)


def _stage(in_channels: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(in_channels, planes, stride)
    return nn.Sequential(first, *(Bottleneck(planes * EXPANSION, planes, 1) for _ in range(blocks - 1)))
