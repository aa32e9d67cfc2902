from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from wsol.models import build, parameter_groups
from wsol.testing.small_training import coloured_squares

ALL = ("inceptionv3", "resnet50", "vgg16")
LINEAR = ("resnet50", "vgg16")


def slim(backbone: str, num_classes: int = 5, map_stride: int = 16) -> torch.nn.Module:
    torch.manual_seed(0)
    return build(backbone, num_classes=num_classes, width=0.125, map_stride=map_stride)


def images(count: int, side: int) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("backbone", LINEAR)
def test_pooled_class_maps_times_channels_plus_bias_are_the_logits(backbone: str) -> None:
    model = slim(backbone).eval()
    model.head.classifier.bias.uniform_(-1, 1)
    features = model.features(images(2, 64))
    maps = model.class_maps(features)
    pooled = maps.mean((2, 3)) * features.shape[1] + model.head.classifier.bias
    torch.testing.assert_close(pooled, model.logits(features), rtol=1e-4, atol=1e-5)

    # The definition, channel by channel: the mean over channels of W_y · F.
    weight = model.head.classifier.weight
    slow = torch.stack([(weight[y][None, :, None, None] * features).mean(1) for y in range(5)], 1)
    torch.testing.assert_close(maps, slow, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_pooled_class_maps_of_the_conv_head_are_the_logits() -> None:
    model = slim("inceptionv3").eval()
    features = model.features(images(2, 64))
    maps = model.class_maps(features)
    torch.testing.assert_close(maps.mean((2, 3)), model.logits(features))
    model.head.classifier.bias += 3
    torch.testing.assert_close(model.class_maps(features), maps + 3)


@torch.no_grad()
@pytest.mark.parametrize("backbone", ALL)
def test_forward_is_the_logits_of_the_last_stage(backbone: str) -> None:
    model = slim(backbone).eval()
    x = images(2, 64)
    stages = model.stages(x)
    assert torch.equal(stages["features"], model.features(x))
    assert torch.equal(model(x), model.logits(stages["features"]))
    sides = [value.shape[2] for value in stages.values()]
    assert sides == sorted(sides, reverse=True)
    assert all((value >= 0).all() for value in stages.values())


@torch.no_grad()
@pytest.mark.parametrize("backbone", ALL)
def test_channels_last_changes_nothing_but_the_layout(backbone: str) -> None:
    model = slim(backbone).eval()
    x = images(2, 64)
    expected = model.class_maps(model.features(x))
    model = model.to(memory_format=torch.channels_last)
    features = model.features(x.contiguous(memory_format=torch.channels_last))
    assert features.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(model.class_maps(features), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", ALL)
@pytest.mark.parametrize(("side", "map_stride", "map_side"), [(112, 16, 7), (64, 16, 4), (64, 8, 8)])
def test_slim_networks_train_on_small_images(backbone: str, side: int, map_stride: int, map_side: int) -> None:
    model = slim(backbone, map_stride=map_stride)
    for name, parameter in model.named_parameters():
        if "bn3.weight" in name:  # zero at first, so that nothing behind it has a gradient yet
            torch.nn.init.ones_(parameter)
    x = images(2, side).requires_grad_()
    features = model.features(x)
    assert features.shape[2:] == (map_side, map_side)
    cross_entropy(model.logits(features), torch.tensor([0, 4])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name
    assert x.grad is not None
    assert x.grad.any()


def test_the_residual_blocks_of_resnet50_begin_as_their_shortcuts() -> None:
    block = slim("resnet50").trunk.layer2[1]
    x = torch.rand(2, block.conv1.in_channels, 8, 8)
    torch.testing.assert_close(block(x), x)


@pytest.mark.parametrize("backbone", ALL)
def test_a_backward_hook_on_every_relu_runs_once(backbone: str) -> None:
    model = slim(backbone).eval()
    relus = [layer for layer in model.modules() if isinstance(layer, torch.nn.ReLU)]
    seen: list[torch.nn.Module] = []
    for layer in relus:
        layer.register_full_backward_hook(lambda module, inputs, outputs: seen.append(module))
    model(images(1, 64).requires_grad_())[0, 0].backward()
    assert sorted(map(id, seen)) == sorted(map(id, relus))


# VGG16 has no normalisation: it leaves its first plateau later, and a bounded step keeps it from being thrown back.
@pytest.mark.system
@pytest.mark.parametrize(
    ("backbone", "steps", "max_norm"),
    [("inceptionv3", 40, math.inf), ("resnet50", 20, math.inf), ("vgg16", 80, 1.0)],
)
def test_slim_networks_learn_from_scratch(backbone: str, steps: int, max_norm: float) -> None:
    torch.manual_seed(0)
    model = build(backbone, num_classes=3, width=0.25, map_stride=8)
    x, labels, _ = coloured_squares(48)
    rate = 0.02
    groups = parameter_groups(model, backbone, rate, 1)
    optimiser = torch.optim.SGD(groups, momentum=0.9, nesterov=True, weight_decay=5e-4)
    losses = []
    for step in range(steps):
        batch = torch.arange(16) + 16 * (step % 3)
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 10)
        loss = cross_entropy(model(x[batch]), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 1.0  # about ln 3
    assert sum(losses[-6:]) / 6 < 0.4, losses
