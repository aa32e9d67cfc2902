"""CALM's head on every backbone: what it computes, where it starts, and how it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from wsol.models import build, load_model, parameter_groups, save_model
from wsol.models.heads.calm import rectified

BACKBONES = ("resnet50", "vgg16", "inceptionv3")
CLASSES = 5


def network(backbone: str, seed: int = 0, map_stride: int = 8) -> Any:
    torch.manual_seed(seed)
    return build(backbone, head="calm", num_classes=CLASSES, width=0.125, map_stride=map_stride).eval()


def images(count: int = 2, side: int = 64) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("map_stride", [8, 16])
def test_logits_are_the_log_of_the_mixture_over_locations(backbone: str, map_stride: int) -> None:
    model = network(backbone, map_stride=map_stride).double()
    features = model.features(images().double())
    side = 64 // map_stride
    f, h = model.head.evidence(features)
    assert f.shape == (2, CLASSES, side, side) and h.shape == (2, 1, side, side) and (h >= 0).all()
    conditional = f.exp() / f.exp().sum(1, keepdim=True)
    expected = (conditional * h / h.sum((2, 3), keepdim=True)).sum((2, 3))
    torch.testing.assert_close(model(images().double()).exp(), expected)
    torch.testing.assert_close(model.logits(features).softmax(1), expected)
    torch.testing.assert_close(model.class_maps(features), f)


@torch.no_grad()
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("seed", range(4))
def test_no_image_starts_without_a_location(backbone: str, seed: int) -> None:
    model = network(backbone, seed).train()
    _, h = model.head.evidence(model.features(images(6)))
    share = h / h.sum((2, 3), keepdim=True) * h[0].numel()
    assert (h > 0).any(dim=3).any(dim=2).all() and share.max() < 10


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_branches_lie_on_the_layer_of_the_plain_classifier(backbone: str) -> None:
    model, plain = network(backbone), build(backbone, num_classes=CLASSES, width=0.125, map_stride=8)
    channels = model.head.classifier.in_channels
    assert channels == plain.head.classifier.weight.shape[1] == model.head.location.in_channels
    assert model.head.location.out_channels == 1 and model.head.classifier.kernel_size == (1, 1)
    neck = {name: tensor.shape for name, tensor in model.head.neck.state_dict().items()}
    assert neck == {name: tensor.shape for name, tensor in plain.head.neck.state_dict().items()}


@pytest.mark.parametrize("backbone", BACKBONES)
def test_both_branches_train_at_the_head_rate(backbone: str) -> None:
    model = network(backbone)
    groups = {group["name"]: group for group in parameter_groups(model, backbone, 0.01, 10)}
    fast = {id(parameter) for parameter in groups["head"]["params"]}
    assert all(id(parameter) in fast for parameter in model.head.parameters())


def test_a_saved_network_is_the_same_after_loading(tmp_path: Path) -> None:
    model = network("resnet50")
    save_model(tmp_path / "model.safetensors", model)
    again = load_model(tmp_path / "model.safetensors")
    assert again.build_args["head"] == "calm"
    assert torch.equal(again(images()), model(images()))


def test_rectified_is_relu_whose_gradient_passes_where_an_image_has_nothing_left() -> None:
    values = torch.tensor([[-1.0, 2.0, 0.0], [-1.0, -2.0, 0.0]]).view(2, 1, 1, 3).requires_grad_()
    h = rectified(values)
    assert torch.equal(h, values.detach().clamp_min(0))
    (gradient,) = torch.autograd.grad((h * torch.tensor([3.0, 5.0, 7.0])).sum(), values)
    assert gradient.flatten(1).tolist() == [[0.0, 5.0, 0.0], [3.0, 5.0, 7.0]]
