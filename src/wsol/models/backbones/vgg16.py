"""VGG16-GAP (Simonyan and Zisserman, ICLR 2015; Zhou et al., CVPR 2016): fully convolutional, no batch normalisation.

The last pooling is dropped, and for 28 × 28 maps the one before it; a new 3 × 3 convolution to 1024 channels (conv6)
makes the CAM layer (evaluation protocol of Choe et al., CVPR 2020).
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from wsol.models.layers import he_normal, scaled
from wsol.models.trunk import Trunk

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def build(width: float, map_stride: int) -> VGG16:
    return VGG16(width, map_stride)


class VGG16(Trunk):
    """Stages at 224 px, width 1: conv1 64 @ 224, conv2 128 @ 112, conv3 256 @ 56, conv4 512 @ 28, conv5 512 @ map."""

    stage_names = ("conv1", "conv2", "conv3", "conv4", "conv5")
    decoder_skips = ("conv3", "conv2")  # conv1 has the image's resolution, and is no skip of the released decoder
    decoder_centre = True
    released_only_prefixes = ("classifier.",)

    def __init__(self, width: float, map_stride: int) -> None:
        super().__init__()
        self.width = width
        layers: list[nn.Module] = []
        self.stage_ends: list[int] = []
        channels = 3
        for index, block in enumerate(BLOCKS):
            if index > 0:
                # An Identity in place of the dropped pool keeps torchvision's numbers of the layers behind it.
                pooled = index < 4 or map_stride == 16
                layers.append(nn.MaxPool2d(2, stride=2) if pooled else nn.Identity())
            for base in block:
                layers += [nn.Conv2d(channels, scaled(base, width), 3, padding=1), nn.ReLU()]
                channels = scaled(base, width)
            self.stage_ends.append(len(layers))
        self.features = nn.Sequential(*layers)
        self.out_channels = channels
        widths = (scaled(block[-1], width) for block in BLOCKS)
        self.stage_channels = dict(zip(self.stage_names, widths, strict=True))
        # Nothing restores the scale of activations here, and fan-out halves it wherever channels double.
        he_normal(self, "fan_in")

    def walk(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        x, start = images, 0
        for name, end in zip(self.stage_names, self.stage_ends, strict=True):
            x = self.features[start:end](x)
            yield name, x
            start = end

    def make_neck(self) -> tuple[nn.Module, int]:
        channels = scaled(1024, self.width)
        return nn.Sequential(nn.Conv2d(self.out_channels, channels, 3, padding=1), nn.ReLU()), channels

    def initialise(self, new_layers: nn.Module) -> None:
        he_normal(new_layers, "fan_out")
