"""Width 1.0 against torchvision, layer for layer, up to where the localisation networks part from it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from wsol.models import build

SIDES = {
    # Side of each stage's map at 224 px: (stride 16, stride 8). Inception: 224, 112, 110, 110, 56, 54, 28.
    "vgg16": {
        "conv1": (224, 224),
        "conv2": (112, 112),
        "conv3": (56, 56),
        "conv4": (28, 28),
        "conv5": (14, 28),
        "features": (14, 28),
    },
    "inceptionv3": {
        "conv2": (110, 110),
        "conv3": (56, 56),
        "conv4": (54, 54),
        "mixed5": (28, 28),
        "mixed6": (14, 28),
        "features": (14, 28),
    },
    "resnet50": {
        "stem": (112, 112),
        "layer1": (56, 56),
        "layer2": (28, 28),
        "layer3": (14, 28),
        "layer4": (14, 28),
        "features": (14, 28),
    },
}
CHANNELS = {
    "vgg16": (64, 128, 256, 512, 512, 1024),
    "inceptionv3": (64, 80, 192, 288, 768, 1024),
    "resnet50": (64, 256, 512, 1024, 2048, 2048),
}


@torch.no_grad()
def released(make: Callable[..., nn.Module], **options: object) -> nn.Module:
    """torchvision's network with random weights and random batch statistics, in evaluation mode."""
    with torch.device("meta"):
        network = make(weights=None, **options)
    if isinstance(network, torchvision.models.VGG):
        network.classifier = nn.Identity()  # half a gigabyte that no test needs
    network.to_empty(device="cpu")
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.reset_parameters()
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
            layer.running_mean.uniform_(-0.1, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    return network.eval()


def images(side: int) -> torch.Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))


def load(backbone: str, network: nn.Module, map_stride: int = 16) -> nn.Module:
    model = build(backbone, num_classes=5, map_stride=map_stride)
    state = {name: value for name, value in network.state_dict().items() if name in model.trunk.state_dict()}
    model.trunk.load_state_dict(state, strict=True)
    return model.eval()


def shapes(module: nn.Module, prefixes: tuple[str, ...] = ("",)) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items() if name.startswith(prefixes)}


@pytest.mark.parametrize("backbone", SIDES)
@pytest.mark.parametrize("which", [0, 1])
def test_map_sides_at_224_pixels(backbone: str, which: int) -> None:
    model = build(backbone, num_classes=5, width=0.125, map_stride=(16, 8)[which]).eval()
    with torch.no_grad():
        stages = model.stages(images(224))
        maps = model.class_maps(stages["features"])
    expected = {name: (sides[which], sides[which]) for name, sides in SIDES[backbone].items()}
    assert {name: tuple(value.shape[2:]) for name, value in stages.items()} == expected
    assert tuple(stages) == model.stage_names
    assert maps.shape == (1, 5, (14, 28)[which], (14, 28)[which])


