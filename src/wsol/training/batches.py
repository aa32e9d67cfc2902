"""Mini-batches in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from wsol.data.transforms import train_batch
from wsol.training.seeds import stream_seed

if TYPE_CHECKING:
    import torch


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """A permutation of range(count) for one epoch (1-indexed)."""
    return np.random.default_rng(stream_seed(seed, "order", epoch)).permutation(count)


def training_batches(
    images: Any, labels: np.ndarray, settings: dict[str, Any], seed: int, epoch: int, first: int, device: torch.device
) -> Iterator[tuple[int, np.ndarray, torch.Tensor, torch.Tensor]]:
    """(step, indices, images (B, 3, S, S) float, labels (B,)) from step `first` of an epoch on; the last may be short.

    Crops and flips are drawn from a stream of their own for each step: a resumed epoch sees the same pictures,
    whatever the number of decoding threads.
    """
    import torch

    order = epoch_order(seed, epoch, len(labels))
    size = settings["hyperparameters"]["batch_size"]
    steps = range(first, steps_per_epoch(len(labels), size))
    batches = [order[step * size : (step + 1) * size] for step in steps]
    # Images that do not fit into memory are decoded ahead of the network.
    decoded = images.batches(batches, ahead=0 if images.cached else 2)
    for step, chosen, array in zip(steps, batches, decoded, strict=True):
        generator = torch.Generator().manual_seed(stream_seed(seed, "augment", epoch, step))
        pixels = torch.from_numpy(array).to(device, non_blocking=True)
        batch = train_batch(pixels, settings["image_size"], generator)
        if settings["hyperparameters"]["channels_last"]:
            batch = batch.contiguous(memory_format=torch.channels_last)
        yield step, chosen, batch, torch.from_numpy(labels[chosen]).to(device)


def steps_per_epoch(count: int, batch_size: int) -> int:
    return -(-count // batch_size)
