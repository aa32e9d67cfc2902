from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wsol.models.layers import he_normal, scaled, xavier_uniform


@settings(deadline=None, max_examples=50)
@given(eights=st.integers(1, 256), width=st.floats(0.01, 4.0))
def test_scaled_is_the_nearest_positive_multiple_of_eight(eights: int, width: float) -> None:
    result = scaled(8 * eights, width)
    assert result % 8 == 0
    assert result >= 8
    assert result == 8 or abs(result - 8 * eights * width) <= 4 + 1e-9
    assert scaled(8 * eights, 1.0) == 8 * eights


@pytest.mark.parametrize(
    ("channels", "width", "expected"), [(64, 0.25, 16), (48, 0.25, 16), (80, 0.25, 24), (32, 0.1, 8)]
)
def test_scaled_by_hand(channels: int, width: float, expected: int) -> None:
    assert scaled(channels, width) == expected


@pytest.mark.parametrize(("fan", "size"), [("fan_in", 64 * 9), ("fan_out", 128 * 9)])
def test_he_normal_has_variance_two_over_its_fan(fan: Literal["fan_in", "fan_out"], size: int) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(64, 128, 3), nn.BatchNorm2d(128), nn.Linear(512, 256))
    he_normal(layers, fan)
    assert layers[0].weight.std().item() == pytest.approx(math.sqrt(2 / size), rel=0.02)
    assert layers[2].weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not layers[0].bias.any()
    assert not layers[2].bias.any()
    assert torch.equal(layers[1].weight, torch.ones(128))


def test_xavier_uniform_has_its_bound() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(64, 128, 3), nn.Linear(512, 256))
    xavier_uniform(layers)
    for layer, fans in ((layers[0], (64 + 128) * 9), (layers[1], 512 + 256)):
        bound = math.sqrt(6 / fans)
        assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
        assert not layer.bias.any()