@torch.no_grad()
def test_resnet50_is_torchvision_through_layer3() -> None:
    reference = released(torchvision.models.resnet50)
    model = load("resnet50", reference)
    assert shapes(model.trunk) == shapes(reference, ("conv1", "bn1", "layer"))

    x = images(224)
    stages = model.stages(x)
    x = reference.maxpool(reference.relu(reference.bn1(reference.conv1(x))))
    for name in ("layer1", "layer2", "layer3"):
        x = getattr(reference, name)(x)
        torch.testing.assert_close(stages[name], x, rtol=1e-5, atol=1e-5)
    assert x.shape == (1, 1024, 14, 14)

    # layer4 parts in the stride of its first block alone: with that undone, it is torchvision's.
    block = model.trunk.layer4[0]
    block.conv2.stride = block.downsample[0].stride = (2, 2)
    torch.testing.assert_close(model.trunk(images(224)), reference.layer4(x), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_resnet50_of_stride_8_keeps_layer3_at_the_resolution_of_layer2() -> None:
    reference = released(torchvision.models.resnet50)
    model = load("resnet50", reference, map_stride=8)
    stages = model.stages(images(64))
    first = reference.layer3[0]
    first.conv2.stride = first.downsample[0].stride = (1, 1)
    torch.testing.assert_close(stages["layer3"], reference.layer3(stages["layer2"]), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_vgg16_is_torchvision_through_conv5_3() -> None:
    reference = released(torchvision.models.vgg16)
    model = load("vgg16", reference)
    assert shapes(model.trunk) == shapes(reference, ("features.",))
    assert isinstance(reference.features[30], nn.MaxPool2d)  # pool5
    torch.testing.assert_close(model.trunk(images(64)), reference.features[:30](images(64)), rtol=1e-5, atol=1e-6)

    fine = load("vgg16", reference, map_stride=8)
    assert isinstance(reference.features[23], nn.MaxPool2d)  # pool4
    without_pool4 = nn.Sequential(*reference.features[:23], *reference.features[24:30])
    torch.testing.assert_close(fine.trunk(images(64)), without_pool4(images(64)), rtol=1e-5, atol=1e-6)


STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
MIXED = ("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e")


@torch.no_grad()
def test_inceptionv3_is_torchvision_through_mixed_6e() -> None:
    reference = released(torchvision.models.inception_v3, init_weights=False)
    model = load("inceptionv3", reference)
    trunk = model.trunk
    assert shapes(trunk) == shapes(reference, STEM + MIXED)
    assert {layer.eps for layer in trunk.modules() if isinstance(layer, nn.BatchNorm2d)} == {0.001}

    x = torch.randn(1, 3, 31, 31, generator=torch.Generator().manual_seed(2))
    for name in STEM:
        theirs, ours = getattr(reference, name), getattr(trunk, name)
        padding = ours.conv.padding[0] - theirs.conv.padding[0]
        assert padding == (1 if name == "Conv2d_1a_3x3" else 0)
        torch.testing.assert_close(ours(x), theirs(functional.pad(x, [padding] * 4)), rtol=1e-5, atol=1e-5)
        x = theirs(x)
    for name in MIXED:
        theirs, ours = getattr(reference, name), getattr(trunk, name)
        result = theirs(x)
        if name == "Mixed_6a":
            assert ours(x).shape[2:] == x.shape[2:]
            for layer in (ours.branch3x3.conv, ours.branch3x3dbl_3.conv, ours.pool):
                layer.stride, layer.padding = ((2, 2), (0, 0)) if isinstance(layer, nn.Conv2d) else (2, 0)
        torch.testing.assert_close(ours(x), result, rtol=1e-5, atol=1e-5)
        x = result


@torch.no_grad()
def test_inceptionv3_with_the_published_padding_and_strides_is_torchvision() -> None:
    reference = released(torchvision.models.inception_v3, init_weights=False)
    trunk = load("inceptionv3", reference, map_stride=8).trunk
    trunk.Conv2d_1a_3x3.conv.padding = (0, 0)
    trunk.maxpool1, trunk.maxpool2 = reference.maxpool1, reference.maxpool2
    trunk.Mixed_6a = reference.Mixed_6a
    outputs: list[torch.Tensor] = []
    reference.Mixed_6e.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    reference(images(107))
    torch.testing.assert_close(trunk(images(107)), outputs[0], rtol=1e-4, atol=1e-5)


def conv(inputs: int, outputs: int, area: int, bias: bool) -> int:
    return inputs * outputs * area + (outputs if bias else 0)


def vgg16_parameters() -> int:
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512, 1024]
    return sum(conv(a, b, 9, True) for a, b in pairwise(widths)) + conv(1024, 200, 1, True)


def resnet50_parameters() -> int:
    def unit(inputs: int, outputs: int, area: int) -> int:
        return conv(inputs, outputs, area, False) + 2 * outputs

    total, inputs = unit(3, 64, 49), 64
    for planes, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        total += unit(inputs, 4 * planes, 1)
        for _ in range(blocks):
            total += unit(inputs, planes, 1) + unit(planes, planes, 9) + unit(planes, 4 * planes, 1)
            inputs = 4 * planes
    return total + conv(2048, 200, 1, True)


def inceptionv3_parameters() -> int:
    def unit(inputs: int, outputs: int, area: int) -> int:
        return conv(inputs, outputs, area, False) + 2 * outputs

    total = unit(3, 32, 9) + unit(32, 32, 9) + unit(32, 64, 9) + unit(64, 80, 1) + unit(80, 192, 9)
    for inputs, pooled in ((192, 32), (256, 64), (288, 64)):
        total += unit(inputs, 64, 1) + unit(inputs, 48, 1) + unit(48, 64, 25)
        total += unit(inputs, 64, 1) + unit(64, 96, 9) + unit(96, 96, 9) + unit(inputs, pooled, 1)
    total += unit(288, 384, 9) + unit(288, 64, 1) + unit(64, 96, 9) + unit(96, 96, 9)
    for inner in (128, 160, 160, 192):
        total += unit(768, 192, 1) * 2 + unit(768, inner, 1) * 2 + unit(inner, inner, 7) * 4 + unit(inner, 192, 7) * 2
    return total + conv(768, 1024, 9, True) + conv(1024, 1024, 9, True) + conv(1024, 200, 1, True)


@pytest.mark.parametrize(
    ("backbone", "count", "printed"),
    [
        # `printed`: millions with 200 classes in the F-CAM paper's appendix (truncated there: Inception has 25.69).
        ("vgg16", vgg16_parameters(), 19.6),
        ("inceptionv3", inceptionv3_parameters(), 25.6),
        ("resnet50", resnet50_parameters(), 23.9),
    ],
)
def test_parameter_counts_with_200_classes(backbone: str, count: int, printed: float) -> None:
    with torch.device("meta"):
        model = build(backbone, num_classes=200)
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert int(count / 1e5) / 10 == printed


@pytest.mark.parametrize("backbone", SIDES)
def test_stage_channels_scale_to_multiples_of_eight(backbone: str) -> None:
    for width in (1.0, 0.25):
        with torch.device("meta"):
            model = build(backbone, num_classes=5, width=width)
            stages = model.stages(torch.empty(1, 3, 64, 64))
        got = tuple(value.shape[1] for value in stages.values())
        if width == 1.0:
            assert got == CHANNELS[backbone]
        assert all(
            layer.out_channels % 8 == 0
            for name, layer in model.named_modules()
            if isinstance(layer, nn.Conv2d) and name != "head.classifier"
        )
    if backbone != "inceptionv3":  # its 80 channels are not four multiples of 8, nor are its branches
        assert got == tuple(channels // 4 for channels in CHANNELS[backbone])


@pytest.mark.parametrize("width", [0.125, 1.0])
def test_activations_keep_their_scale_through_the_initial_vgg(width: float) -> None:
    """Without batch normalisation a slim trunk cannot learn from what has shrunk to nothing."""
    torch.manual_seed(0)
    model = build("vgg16", num_classes=10, width=width, map_stride=8)
    with torch.no_grad():
        images = torch.randn(4, 3, 64, 64)
        stages = [activations.square().mean().sqrt().item() for _, activations in model.trunk.walk(images)]
    assert all(0.4 < scale < 2.5 for scale in stages), stages
