"""ACoL (Zhang et al., CVPR 2018): two classifiers, the second of which never sees what convinces the first.

Shapes as in the evaluation code of Choe et al. (CVPR 2020): each branch is 3 × 3 to 1024, ReLU, 3 × 3 to 1024, ReLU,
1 × 1 to K and pooling. Of VGG16 all pools are 3 × 3, the last two of them or the last one keep the resolution, and
an average over 3 × 3 comes before the branches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsol.errors import ParameterError
from wsol.models.layers import scaled, xavier_uniform
from wsol.models.minmax import minmax
from wsol.models.of_label import of_label
from wsol.models.trunk import Trunk

BRANCH_CHANNELS = {"conv5": 2.0, "layer4": 0.5, "mixed6": 4 / 3}
"""Last stage of a trunk → channels of a branch per channel of that stage: 1024 at width 1 for each."""
DEFAULT_THRESHOLD = 0.7


def build(trunk: Trunk, num_classes: int) -> nn.Module:
    """The head for this trunk, Xavier-initialised; turns the pools of a VGG16 `trunk` into overlapping ones.

    Raises ParameterError for a trunk that has no entry in `BRANCH_CHANNELS`.
    """
    stage = trunk.stage_names[-1]
    if stage not in BRANCH_CHANNELS:
        raise ParameterError(f"head acol: no branches for a trunk that ends in {stage!r}; add it to BRANCH_CHANNELS")
    neck: nn.Module = nn.Identity()
    if stage == "conv5":
        _overlap_pools(trunk)
        neck = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), nn.AvgPool2d(3, stride=1, padding=1))
    channels = scaled(trunk.out_channels, BRANCH_CHANNELS[stage])
    head = AcolHead(neck, trunk.out_channels, channels, num_classes)
    # Not the trunk's own scheme: He's fan-out would make a 1 × 1 convolution to a few classes far too large.
    xavier_uniform(head)
    return head


class AcolHead(nn.Module):
    """Branch A classifies; branch B only teaches the trunk, and adds to the map of a class what A overlooked.

    `threshold` is a buffer, for maps need it as much as training does, and it is saved with the network.
    """

    def __init__(self, neck: nn.Module, in_channels: int, channels: int, num_classes: int) -> None:
        super().__init__()
        self.neck = neck
        self.branch_a = _branch(in_channels, channels, num_classes)
        self.branch_b = _branch(in_channels, channels, num_classes)
        self.threshold: Tensor
        self.register_buffer("threshold", torch.tensor(DEFAULT_THRESHOLD))

    def logits(self, features: Tensor) -> Tensor:
        """Branch A alone (B, K)."""
        return self.branch_a(features).mean((2, 3))

    def both_logits(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K) of A, and of B behind features without what A needs for the label of each image."""
        maps_a = self.branch_a(features)
        erased = erase(features, of_label(maps_a, labels), self.threshold)
        return maps_a.mean((2, 3)), self.branch_b(erased).mean((2, 3))

    def target_maps(self, features: Tensor, targets: Tensor) -> Tensor:
        """Maps (B, h, w) in [0, 1] of one class an image: max(minmax(A_y), minmax(B_y)), erased for that class."""
        return self._fused(features, self.branch_a(features), targets)

    def class_maps(self, features: Tensor) -> Tensor:
        """`target_maps` of every class (B, K, h, w). Erasing depends on the class: K passes through branch B."""
        maps_a = self.branch_a(features)
        count, num_classes = maps_a.shape[:2]
        targets = torch.arange(num_classes, device=maps_a.device)
        return torch.stack([self._fused(features, maps_a, target.expand(count)) for target in targets], 1)

    def _fused(self, features: Tensor, maps_a: Tensor, targets: Tensor) -> Tensor:
        map_a = of_label(maps_a, targets)
        map_b = of_label(self.branch_b(erase(features, map_a, self.threshold)), targets)
        return torch.maximum(minmax(map_a), minmax(map_b))


def erase(features: Tensor, maps: Tensor, threshold: Tensor | float) -> Tensor:
    """Features (B, C, h, w), zero where the min-max normalised map (B, h, w) reaches the threshold.

    The mask passes no gradient to the maps. A constant map counts as 0 everywhere.
    """
    return features.masked_fill((minmax(maps.detach()) >= threshold)[:, None], 0.0)


def _branch(in_channels: int, channels: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(in_channels, channels, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()),
        nn.Conv2d(channels, num_classes, 1),
    )


def _overlap_pools(trunk: Trunk) -> None:
    """2 × 2 pools become 3 × 3 of the same stride; the one left out at map stride 8 comes back with stride 1."""
    layers = trunk.get_submodule("features")
    for name, layer in list(layers.named_children()):
        if isinstance(layer, nn.MaxPool2d | nn.Identity):
            stride = layer.stride if isinstance(layer, nn.MaxPool2d) else 1
            setattr(layers, name, nn.MaxPool2d(3, stride=stride, padding=1))
