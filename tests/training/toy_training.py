"""A small classifier with everything that makes resuming hard: momentum, batch statistics, dropout, own randomness."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from wsol.methods.base import TrainingMethod
from wsol.training.loop import Split, Trained, train

CLASSES, COUNT, RESIZE, CROP = 3, 22, 12, 8


class Net(nn.Module):
    backbone = "toy"

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.trunk = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(8, classes)
        self.build_args = {"classes": classes}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.norm(self.trunk(images)))

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(features.mean((2, 3))))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits(self.features(images))

    def head_parameter_names(self) -> frozenset[str]:
        return frozenset({"head.weight", "head.bias"})


class Method(TrainingMethod):
    """Blots out one random pixel of each image, from the step's own stream."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__({}, label_smoothing)
        self.epochs_started: list[tuple[int, int]] = []
        self.steps_started: list[float] = []

    def build(self, backbone: str, num_classes: int, architecture: dict[str, Any]) -> nn.Module:
        return Net(num_classes)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        self.epochs_started.append((epoch, epochs))

    def start_step(self, done: float) -> None:
        self.steps_started.append(done)

    def loss(
        self, model: nn.Module, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        assert model.training, "validation leaves a network in evaluation mode"
        rows, columns = torch.randint(CROP, (2, len(images)), generator=generator)
        images = images.clone()
        images[torch.arange(len(images)), :, rows, columns] = 0
        return super().loss(model, images, labels, generator)


class Images:
    cached = True

    def __init__(self) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, (COUNT, RESIZE, RESIZE, 3), dtype=np.uint8)

    def batch(self, indices: np.ndarray) -> np.ndarray:
        return self.pixels[indices]

    def batches(self, index_batches: Iterable[np.ndarray], ahead: int = 2) -> Iterator[np.ndarray]:
        yield from map(self.batch, index_batches)


def split() -> Split:
    labels = np.arange(COUNT, dtype=np.int64) % CLASSES
    return Split(Images(), labels, [f"toy/{index:03d}" for index in range(COUNT)], ["ant", "bee", "cat"])


def settings(**hyperparameters: Any) -> dict[str, Any]:
    return {
        "backbone": "toy",
        "architecture": {},
        "image_size": CROP,
        "hyperparameters": {
            "epochs": 3,
            "batch_size": 5,
            "learning_rate": 0.05,
            "head_learning_rate_ratio": 4,
            "momentum": 0.9,
            "nesterov": True,
            "weight_decay": 5e-4,
            "schedule": "cosine",
            "decay_every_epochs": 2,
            "decay_factor": 0.1,
            "warmup_epochs": 0.5,
            "label_smoothing": 0.1,
            "max_gradient_norm": 2.0,
            "precision": "float32",
            "channels_last": True,
            **hyperparameters,
        },
    }


def validate(model: nn.Module) -> dict[str, float]:
    """A number that changes with every weight and buffer, and disturbs what a validation may disturb."""
    model.eval()
    with torch.no_grad():
        logits = model(torch.ones(1, 3, CROP, CROP))
    torch.rand(3)
    return {"accuracy": 50.0, "localisation": float(logits.double().abs().sum())}


def run(state: Path | None = None, seed: int = 0, **options: Any) -> Trained:
    chosen = options.pop("settings", None) or settings()
    return train(
        options.pop("method", None) or Method(0.1),
        chosen,
        options.pop("split", None) or split(),
        options.pop("validate", validate),
        seed=seed,
        state_path=state,
        **options,
    )
