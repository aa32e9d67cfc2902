"""Min-max of maps against one map at a time."""

from __future__ import annotations

import math

import pytest
import torch

from wsol.models.minmax import minmax


def test_each_map_is_stretched_by_its_own_extremes() -> None:
    maps = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0)) * 7 - 3
    result = minmax(maps)
    for image in range(3):
        for channel in range(4):
            one = maps[image, channel].double()
            expected = (one - one.min()) / (one.max() - one.min())
            torch.testing.assert_close(result[image, channel].double(), expected, rtol=1e-5, atol=1e-6)
    assert (result.amin((2, 3)) == 0).all() and (result.amax((2, 3)) == 1).all(), "the ends are exact"


@pytest.mark.parametrize("constant", [0.0, 1.0, math.nan])
def test_a_constant_map_becomes_the_value_asked_for_and_touches_no_other(constant: float) -> None:
    maps = torch.tensor([[[3.0, 3.0]], [[0.0, 2.0]]])
    expected = torch.tensor([[[constant, constant]], [[0.0, 1.0]]])
    torch.testing.assert_close(minmax(maps, constant), expected, equal_nan=True, rtol=0, atol=0)


def test_gradients_are_finite_also_beside_a_constant_map() -> None:
    maps = torch.tensor([[[3.0, 3.0]], [[0.0, 2.0]]], requires_grad=True)
    minmax(maps).sum().backward()
    assert maps.grad is not None and torch.isfinite(maps.grad).all()


def test_half_precision_maps_are_stretched_in_float32() -> None:
    assert minmax(torch.randn(2, 3, 3).to(torch.bfloat16)).dtype == torch.float32


def test_a_nan_stays_visible() -> None:
    assert torch.isnan(minmax(torch.tensor([[[math.nan, 1.0]]]))).all()
