"""Remove-and-classify against a slow loop, closed forms, and SplitMix64 in Python's own integers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from wsol.errors import DataError, ParameterError
from wsol.metrics.removal import Counts, count_correct, image_keys, random_order, ratio, removal_order, remove, upsample

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)


def keys(count: int, seed: int = 0) -> Tensor:
    return torch.tensor(image_keys([f"image {index}" for index in range(count)], seed))


def splitmix(state: int) -> int:
    """SplitMix64's output function (Steele, Lea, Flood 2014), on unsigned 64-bit integers."""
    wrap = 2**64 - 1
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & wrap
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & wrap
    return state ^ (state >> 31)


def slow_order(key: int, pixels: int) -> list[int]:
    def value(index: int) -> int:
        mixed = splitmix((key + (index + 1) * 0x9E3779B97F4A7C15) % 2**64)
        return mixed - 2**64 if mixed >= 2**63 else mixed

    return sorted(range(pixels), key=value)


def slow_counts(classify: object, images: Tensor, labels: Tensor, maps: Tensor, image_ids: list[str]) -> Counts:
    """Image by image and pixel by pixel, with a resize of its own."""
    height, width = images.shape[2:]
    top, random = [0] * len(SHARES), [0] * len(SHARES)
    intact = blank = 0
    for image, label, map_, key in zip(images, labels, maps, image_keys(image_ids, 0), strict=True):
        order = slow_order(key, height * width)
        place = {pixel: position for position, pixel in enumerate(order)}
        score = {y * width + x: bilinear(map_, y, x, height, width) for y in range(height) for x in range(width)}
        by_score = sorted(order, key=lambda pixel: (-score[pixel], place[pixel]))

        def right(picture: Tensor, label: Tensor = label) -> int:
            return int(classify(picture[None])[0].argmax() == label)  # type: ignore[operator]

        for index, share in enumerate(SHARES):
            for found, chosen in ((top, by_score), (random, order)):
                picture = image.clone()
                for pixel in chosen[: int(share * height * width)]:
                    picture[:, pixel // width, pixel % width] = 0
                found[index] += right(picture)
        intact += right(image)
        blank += right(torch.zeros_like(image))
    return Counts(SHARES, tuple(top), tuple(random), intact, blank, len(images))


def bilinear(map_: Tensor, y: int, x: int, height: int, width: int) -> float:
    def taps(position: int, old: int, new: int) -> tuple[int, int, float]:
        centre = max((position + 0.5) * old / new - 0.5, 0.0)
        first = int(centre)
        return first, min(first + 1, old - 1), centre - first

    (y0, y1, v), (x0, x1, u) = taps(y, len(map_), height), taps(x, map_.shape[1], width)
    upper = float(map_[y0, x0]) * (1 - u) + float(map_[y0, x1]) * u
    lower = float(map_[y1, x0]) * (1 - u) + float(map_[y1, x1]) * u
    return upper * (1 - v) + lower * v


class Linear:
    """Classes scored by the product of the image with a fixed picture each."""

    def __init__(self, classes: int, height: int, width: int) -> None:
        self.weights = torch.randn(classes, 3, height, width, generator=torch.Generator().manual_seed(3)).double()

    def __call__(self, images: Tensor) -> Tensor:
        return torch.einsum("bchw,kchw->bk", images.double(), self.weights)


def batch(count: int = 12, height: int = 8, width: int = 12) -> tuple[Linear, Tensor, Tensor, Tensor, list[str]]:
    generator = torch.Generator().manual_seed(1)
    classify = Linear(3, height, width)
    images = torch.randn(count, 3, height, width, generator=generator)
    images += 0.15 * classify.weights[torch.arange(count) % 3].float()
    maps = torch.randn(count, 4, 6, generator=generator)
    return classify, images, torch.arange(count) % 3, maps, [f"image {index}" for index in range(count)]


def test_the_batch_gives_what_a_loop_over_pixels_gives() -> None:
    classify, images, labels, maps, image_ids = batch()
    expected = slow_counts(classify, images, labels, maps, image_ids)
    assert count_correct(classify, images, labels, maps, keys(12), SHARES) == expected
    assert 0 < expected.top[2] < expected.n_images, "a batch where nothing changes would test nothing"


def test_the_counts_do_not_depend_on_batches() -> None:
    classify, images, labels, maps, _ = batch()
    whole = count_correct(classify, images, labels, maps, keys(12), SHARES)
    parts = [
        count_correct(classify, images[a:b], labels[a:b], maps[a:b], keys(12)[a:b], SHARES)
        for a, b in ((0, 5), (5, 6), (6, 12))
    ]
    assert parts[0] + parts[1] + parts[2] == whole


def test_a_network_of_one_pixel_fails_only_where_the_map_finds_it() -> None:
    """Class 1 if pixel (2, 3) is bright. A map that peaks there removes it at once, one that is lowest there never."""
    images = torch.full((6, 3, 10, 10), 1.0)

    def classify(pictures: Tensor) -> Tensor:
        seen = pictures[:, 0, 2, 3]
        return torch.stack([torch.full_like(seen, 0.5), seen], dim=1)

    labels = torch.ones(6, dtype=torch.int64)
    found = torch.zeros(6, 10, 10)
    found[:, 2, 3] = 1
    best, worst = (count_correct(classify, images, labels, maps, keys(6), SHARES) for maps in (found, -found))
    assert best.top == (0,) * 5
    assert worst.top == (6,) * 5
    assert best.random == worst.random
    assert (best.intact, best.blank) == (6, 0)
    position = [slow_order(key, 100).index(23) for key in image_keys([f"image {i}" for i in range(6)], 0)]
    assert best.random == tuple(sum(place >= int(share * 100) for place in position) for share in SHARES)


@pytest.mark.parametrize("value", [0.25, float("nan"), float("inf")])
def test_a_map_that_says_nothing_is_worth_as_much_as_chance(value: float) -> None:
    classify, images, labels, maps, _ = batch()
    counts = count_correct(classify, images, labels, torch.full_like(maps, value), keys(12), SHARES)
    assert counts.top == counts.random


def test_any_increasing_function_of_a_map_removes_the_same_pixels() -> None:
    scores = torch.randn(4, 96, generator=torch.Generator().manual_seed(0))
    order = random_order(keys(4), 96)
    assert torch.equal(removal_order(scores, order), removal_order(torch.exp(3 * scores.double()) - 7, order))


def test_random_orders_are_permutations_of_each_image_and_seed() -> None:
    orders = random_order(keys(5), 400)
    assert torch.equal(orders.sort(dim=1).values, torch.arange(400).expand(5, -1))
    assert torch.equal(random_order(keys(5)[3:4], 400)[0], orders[3])
    others = random_order(keys(5, seed=1), 400)
    agreement = (orders == others).float().mean()
    assert agreement < 0.02, "two seeds agree on more pixels than chance's 1 in 400"
    assert orders[0].tolist() == slow_order(int(keys(5)[0]), 400)


def test_random_pixels_are_spread_evenly() -> None:
    """Each of 16 tiles gets its share of the first tenth within 4.5 standard deviations of a fair draw."""
    first = random_order(keys(200), 1600)[:, :160]
    tiles = torch.bincount(first.flatten() // 100, minlength=16).double()
    deviation = np.sqrt(200 * 160 * (1 / 16) * (15 / 16) * (1440 / 1599))
    assert (tiles - 2000).abs().max() < 4.5 * deviation


def test_removing_keeps_the_rest() -> None:
    images = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    order = random_order(keys(2), 20)
    before = images.clone()
    removed = remove(images, order, 7)
    gone = (removed == 0).all(dim=1)
    assert gone.flatten(1).sum(dim=1).tolist() == [7, 7]
    assert torch.equal(removed[~gone[:, None].expand_as(removed)], images[~gone[:, None].expand_as(images)])
    assert torch.equal(images, before)
    assert torch.equal(remove(images, order, 0), images)
    assert not remove(images, order, 20).any()


def test_upsampling_keeps_a_ramp_linear_between_the_centres() -> None:
    ramp = torch.arange(4.0)[None, None, :].expand(1, 2, 4)
    wide = upsample(ramp, 4, 16)[0]
    assert torch.allclose(wide[0, 2:14], (torch.arange(2, 14) + 0.5) / 4 - 0.5)


def test_the_ratio_is_undefined_where_the_baseline_has_nothing_right() -> None:
    assert ratio(3, 4) == 0.75
    assert ratio(0, 4) == 0
    assert ratio(0, 0) is None
    assert ratio(3, 0) is None


@pytest.mark.parametrize("shares", [(), (0.0,), (0.5, 1.0), (float("nan"),)])
def test_a_share_that_removes_nothing_or_all_is_refused(shares: tuple[float, ...]) -> None:
    classify, images, labels, maps, _ = batch()
    with pytest.raises(ParameterError, match="between 0 and 1"):
        count_correct(classify, images, labels, maps, keys(12), shares)


def test_unequal_lengths_and_unequal_shares_are_refused() -> None:
    classify, images, labels, maps, _ = batch()
    with pytest.raises(DataError, match="12 images, 12 labels, 11 maps"):
        count_correct(classify, images, labels, maps[1:], keys(12), SHARES)
    with pytest.raises(ParameterError, match="cannot be added"):
        Counts((0.1,), (1,), (1,), 1, 0, 1) + Counts((0.3,), (1,), (1,), 1, 0, 1)
