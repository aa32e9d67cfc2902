"""Small classifiers of foreign make for the tests of attribution: several heads, functional parts, in-place ReLUs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES, CHANNELS, SIDE = 4, 6, 12


class Pooled(nn.Module):
    """Convolutions, then global average pooling and a linear layer; the pooling is a function and no module."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(inplace))
        self.body = nn.Sequential(nn.Conv2d(5, CHANNELS, 3, stride=2, padding=1), nn.ReLU(inplace))
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(CHANNELS, CLASSES)

    def maps(self, images: Tensor) -> Tensor:
        return self.body(self.stem(images))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.maps(images).mean((2, 3))))


class ConvThenPool(Pooled):
    """A 1 × 1 convolution to the classes, then the pooling."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.classifier = nn.Conv2d(CHANNELS, CLASSES, 1)  # type: ignore[assignment]

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.maps(images))).mean((2, 3))


class RectifiedConv(ConvThenPool):
    """As SqueezeNet: an in-place ReLU behind the 1 × 1 convolution makes the head nonlinear."""

    def forward(self, images: Tensor) -> Tensor:
        return functional.relu(self.classifier(self.maps(images)), inplace=True).mean((2, 3))


class Flattened(Pooled):
    """As VGG: two linear layers on the pooled and flattened maps; the last one is a bare weight."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(CHANNELS * (SIDE // 4) ** 2, 10)
        self.classifier = None  # type: ignore[assignment]
        self.last = nn.Parameter(torch.randn(CLASSES, 10) / 3)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.hidden(self.pool(self.maps(images)).flatten(1))
        return functional.linear(functional.relu(hidden, inplace=True), self.last)


class Broken(Pooled):
    """Fails behind its maps."""

    def forward(self, images: Tensor) -> Tensor:
        self.maps(images)
        raise RuntimeError("broken on purpose")


def made(kind: type[nn.Module], seed: int = 0, **options: bool) -> nn.Module:
    """One with weights of its own, and statistics of its batch normalisation that are not the initial ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(**options)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean = torch.randn(module.num_features) / 5
                module.running_var = torch.rand(module.num_features) + 0.5
    return model


def some_images(count: int = 3, seed: int = 1, side: int = SIDE) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed)).clamp(-2, 2)
