"""The two properties that make weakly supervised localisation hard, measured with small learners.

A classifier needs neither the whole object nor the object alone: its map lies on the part that tells the classes apart,
and the background tells something too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from wsol.data.synthetic import Sample, differing_parts, render
from wsol.data.synthetic.birds import PARTS
from wsol.data.synthetic.datasets import DATASETS


def background_histogram(sample: Sample) -> np.ndarray:
    """Root of the colour histogram, 4 × 4 × 4 bins, of the pixels in no object's mask, and a constant."""
    outside = sample.image[~np.logical_or.reduce(sample.instance_masks)]
    bins = (outside // 64) @ (16, 4, 1)
    counts = np.bincount(bins, minlength=64)
    return np.append(np.sqrt(counts / counts.sum()), 1.0)


# Not the mixture, on which nothing is measured.
@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"synthmix"}))
@pytest.mark.system
def test_background_alone_classifies_above_chance_but_not_well(name: str) -> None:
    classes = DATASETS[name].default_classes

    def features(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        samples = [render(name, 0, index, 40, split=split) for index in range(count)]
        return np.stack([background_histogram(s) for s in samples]), np.array([s.class_index for s in samples])

    inputs, labels = features("train-weaksup", 360)
    weights = np.linalg.solve(inputs.T @ inputs + 0.5 * np.eye(65), inputs.T @ np.eye(classes)[labels])
    tested, truth = features("test", 180)
    accuracy = np.mean((tested @ weights).argmax(axis=1) == truth)
    assert 2 / classes < accuracy < 0.6


class SmallNet(nn.Module):
    """Four convolutions, average pooling, one linear layer: class activation maps at a quarter of the resolution."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for source, target, stride in ((3, 16, 2), (16, 24, 2), (24, 32, 1), (32, 48, 1)):
            layers += [nn.Conv2d(source, target, 3, stride, 1, bias=False), nn.BatchNorm2d(target), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Conv2d(48, classes, 1)

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(images))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.maps(images).mean(dim=(2, 3))


def as_batch(samples: Sequence[Sample]) -> torch.Tensor:
    return (torch.tensor(np.stack([s.image for s in samples])).permute(0, 3, 1, 2).float() - 118) / 60


def train(samples: Sequence[Sample], classes: int, steps: int) -> SmallNet:
    images, labels = as_batch(samples), torch.tensor([s.class_index for s in samples])
    network = SmallNet(classes)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(0, len(samples), (24,))
        batch = images[chosen].flip(3) if torch.rand(()) < 0.5 else images[chosen]
        loss = functional.cross_entropy(network(batch), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


@pytest.mark.system
def test_cam_lies_on_the_part_that_tells_the_classes_apart() -> None:
    classes, size = 3, 64
    for class_index in range(classes):
        others = [set(differing_parts(class_index, other)) for other in range(classes) if other != class_index]
        assert "head" in set.intersection(*others), "the head alone tells each class from every other"
    head = PARTS.index("head") + 1
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            samples = [render("synthbirds", 0, k, size, split="train-weaksup", num_classes=classes) for k in range(450)]
            network = train(samples, classes, 450)
        tested = [render("synthbirds", 0, k, size, split="test", num_classes=classes) for k in range(90)]
        with torch.no_grad():
            maps = network.maps(as_batch(tested))
            labels = torch.tensor([s.class_index for s in tested])
            accuracy = (maps.mean(dim=(2, 3)).argmax(dim=1) == labels).float().mean().item()
            full = functional.interpolate(maps, size=(size, size), mode="bicubic", align_corners=False)
    finally:
        torch.set_num_threads(threads)
    cams = full[torch.arange(len(tested)), labels].numpy()
    low, high = cams.min(axis=(1, 2), keepdims=True), cams.max(axis=(1, 2), keepdims=True)
    cams = (cams - low) / (high - low)
    means = []
    for cam, sample in zip(cams, tested, strict=True):
        assert sample.parts is not None
        on_head, on_object = sample.parts == head, sample.parts > 0
        means.append(
            [cam[on_head].mean(), cam[on_object].mean(), cam[on_object & ~on_head].mean(), cam[~on_object].mean()]
        )
    on_head, on_object, on_rest, on_background = np.mean(means, axis=0)
    assert accuracy > 0.8
    assert on_head > on_object + 0.1
    assert on_head > on_rest + 0.15
    assert on_head > on_background + 0.15
