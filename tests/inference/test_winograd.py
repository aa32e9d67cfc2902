"""Winograd's convolution is the convolution: beside torch's in float64, and its error beside torch's own in float32."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import conv2d

from wsol.inference.transforms import FAR, NEAR
from wsol.inference.winograd import TILES, Scratch, Winograd, multiplications, suits, weight_transform


def layer(
    filters: int, channels: int, batch: int, height: int, width: int, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Weight, bias and maps as behind a ReLU."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(filters, channels, 3, 3, generator=generator) * (2 / (9 * channels)) ** 0.5
    bias = torch.randn(filters, generator=generator)
    maps = torch.randn(batch, channels, height, width, generator=generator).relu()
    return weight, bias, maps


def exact(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    return conv2d(x.double(), weight.double(), None if bias is None else bias.double(), padding=padding)


def test_the_weight_transform_is_that_of_lagrange_at_the_points() -> None:
    """In fractions. The other two transforms are held to the convolution, below."""
    points = [Fraction(0), Fraction(NEAR), -Fraction(NEAR), Fraction(FAR), -Fraction(FAR)]
    transform = weight_transform()
    for row, point in zip(transform[:5], points, strict=True):
        distances = Fraction(1)
        for other in points:
            distances *= point - other if other != point else 1
        assert row.tolist() == pytest.approx([float(point**power / distances) for power in range(3)], rel=1e-15)
    assert transform[5].tolist() == [0, 0, 1]


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    height=st.integers(1, 15),
    width=st.integers(1, 15),
    channels=st.sampled_from([16, 32, 48]),
    filters=st.sampled_from([16, 64]),
    padding=st.integers(0, 2),
    relu=st.booleans(),
    biased=st.booleans(),
    last=st.booleans(),
)
def test_any_size_padding_and_layout_gives_the_convolution(
    batch: int, height: int, width: int, channels: int, filters: int, padding: int, relu: bool, biased: bool, last: bool
) -> None:
    height, width = (max(side, 3 - 2 * padding) for side in (height, width))
    weight, bias, maps = layer(filters, channels, batch, height, width)
    given_bias = bias if biased else None
    before = maps.clone()
    if last:
        maps = maps.contiguous(memory_format=torch.channels_last)
    found = Winograd(weight, given_bias, padding, relu, Scratch())(maps)
    wanted = exact(maps, weight, given_bias, padding)
    torch.testing.assert_close(found.double(), wanted.relu() if relu else wanted, rtol=0, atol=2e-5)
    assert torch.equal(maps, before)


def test_more_tiles_than_are_taken_at_a_time_and_scratch_used_again() -> None:
    scratch = Scratch()
    for channels, side, batch in ((32, 60, 2), (16, 9, 40), (48, 30, 1)):
        assert batch * (-(-side // 4)) ** 2 > TILES or batch == 1
        weight, bias, maps = layer(16, channels, batch, side, side, seed=side)
        run = Winograd(weight, bias, 1, False, scratch)
        first = run(maps)
        torch.testing.assert_close(first.double(), exact(maps, weight, bias, 1), rtol=0, atol=2e-5)
        assert torch.equal(run(maps), first)


@pytest.mark.parametrize(("channels", "side"), [(64, 56), (256, 14)])
def test_its_error_is_about_that_of_the_plain_convolution(channels: int, side: int) -> None:
    weight, bias, maps = layer(channels, channels, 2, side, side)
    wanted = exact(maps, weight, bias, 1)
    errors = [
        float((found.double() - wanted).square().mean().sqrt() / wanted.square().mean().sqrt())
        for found in (Winograd(weight, bias, 1, False, Scratch())(maps), conv2d(maps, weight, bias, padding=1))
    ]
    assert errors[0] < 1e-6, "with the points 0, ±1, ±2 it is 1.4e-6"
    assert errors[0] < 8 * errors[1]


def test_not_a_number_and_infinity_stay_where_they_are_seen() -> None:
    weight, bias, maps = layer(16, 16, 1, 8, 8)
    maps[0, 3, 0, 0] = torch.nan
    found = Winograd(weight, bias, 1, True, Scratch())(maps)
    assert found[0, :, :2, :2].isnan().all(), "ReLU keeps NaN"
    assert found[0, :, 4:, 4:].isfinite().all()


def test_multiplications_are_a_quarter_where_tiles_fit() -> None:
    assert multiplications(56, 56) == multiplications(4, 8) == 0.25
    assert multiplications(7, 7) == pytest.approx(36 * 4 / (9 * 49))
    assert multiplications(1, 1) == 4


def test_which_convolutions_suit() -> None:
    plain = ([1, 1], [1, 1], [1, 1], 1)
    assert suits(torch.empty(32, 64, 3, 3), *plain)
    assert suits(torch.empty(32, 64, 3, 3), [1, 1], [0, 0], [1, 1], 1)
    for weight in (torch.empty(32, 16, 3, 3), torch.empty(40, 32, 3, 3), torch.empty(32, 32, 1, 3)):
        assert not suits(weight, *plain)
    assert not suits(torch.empty(32, 32, 3, 3, dtype=torch.float64), *plain)
    square = torch.empty(32, 32, 3, 3)
    for stride, padding, dilation, groups in (
        ([2, 2], [1, 1], [1, 1], 1),
        ([1, 1], [1, 0], [1, 1], 1),
        ([1, 1], [2, 2], [2, 2], 1),
        ([1, 1], [1, 1], [1, 1], 2),
    ):
        assert not suits(square, stride, padding, dilation, groups)


def test_threads_have_scratch_of_their_own() -> None:
    from concurrent.futures import ThreadPoolExecutor

    weight, bias, _ = layer(32, 32, 1, 4, 4)
    run = Winograd(weight, bias, 1, False, Scratch())
    maps = [layer(32, 32, 2, 40, 24, seed=seed)[2] for seed in range(8)]
    wanted = [run(one) for one in maps]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            found = list(pool.map(run, maps))
            assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))
