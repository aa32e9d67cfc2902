"""ACoL and SPG train on every backbone, at both map strides, and localise what they learnt."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wsol.attribution import attribute, score_maps
from wsol.methods import load
from wsol.models import parameter_groups
from wsol.testing.small_training import coloured_squares

ALL = ("inceptionv3", "resnet50", "vgg16")
OPTIONS: dict[str, dict[str, Any]] = {
    "acol": {"erase_threshold": 0.7, "learning_rates": "new_layers"},
    "spg": {
        **{"b2_high": 0.7, "b2_low": 0.01, "b1_high": 0.5, "b1_low": 0.05, "c_high": 0.7, "c_low": 0.1},
        "learning_rates": "new_layers",
    },
}


def build(name: str, backbone: str, classes: int, map_stride: int) -> tuple[Any, Any]:
    torch.manual_seed(0)
    method = load(name).Method(OPTIONS[name])
    return method, method.build(backbone, classes, {"width": 0.125, "map_stride": map_stride, "pretrained": None})


@pytest.mark.parametrize("map_stride", [8, 16])
@pytest.mark.parametrize("backbone", ALL)
@pytest.mark.parametrize("name", list(OPTIONS))
def test_one_step_reaches_every_parameter(name: str, backbone: str, map_stride: int) -> None:
    method, model = build(name, backbone, 5, map_stride)
    for parameter_name, parameter in model.named_parameters():
        if "bn3.weight" in parameter_name:  # zero at first, so that nothing behind it has a gradient yet
            torch.nn.init.ones_(parameter)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([1, 4])
    loss, logits = method.loss(model, images, labels, torch.Generator())
    assert loss.ndim == 0 and torch.isfinite(loss) and logits.shape == (2, 5)
    loss.backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.any(), parameter_name
    model.eval()
    with torch.no_grad():
        maps = attribute(model, images, labels)
    assert maps.shape == (2, 64 // map_stride, 64 // map_stride)
    assert (maps.amax((1, 2)) > maps.amin((1, 2))).all()


@pytest.mark.parametrize("name", list(OPTIONS))
def test_the_same_seeds_give_the_same_bytes(name: str) -> None:
    images, labels, losses = torch.randn(2, 3, 32, 32), torch.tensor([1, 0]), []
    for _ in range(2):
        method, model = build(name, "inceptionv3", 2, 8)
        torch.manual_seed(7)  # as the training loop does before each step, for the dropout
        losses.append(method.loss(model, images, labels, torch.Generator().manual_seed(1))[0])
    assert torch.equal(*losses)


@pytest.mark.parametrize("name", list(OPTIONS))
def test_half_precision_and_channels_last(name: str) -> None:
    method, model = build(name, "vgg16", 3, 8)
    model = model.to(memory_format=torch.channels_last)
    images = torch.randn(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.tensor([1, 2])
    exact, _ = method.loss(model, images, labels, torch.Generator())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = method.loss(model, images, labels, torch.Generator())
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(float(exact.detach()), rel=0.1)
    loss.backward()


@pytest.mark.parametrize(
    ("name", "backbone", "steps"),
    [
        *(("acol", "inceptionv3", 30), ("acol", "resnet50", 20), ("acol", "vgg16", 40)),
        *(("spg", "inceptionv3", 45), ("spg", "resnet50", 20), ("spg", "vgg16", 70)),
    ],
)
@pytest.mark.system
def test_a_short_training_beats_chance_and_finds_the_square(name: str, backbone: str, steps: int) -> None:
    method, model = build(name, backbone, 3, 8)
    images, labels, inside = coloured_squares(24)
    rate = 0.02
    groups = parameter_groups(model, backbone, rate, 1)
    optimiser = torch.optim.SGD(groups, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for step in range(steps):
        batch = torch.arange(8) + 8 * (step % 3)
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 10)
        loss, _ = method.loss(model, images[batch], labels[batch], torch.Generator())
        optimiser.zero_grad()
        loss.backward()
        if backbone == "vgg16":  # it has no normalisation: a bounded step keeps it from being thrown back
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(images).argmax(1) == labels).float().mean()
        scores = score_maps(attribute(model, images, labels), 32)
    assert accuracy > 0.6, "chance is a third"
    assert (scores.amax((1, 2)) == 1).all(), "no map is constant"
    within, without = scores[inside].mean(), scores[~inside].mean()
    assert within > without + 0.1, (float(within), float(without))
