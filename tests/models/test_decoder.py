"""F-CAM's decoder: the paper's counts and channels, the shapes of every stride, and its upsampling by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from wsol.errors import ParameterError
from wsol.models import build
from wsol.models.decoder import Decoder
from wsol.models.families.fcam import FCam
from wsol.models.registry import backbone_names

# Parameters without and of the last convolution, and of the classifier with 200 classes, in millions (Table F.4, where
# InceptionV3's 25.69 is cut off to 25.6).
PUBLISHED = {
    "vgg16": (23_119_616, 1_154, 19.6),
    "inceptionv3": (5_704_384, 290, 25.69),
    "resnet50": (9_012_928, 290, 23.9),
}
ENCODER = {"vgg16": [128, 256, 1024], "inceptionv3": [64, 80, 288, 768, 1024], "resnet50": [64, 256, 512, 1024, 2048]}


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module", params=sorted(PUBLISHED))
def network(request: pytest.FixtureRequest) -> Any:
    with torch.device("meta"):
        return FCam(build(request.param, num_classes=200, map_stride=8))


def test_parameters_are_the_published_integers(network: Any) -> None:
    decoder, scores, classifier = PUBLISHED[network.backbone]
    assert count(network.decoder.scores) == scores
    assert count(network.decoder) - scores == decoder
    assert count(network.classifier) / 1e6 == pytest.approx(classifier, abs=0.05)


def test_channels_are_those_of_table_f2(network: Any) -> None:
    trunk = network.classifier.trunk
    skips = [trunk.stage_channels[name] for name in trunk.decoder_skips]
    top = network.head.classifier.weight.shape[1]
    assert [*reversed(skips), top] == ENCODER[network.backbone]
    assert [block[3].out_channels for block in network.decoder.blocks] == [256, 128, 64, 32, 16][: len(skips) + 1]
    assert isinstance(network.decoder.centre, nn.Identity) == (network.backbone != "vgg16")


@pytest.mark.parametrize("backbone", backbone_names())
@pytest.mark.parametrize(("stride", "side"), [(8, 64), (16, 64), (8, 75)])
@torch.no_grad()
def test_slim_networks_reach_the_images_resolution(backbone: str, stride: int, side: int) -> None:
    model = FCam(build(backbone, num_classes=3, width=0.125, map_stride=stride)).eval()
    stages = model.stages(torch.zeros(1, 3, side, side))
    channels = model.classifier.trunk.stage_channels
    assert {name: stages[name].shape[1] for name in channels} == channels
    scores, features = model.decode(torch.zeros(2, 3, side, side))
    assert scores.shape == (2, 2, side, side)
    assert torch.equal(features[0], stages["features"][0])
    widths = [block[3].out_channels for block in model.decoder.blocks]
    assert widths == sorted(widths, reverse=True) and min(widths) >= 8


@torch.no_grad()
def test_inception_has_the_released_sides_when_padded_and_ours_when_not() -> None:
    sides = {}
    for padded in (False, True):
        model = build("inceptionv3", num_classes=2, width=0.125, map_stride=8, padded=padded).eval()
        sides[padded] = [value.shape[2] for value in model.stages(torch.zeros(1, 3, 224, 224)).values()]
        assert model.build_args.get("padded", False) is padded
    assert sides == {False: [110, 56, 54, 28, 28, 28], True: [112, 57, 57, 29, 29, 29]}
    with pytest.raises(ParameterError, match="padded: vgg16"):
        build("vgg16", padded=True)


@torch.no_grad()
def test_a_block_doubles_by_nearest_neighbour_and_fits_its_skip() -> None:
    """With the blocks replaced by sums over channels, all that is left is the way up."""
    decoder = Decoder(1, [1], 1.0, centre=False)

    class Total(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sum(1, keepdim=True)

    decoder.blocks = nn.ModuleList([Total(), Total()])
    decoder.scores = nn.Conv2d(1, 2, 1, bias=False)
    nn.init.ones_(decoder.scores.weight)
    x = torch.randn(1, 1, 3, 3)
    skip = torch.randn(1, 1, 5, 5)
    up = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    joined = functional.interpolate(up, size=(5, 5), mode="bilinear", align_corners=True) + skip
    torch.testing.assert_close((joined - skip)[0, 0, ::4, ::4], up[0, 0, ::5, ::5])  # corners stay
    last = joined.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = functional.interpolate(last, size=(11, 11), mode="bilinear", align_corners=True)
    torch.testing.assert_close(decoder(x, [skip], (11, 11)), expected.expand(1, 2, -1, -1))
    torch.testing.assert_close(decoder(x, [skip], (10, 10)), last.expand(1, 2, -1, -1))


def test_new_weights_have_the_released_distributions() -> None:
    torch.manual_seed(0)
    decoder = Decoder(64, [64, 32], 1.0, centre=True)
    first = decoder.blocks[0][0].weight
    bound = (6 / (128 * 9)) ** 0.5
    assert bound * 0.98 < float(first.detach().abs().max()) <= bound
    xavier = (6 / (9 * (64 + 2))) ** 0.5
    assert xavier * 0.9 < float(decoder.scores.weight.detach().abs().max()) <= xavier
    assert not decoder.scores.bias.any()
