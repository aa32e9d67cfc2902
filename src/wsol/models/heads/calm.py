"""CALM's head (Kim et al., ICCV 2021, supplement section C): a branch for the classes and one for the location."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsol.losses.calm import log_class
from wsol.models.trunk import Trunk


def build(trunk: Trunk, num_classes: int) -> nn.Module:
    """Both branches on the CAM layer of the trunk's published classifier.

    That is layer4 of ResNet50, conv6 of VGG16 and the second new convolution of InceptionV3, whose dropout before the
    classifier is left out: a branch of CALM is one convolution.
    """
    neck, channels = trunk.make_neck()
    head = CalmHead(neck, channels, num_classes)
    trunk.initialise(head)
    head.start_everywhere()
    return head


class CalmHead(nn.Module):
    """f, a 1 × 1 convolution to K maps, and h, a 1 × 1 convolution to one map with ReLU, both with bias.

    `logits` are log p(y|x), so that softmax leaves p(y|x) as it is; `class_maps` is f, which is this network's CAM.
    """

    def __init__(self, neck: nn.Module, channels: int, num_classes: int) -> None:
        super().__init__()
        self.neck = neck
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        self.location = nn.Conv2d(channels, 1, 1)

    def start_everywhere(self) -> None:
        """Start with p(y|x,z) and p(z|x) uniform, whatever the size of the features.

        Features are not negative, so with bias 0, as released, a random h is easily negative all over an image, and
        ReLU leaves nothing of it. Random weights for few classes (standard deviation √(2/K)) make a location all but
        sure of a random class before the first step; over large features, as without batch normalisation, those of h
        make it as sure of a random location. A linear map needs no random start: its features differ.
        """
        for branch in (self.classifier, self.location):
            nn.init.zeros_(branch.weight)
            assert branch.bias is not None
            nn.init.constant_(branch.bias, float(branch is self.location))

    def evidence(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """f (B, K, h, w), any value, and h (B, 1, h, w), not negative: what `wsol.losses.calm` works on."""
        return self.classifier(features), rectified(self.location(features))

    def logits(self, features: Tensor) -> Tensor:
        return log_class(*self.evidence(features))

    def class_maps(self, features: Tensor) -> Tensor:
        return self.classifier(features)


def rectified(values: Tensor) -> Tensor:
    """ReLU of (B, 1, h, w). Where it leaves nothing of an image, the gradient passes all the same.

    So an h that died can come back: the gradient that `wsol.losses.calm.log_location` has for it reaches the weights.
    """
    dead = (values <= 0).all(dim=2, keepdim=True).all(dim=3, keepdim=True)
    return values.relu() + torch.where(dead, values - values.detach(), 0.0)
