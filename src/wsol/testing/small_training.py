"""What the tests of training methods share: one step on a slim network, a few steps on coloured squares, all cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from wsol.attribution import attribute
from wsol.config.names import all_scales
from wsol.config.resolve import hyperparameters
from wsol.config.scale import load_scale
from wsol.methods import load
from wsol.methods.base import TrainingMethod

COLOURS = 3


def build(method: TrainingMethod, backbone: str, stride: int = 8, classes: int = COLOURS) -> Any:
    torch.manual_seed(0)
    return method.build(backbone, classes, {"width": 0.125, "map_stride": stride, "pretrained": None}).train()


def one_step(method: TrainingMethod, backbone: str, stride: int, attribution: str = "cam") -> tuple[float, Any]:
    """A training step at 64 px: the loss is finite, every parameter has a gradient, and maps come out."""
    model = build(method, backbone, stride)
    for name, parameter in model.named_parameters():
        if name.endswith("bn3.weight"):  # zero at first, so that nothing would reach the layers before
            torch.nn.init.ones_(parameter)
    images = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 2, 1])
    loss, logits = method.loss(model, images, labels, torch.Generator().manual_seed(2))
    assert loss.isfinite() and loss.dtype == torch.float32
    assert logits.shape == (4, COLOURS)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name
    maps = attribute(model.eval(), images, labels, attribution)
    assert maps.ndim == 3 and maps.shape[0] == 4 and maps.shape[1] == maps.shape[2] > 1
    assert maps.isfinite().all() and (maps.amax((1, 2)) > maps.amin((1, 2))).all()
    return float(loss.detach()), model


def squares(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (count, 3, 32, 32) of noise with one bright square each, red, green or blue, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.5 * torch.randn(count, 3, 32, 32, generator=generator)
    labels = torch.arange(count) % COLOURS
    for image, label in zip(images, labels, strict=True):
        y, x = torch.randint(0, 21, (2,), generator=generator).tolist()
        image[label, y : y + 12, x : x + 12] += 3
    return images, labels


def coloured_squares(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noise (count, 3, 32, 32) with a square of 16², brighter in the label's channel; labels; where the squares are."""
    generator = torch.Generator().manual_seed(3)
    images = 0.3 * torch.randn(count, 3, 32, 32, generator=generator)
    labels, inside = torch.arange(count) % COLOURS, torch.zeros(count, 32, 32, dtype=torch.bool)
    for image, label, square in zip(images, labels.tolist(), inside, strict=True):
        top, left = torch.randint(0, 16, (2,), generator=generator).tolist()
        square[top : top + 16, left : left + 16] = True
        image[label, square] += 2.0
    return images, labels, inside


def accuracy_after_training(method: TrainingMethod, steps: int = 28, attribution: str = "cam") -> float:
    """Share of new squares that a slim ResNet50 names after some steps; their maps are checked not to be constant."""
    model = build(method, "resnet50")
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    for step in range(steps):
        torch.manual_seed(step)
        loss, _ = method.loss(model, *squares(18, seed=step), torch.Generator().manual_seed(step))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    images, labels = squares(60, seed=1000)
    with torch.no_grad():
        maps = attribute(model.eval(), images, labels, attribution)
        assert (maps.amax((1, 2)) > maps.amin((1, 2))).all()
        return float((model(images).argmax(1) == labels).float().mean())


def every_cell(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The method's hyperparameters in each cell of each scale; its options are accepted by its class."""
    for scale in all_scales():
        view = load_scale(scale)
        for dataset in view.settings["datasets"]:
            for backbone in view.settings["backbones"]:
                settings = hyperparameters(name, scale, dataset, backbone)
                load(name).Method(settings["options"], settings["label_smoothing"])
                yield f"{scale}/{dataset}/{backbone}", settings
