"""Activations from inside a trunk."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wsol.models.taps import tapped


def trunk() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sequential(nn.ReLU(), nn.Conv2d(2, 3, 1)), nn.Identity())


def test_the_outputs_of_the_named_modules_are_kept_with_their_gradients() -> None:
    net, x = trunk(), torch.randn(1, 1, 2, 2)
    with tapped(net, ("0", "1.0")) as seen:
        net(x)
    assert set(seen) == {"0", "1.0"}
    assert torch.equal(seen["0"], net[0](x))
    assert torch.equal(seen["1.0"], net[0](x).relu())
    seen["1.0"].sum().backward()
    assert net[0].weight.grad is not None


def test_the_hooks_are_gone_afterwards_also_after_an_error() -> None:
    net = trunk()
    with pytest.raises(ZeroDivisionError), tapped(net, ("0", "2")):
        raise ZeroDivisionError
    with pytest.raises(AttributeError), tapped(net, ("0", "7")):
        pass
    assert not any(module._forward_hooks for module in net.modules())
    with tapped(net, ("2",)) as seen:
        net(torch.zeros(1, 1, 2, 2))
    first = seen["2"]
    net(torch.ones(1, 1, 2, 2))
    assert seen["2"] is first
