"""The backward pass that is timed in the paper's way gives the map that it is timed for."""

from __future__ import annotations

import types
from typing import Any

import pytest
import torch
from torch import Tensor

import wsol.timing.released
from wsol.attribution import attribute, smooth_gradcam_pp
from wsol.models import build
from wsol.timing.released import released_call

SHARE = 1e-5


@pytest.fixture
def network() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return build("resnet50", head="cam", num_classes=4, width=0.125, map_stride=8).eval()


def grad_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    return gradient.mean((-2, -1), keepdim=True)


def by_name(monkeypatch: pytest.MonkeyPatch, **content: Any) -> None:
    """Stands for the module of an attribution with these formulas."""
    monkeypatch.setattr(wsol.timing.released.attribution, "load", lambda name: types.SimpleNamespace(**content))


def expected(network: Any, image: Tensor, target: int) -> Tensor:
    """Grad-CAM of a network with global average pooling: relu(CAM) over the number of places."""
    with torch.no_grad():
        features = network.features(image)
        plain = network.class_maps(features)[:, target]
        weight = network.head.classifier.weight[target]
        found = (weight[None, :, None, None] * features).sum(1).relu() / features[0, 0].numel()
        # Class maps leave out the bias and are a mean or a sum over channels: the same up to a factor.
        assert torch.allclose(found / found.max(), plain.relu() / plain.max(), atol=1e-4)
        return found


def test_cam_is_read_off_activations_that_are_there(network: Any) -> None:
    image, target = torch.rand(1, 3, 32, 32), torch.tensor([2])
    found = released_call("cam", network, image, target)()
    assert torch.equal(found, network.class_maps(network.features(image))[:, 2])


@pytest.mark.parametrize("name", ["cam", "gradcam", "gradcam_pp", "smooth_gradcam_pp", "xgradcam", "layercam"])
def test_every_baseline_is_its_own_map(network: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """With the formulas that are there; Smooth Grad-CAM++ without noise, which here draws from another stream."""
    if name == "smooth_gradcam_pp":
        monkeypatch.setattr(smooth_gradcam_pp, "SIGMA", 0.0)
    image, target = torch.rand(1, 3, 32, 32), torch.tensor([2])
    wanted = attribute(network, image, target, name).detach()
    found = released_call(name, network, image, target)().detach()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=SHARE * float(wanted.abs().max()))


def test_a_backward_pass_gives_the_gradient_also_under_no_grad(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    by_name(monkeypatch, coefficients=grad_cam)
    image, target = torch.rand(1, 3, 32, 32), torch.tensor([1])
    with torch.no_grad():
        call = released_call("gradcam", network, image, target)
        found, again = call(), call()
    wanted = expected(network, image, 1)
    assert torch.allclose(found, wanted, atol=SHARE * float(wanted.max()))
    assert torch.equal(found, again)
    assert not found.requires_grad
    assert all(weight.grad is None for weight in network.parameters())


def test_noisy_copies_are_each_passed_and_their_gradients_averaged(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without noise every copy is the image: the mean of G is G, of G² its square, of G³ its cube."""
    seen: dict[str, Tensor] = {}

    def smooth(activation: Tensor, first: Tensor, second: Tensor, third: Tensor) -> Tensor:
        seen.update(first=first, second=second, third=third)
        return grad_cam(activation, first)

    passes: list[Tensor] = []
    by_name(monkeypatch, smooth_coefficients=smooth, SAMPLES=3, SIGMA=0.0)
    features = network.features
    monkeypatch.setattr(network, "features", lambda image: passes.append(image) or features(image))
    image, target = torch.rand(1, 3, 32, 32), torch.tensor([0])
    with torch.no_grad():
        found = released_call("smooth_gradcam_pp", network, image, target)()
    assert len(passes) == 3
    assert torch.allclose(seen["second"], seen["first"] ** 2, rtol=1e-4)
    assert torch.allclose(seen["third"], seen["first"] ** 3, rtol=1e-4)
    wanted = expected(network, image, 0)
    assert torch.allclose(found, wanted, atol=1e-4 * float(wanted.max()))
