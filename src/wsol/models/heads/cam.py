"""The plain classifier (Zhou et al., CVPR 2016): global average pooling and one layer of class weights."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from wsol.models.trunk import Trunk


def build(trunk: Trunk, num_classes: int) -> nn.Module:
    """The published head of the trunk, its new layers initialised."""
    neck, channels = trunk.make_neck()
    head = (ConvHead if trunk.conv_classifier else LinearHead)(neck, channels, num_classes)
    trunk.initialise(head)
    return head


class LinearHead(nn.Module):
    """Pooling, then a linear layer. The CAM of class y is the mean over channels of W_y · F, without the bias.

    So `logits == class_maps.mean((2, 3)) * C + bias`.
    """

    def __init__(self, neck: nn.Module, channels: int, num_classes: int) -> None:
        super().__init__()
        self.neck = neck
        self.classifier = nn.Linear(channels, num_classes)

    def logits(self, features: Tensor) -> Tensor:
        return self.classifier(features.mean((2, 3)))

    def class_maps(self, features: Tensor) -> Tensor:
        weight = self.classifier.weight
        return functional.conv2d(features, weight[:, :, None, None]) / weight.shape[1]


class ConvHead(nn.Module):
    """A 1 × 1 convolution to K maps, then pooling. The CAM of class y is map y, with the bias.

    So `logits == class_maps.mean((2, 3))`, apart from the dropout before the convolution while training.
    """

    def __init__(self, neck: nn.Module, channels: int, num_classes: int) -> None:
        super().__init__()
        self.neck = neck
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def logits(self, features: Tensor) -> Tensor:
        return self.class_maps(self.dropout(features)).mean((2, 3))

    def class_maps(self, features: Tensor) -> Tensor:
        return self.classifier(features)
