"""SPG (Zhang et al., ECCV 2018): a fully convolutional classifier beside three branches that learn a foreground mask.

The classifier (A) has a neck, A3, and a 1 × 1 convolution to K maps, A4. Branches B1 and B2 look at two places inside
the trunk and share their last layers; C looks at the CAM layer. Shapes as in the evaluation code of Choe et al. (CVPR
2020). The branches are at work during training alone; the CAM of class y is map y of A4, with its bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from wsol.errors import ParameterError
from wsol.models.layers import scaled, xavier_uniform
from wsol.models.trunk import Trunk


class Place(NamedTuple):
    """Where the branches begin in a trunk, and their channels per channel of the trunk's output."""

    taps: tuple[str, str]
    """Modules whose outputs B1 and B2 see."""
    sources: tuple[str, str]
    """Modules that know the number of channels of these outputs (`out_channels`)."""
    b_channels: float
    c_channels: float


PLACES = {
    # Behind the pool of the fourth block, where one is left, and behind the fifth block.
    "conv5": Place(("features.23", "features.29"), ("features.21", "features.28"), 1.0, 1.0),
    # Behind the first block of layer3, and behind its last.
    "layer4": Place(("layer3.0", "layer3"), ("layer3.0.conv3", "layer3.5.conv3"), 1 / 2, 1 / 4),
    # Behind Mixed_5d, pooled where the maps are small, and behind the last but one of the sixth stage, Mixed_6d.
    "mixed6": Place(("maxpool3", "Mixed_6d"), ("Mixed_5d", "Mixed_6d"), 2 / 3, 2 / 3),
}


class Guidance(NamedTuple):
    """What a training pass gives: class maps (B, K, h, w) and the logits of the masks (B, h, w) of each branch."""

    class_maps: Tensor
    b1: Tensor
    b2: Tensor
    c: Tensor


def build(trunk: Trunk, num_classes: int) -> nn.Module:
    """The head for this trunk, Xavier-initialised; turns the fourth pool of a VGG16 `trunk` into an overlapping one.

    Raises ParameterError for a trunk with no entry in `PLACES`.
    """
    stage = trunk.stage_names[-1]
    if stage not in PLACES:
        raise ParameterError(f"head spg: no branches for a trunk that ends in {stage!r}; add it to PLACES")
    if stage == "conv5":
        _overlap_pool(trunk.get_submodule("features"), "23")
    head = SpgHead(trunk, PLACES[stage], num_classes)
    # Not the trunk's own scheme: He's fan-out would make a 1 × 1 convolution to one channel far too large.
    xavier_uniform(head)
    return head


class SpgHead(nn.Module):
    """`neck` is A3, `classifier` A4; `b1`, `b2` end in `b_shared`."""

    def __init__(self, trunk: Trunk, place: Place, num_classes: int) -> None:
        super().__init__()
        self.taps = place.taps
        early, late = (_out_channels(trunk.get_submodule(source)) for source in place.sources)
        self.neck: nn.Module
        if trunk.stage_names[-1] == "conv5":
            # Two convolutions as wide as the trunk, where the plain classifier has one twice as wide.
            channels = trunk.out_channels
            self.neck = nn.Sequential(*_conv_relu(channels, channels), *_conv_relu(channels, channels))
        else:
            self.neck, channels = trunk.make_neck()
        self.dropout = nn.Dropout(0.5) if trunk.conv_classifier else nn.Identity()
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        hidden = scaled(trunk.out_channels, place.b_channels)
        self.b1 = nn.Sequential(*_conv_relu(early, hidden))
        self.b2 = nn.Sequential(*_conv_relu(late, hidden))
        self.b_shared = nn.Sequential(*_conv_relu(hidden, hidden), nn.Conv2d(hidden, 1, 1))
        c_hidden = scaled(trunk.out_channels, place.c_channels)
        self.c = nn.Sequential(*_conv_relu(channels, c_hidden), nn.Conv2d(c_hidden, 1, 1))

    def logits(self, features: Tensor) -> Tensor:
        return self.class_maps(self.dropout(features)).mean((2, 3))

    def class_maps(self, features: Tensor) -> Tensor:
        return self.classifier(features)

    def guidance(self, features: Tensor, tapped: Mapping[str, Tensor]) -> Guidance:
        """All four outputs; `tapped` holds the trunk's activations at `taps`. A4 and C see the same dropout."""
        early, late = (tapped[name] for name in self.taps)
        features = self.dropout(features)
        return Guidance(
            self.classifier(features),
            self.b_shared(self.b1(early))[:, 0],
            self.b_shared(self.b2(late))[:, 0],
            self.c(features)[:, 0],
        )


def _overlap_pool(layers: nn.Module, name: str) -> None:
    """3 × 3 in place of 2 × 2; what takes its place at map stride 8 stays."""
    if isinstance(layers.get_submodule(name), nn.MaxPool2d):
        setattr(layers, name, nn.MaxPool2d(3, stride=2, padding=1))


def _conv_relu(in_channels: int, out_channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.ReLU()


def _out_channels(module: nn.Module) -> int:
    return int(module.out_channels)  # type: ignore[arg-type]
