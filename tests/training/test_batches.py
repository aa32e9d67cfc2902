"""Mini-batches: each image once an epoch, in an order and with crops that only seed, epoch and step decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.data.transforms import denormalise, train_batch
from wsol.training import batches
from wsol.training.batches import epoch_order, steps_per_epoch, training_batches

COUNT, RESIZE, CROP = 11, 12, 8


class Images:
    """Image i is all i+1, so that a batch shows which images it holds."""

    def __init__(self, cached: bool = True, varied: bool = False) -> None:
        self.cached = cached
        self.pixels = np.empty((COUNT, RESIZE, RESIZE, 3), dtype=np.uint8)
        self.pixels[:] = np.arange(1, COUNT + 1, dtype=np.uint8)[:, None, None, None]
        if varied:
            self.pixels = np.random.default_rng(0).integers(0, 256, self.pixels.shape, dtype=np.uint8)
        self.asked: list[int] = []
        self.ahead: int | None = None

    def batch(self, indices: np.ndarray) -> np.ndarray:
        self.asked += [int(index) for index in indices]
        return self.pixels[indices]

    def batches(self, index_batches: Iterable[np.ndarray], ahead: int = 2) -> Iterator[np.ndarray]:
        self.ahead = ahead
        yield from map(self.batch, index_batches)


def chosen(batch_size: int = 4, channels_last: bool = False) -> dict[str, Any]:
    return {"image_size": CROP, "hyperparameters": {"batch_size": batch_size, "channels_last": channels_last}}


def run(
    images: Images, *, settings: dict[str, Any] | None = None, seed: int = 0, epoch: int = 1, first: int = 0
) -> list[tuple[int, np.ndarray, torch.Tensor, torch.Tensor]]:
    labels = np.arange(COUNT, dtype=np.int64) * 10
    return list(training_batches(images, labels, settings or chosen(), seed, epoch, first, torch.device("cpu")))


@given(st.integers(0, 5), st.integers(1, 20), st.integers(1, 200))
@settings(deadline=None, max_examples=30)
def test_an_order_is_a_permutation_that_repeats_itself(seed: int, epoch: int, count: int) -> None:
    order = epoch_order(seed, epoch, count)
    assert sorted(order.tolist()) == list(range(count))
    np.testing.assert_array_equal(order, epoch_order(seed, epoch, count))


def test_orders_differ_between_epochs_and_seeds() -> None:
    orders = {tuple(epoch_order(seed, epoch, 50)) for seed in range(3) for epoch in range(1, 11)}
    assert len(orders) == 30
    assert tuple(range(50)) not in orders


@pytest.mark.parametrize(("count", "size", "steps"), [(1, 1, 1), (8, 4, 2), (9, 4, 3), (3, 32, 1)])
def test_steps_per_epoch(count: int, size: int, steps: int) -> None:
    assert steps_per_epoch(count, size) == steps


def test_every_image_comes_once_with_its_label_and_the_last_batch_is_short() -> None:
    images = Images()
    epoch = run(images)
    assert [step for step, *_ in epoch] == [0, 1, 2]
    assert [len(indices) for _, indices, _, _ in epoch] == [4, 4, 3]
    seen = np.concatenate([indices for _, indices, _, _ in epoch])
    np.testing.assert_array_equal(seen, epoch_order(0, 1, COUNT))
    for _, indices, pixels, labels in epoch:
        assert pixels.shape == (len(indices), 3, CROP, CROP) and pixels.dtype == torch.float32
        np.testing.assert_array_equal(denormalise(pixels)[:, 0, 0, 0].numpy(), indices + 1)
        np.testing.assert_array_equal(labels.numpy(), indices * 10)


@pytest.mark.parametrize("cached", [True, False])
def test_an_epoch_that_is_entered_in_the_middle_gives_the_same_rest(cached: bool) -> None:
    whole = run(Images(varied=True), epoch=3)
    images = Images(cached=cached, varied=True)
    rest = run(images, epoch=3, first=1)
    assert [step for step, *_ in rest] == [1, 2]
    for (_, indices, pixels, labels), (_, expected, whole_pixels, whole_labels) in zip(rest, whole[1:], strict=True):
        np.testing.assert_array_equal(indices, expected)
        assert torch.equal(pixels, whole_pixels) and torch.equal(labels, whole_labels)
    assert not set(images.asked) & set(whole[0][1].tolist()), "what was trained on already is not decoded again"
    assert (images.ahead == 0) == cached, "only images that are not in memory are decoded ahead"
    assert run(Images(), epoch=3, first=3) == []


def test_pictures_change_with_epoch_and_seed_but_not_by_themselves() -> None:
    def first_image(**options: int) -> torch.Tensor:
        epoch = run(Images(varied=True), **options)
        pixels = torch.cat([pixels for _, _, pixels, _ in epoch])
        order = np.concatenate([indices for _, indices, _, _ in epoch])
        return pixels[int(np.flatnonzero(order == 0)[0])]

    assert torch.equal(first_image(epoch=1), first_image(epoch=1))
    crops = [first_image(epoch=epoch, seed=seed) for epoch in range(1, 6) for seed in range(2)]
    assert len({crop.numpy().tobytes() for crop in crops}) > 5, "of 5 × 5 offsets and a flip, ten draws repeat few"


def test_every_step_of_every_epoch_has_a_stream_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def watched(images: torch.Tensor, crop: int, generator: torch.Generator) -> torch.Tensor:
        seeds.append(generator.initial_seed())
        return train_batch(images, crop, generator)

    monkeypatch.setattr(batches, "train_batch", watched)
    for seed in range(2):
        for epoch in range(1, 4):
            run(Images(), seed=seed, epoch=epoch)
    assert len(seeds) == len(set(seeds)) == 2 * 3 * 3


def test_the_draws_of_a_step_do_not_depend_on_other_draws_of_the_process() -> None:
    calm = run(Images(varied=True))
    torch.manual_seed(1234)
    np.random.default_rng(0)
    iterator = run(Images(varied=True))
    for (_, _, pixels, _), (_, _, expected, _) in zip(iterator, calm, strict=True):
        assert torch.equal(pixels, expected)


def test_channels_last_changes_the_layout_and_not_the_values() -> None:
    plain = run(Images(varied=True))[0][2]
    laid = run(Images(varied=True), settings=chosen(channels_last=True))[0][2]
    assert laid.is_contiguous(memory_format=torch.channels_last) and not plain.is_contiguous(
        memory_format=torch.channels_last
    )
    assert torch.equal(plain, laid)
