"""SPG's classifier and its three branches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from wsol.attribution import attribute
from wsol.errors import ParameterError
from wsol.models import build, load_model, save_model
from wsol.models.backbones.resnet50 import ResNet50
from wsol.models.heads.spg import build as build_head
from wsol.models.taps import tapped

ALL = ("inceptionv3", "resnet50", "vgg16")
CLASSES = 4


def images(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def network(backbone: str, stride: int) -> Any:
    torch.manual_seed(0)
    return build(backbone, head="spg", num_classes=CLASSES, width=0.125, map_stride=stride)


@torch.no_grad()
@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("backbone", ALL)
def test_the_map_of_a_class_is_that_of_a4_and_averages_to_its_logit(backbone: str, stride: int) -> None:
    model = network(backbone, stride).eval()
    model.head.classifier.bias.uniform_(-1, 1)
    features = model.features(images())
    maps = model.class_maps(features)
    assert maps.shape[:2] == (2, CLASSES)
    torch.testing.assert_close(maps.mean((2, 3)), model.logits(features))
    weight, bias = model.head.classifier.weight[:, :, 0, 0], model.head.classifier.bias
    slow = torch.stack([torch.einsum("c,bchw->bhw", weight[y], features) + bias[y] for y in range(CLASSES)], 1)
    torch.testing.assert_close(maps, slow, rtol=1e-4, atol=1e-5)
    targets = torch.tensor([3, 1])
    torch.testing.assert_close(attribute(model, images(), targets), maps[[0, 1], targets])


@torch.no_grad()
@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("backbone", ALL)
def test_the_branches_begin_where_the_protocol_has_them(backbone: str, stride: int) -> None:
    model = network(backbone, stride).eval()
    trunk = model.trunk
    with tapped(trunk, model.head.taps) as seen:
        features = model.features(images())
    stages = dict(trunk.walk(images()))
    if backbone == "resnet50":
        early, late = trunk.layer3[0](stages["layer2"]), stages["layer3"]
    elif backbone == "vgg16":
        conv4, late = stages["conv4"], stages["conv5"]
        early = nn.functional.max_pool2d(conv4, 3, stride=2, padding=1) if stride == 16 else conv4
        assert (trunk.features[16].kernel_size, trunk.features[16].padding) == (2, 0), "the fourth pool alone overlaps"
    else:
        early = late = trunk.maxpool3(stages["mixed5"])
        for name in ("a", "b", "c", "d"):
            late = trunk.get_submodule(f"Mixed_6{name}")(late)
        torch.testing.assert_close(trunk.Mixed_6e(late), stages["mixed6"])
    first, second = model.head.taps
    torch.testing.assert_close(seen[first], early)
    torch.testing.assert_close(seen[second], late)

    given = model.head.guidance(features, seen)
    head = model.head
    torch.testing.assert_close(given.class_maps, model.class_maps(features))
    torch.testing.assert_close(given.b1, head.b_shared(head.b1(early))[:, 0])
    torch.testing.assert_close(given.b2, head.b_shared(head.b2(late))[:, 0])
    torch.testing.assert_close(given.c, head.c(features)[:, 0])
    assert given.b2.shape == given.c.shape == (2, *features.shape[2:])
    assert given.b1.shape == given.b2.shape, "all masks are of the maps' size"


@pytest.mark.parametrize(
    ("backbone", "shapes"),
    [
        (
            "vgg16",
            {
                "neck": [(512, 512, 3, 3)] * 2,
                "b1": [(512, 512, 3, 3)],
                "b2": [(512, 512, 3, 3)],
                "b_shared": [(512, 512, 3, 3), (1, 512, 1, 1)],
                "c": [(512, 512, 3, 3), (1, 512, 1, 1)],
                "classifier": [(200, 512, 1, 1)],
            },
        ),
        (
            "resnet50",
            {
                "neck": [],
                "b1": [(1024, 1024, 3, 3)],
                "b2": [(1024, 1024, 3, 3)],
                "b_shared": [(1024, 1024, 3, 3), (1, 1024, 1, 1)],
                "c": [(512, 2048, 3, 3), (1, 512, 1, 1)],
                "classifier": [(200, 2048, 1, 1)],
            },
        ),
        (
            "inceptionv3",
            {
                "neck": [(1024, 768, 3, 3), (1024, 1024, 3, 3)],
                "b1": [(512, 288, 3, 3)],
                "b2": [(512, 768, 3, 3)],
                "b_shared": [(512, 512, 3, 3), (1, 512, 1, 1)],
                "c": [(512, 1024, 3, 3), (1, 512, 1, 1)],
                "classifier": [(200, 1024, 1, 1)],
            },
        ),
    ],
)
def test_published_shapes(backbone: str, shapes: dict[str, list[tuple[int, ...]]]) -> None:
    """Those of the evaluation code of Choe et al. (CVPR 2020)."""
    with torch.device("meta"):
        head = build(backbone, head="spg", num_classes=200).head
    for name, expected in shapes.items():
        layers = [layer for layer in getattr(head, name).modules() if isinstance(layer, nn.Conv2d)]
        assert [tuple(layer.weight.shape) for layer in layers] == expected, name


def test_a4_and_c_see_the_same_dropout_of_inception_alone() -> None:
    model = network("inceptionv3", 8)
    channels = model.head.classifier.in_channels
    model.head.c = nn.Conv2d(channels, 1, 1)
    with torch.no_grad():
        for layer in (model.head.classifier, model.head.c):
            layer.weight.fill_(1)
            layer.bias.zero_()
        features = torch.rand(2, channels, 8, 8)
        zeros = {name: torch.zeros(2, width, 8, 8) for name, width in zip(model.head.taps, (40, 96), strict=True)}
        torch.manual_seed(1)
        given = model.head.guidance(features, zeros)
        torch.testing.assert_close(given.class_maps[:, 0], given.c)
        assert not torch.allclose(given.c, features.sum(1)), "dropout is at work"
    for backbone in ("vgg16", "resnet50"):
        assert not any(isinstance(layer, nn.Dropout) for layer in network(backbone, 8).modules())


def test_a_saved_network_gives_the_same_maps(tmp_path: Path) -> None:
    model = network("resnet50", 8).eval()
    save_model(tmp_path / "model.safetensors", model)
    again = load_model(tmp_path / "model.safetensors")
    targets = torch.tensor([3, 1])
    with torch.no_grad():
        assert torch.equal(attribute(again, images(), targets), attribute(model, images(), targets))


def test_a_trunk_without_branches_is_refused() -> None:
    trunk = ResNet50(0.125, 16)
    trunk.stage_names = ("one", "two")  # type: ignore[misc]
    with pytest.raises(ParameterError, match="ends in 'two'"):
        build_head(trunk, CLASSES)
