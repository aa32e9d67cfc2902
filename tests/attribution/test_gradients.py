"""Gradient baselines against closed forms: linear and quadratic scores, completeness, an image's own noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wsol.attribution import attribute, input_gradient, integrated_gradients, load, smoothgrad, vargrad
from wsol.attribution.gradients import noisy
from wsol.errors import ParameterError
from wsol.models import build

SIDE, CLASSES = 6, 4
NAMES = ("input_gradient", "integrated_gradients", "smoothgrad", "vargrad")


class Linear(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(CLASSES, 3, SIDE, SIDE, generator=generator(1)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bchw,kchw->bk", images, self.weight)


class Quadratic(Linear):
    """score = Σ w x² / 2, whose gradient is w x."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.square() / 2)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(3, 3, SIDE, SIDE, generator=generator(2)).clamp(-1.5, 1.5)


TARGETS = torch.tensor([2, 0, 3])


def test_of_a_linear_score_every_gradient_is_the_weight(images: torch.Tensor) -> None:
    model = Linear()
    weight = model.weight.detach()[TARGETS]
    expected = weight.abs().amax(1)
    maps, scores = input_gradient.target_maps(model, images, TARGETS)
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(scores, model(images).detach())
    torch.testing.assert_close(smoothgrad.target_maps(model, images, TARGETS, samples=5)[0], expected)
    torch.testing.assert_close(vargrad.target_maps(model, images, TARGETS, samples=5)[0], torch.zeros_like(expected))
    torch.testing.assert_close(integrated_gradients.attribute(model, images, TARGETS), (images * weight).sum(1))
    # 51 equal gradients over 50.
    released = integrated_gradients.attribute(model, images, TARGETS, reference=True)
    torch.testing.assert_close(released, expected * 51 / 50)


def test_integrated_gradients_are_complete(images: torch.Tensor) -> None:
    quadratic = Quadratic()
    expected = quadratic(images)[torch.arange(3), TARGETS].detach()
    # The midpoint rule is exact where the gradient is linear along the path.
    total = integrated_gradients.attribute(quadratic, images, TARGETS, steps=2).sum((1, 2))
    torch.testing.assert_close(total, expected)
    torch.manual_seed(0)
    network = build("resnet50", head="cam", num_classes=CLASSES, width=0.125, map_stride=8).eval()
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.normal_(0, 0.1)
    photographs = torch.randn(2, 3, 32, 32, generator=generator(3))
    chosen = torch.tensor([1, 3])
    with torch.no_grad():
        gain = (network(photographs) - network(torch.zeros_like(photographs)))[torch.arange(2), chosen]
    found = integrated_gradients.attribute(network, photographs, chosen, steps=200).sum((1, 2))
    torch.testing.assert_close(found, gain, rtol=0.03, atol=0.03 * float(gain.abs().max()))


def test_released_integrated_gradients_are_a_mean_of_absolute_gradients(images: torch.Tensor) -> None:
    model = Quadratic()
    weight = model.weight.detach()[TARGETS]
    # The gradient at αx is α w x; Σ α over 0, 1/4 … 1 is 2.5.
    expected = (weight * images).abs().amax(1) * 2.5 / 4
    torch.testing.assert_close(
        integrated_gradients.attribute(model, images, TARGETS, steps=4, reference=True), expected
    )


def test_smoothgrad_and_vargrad_are_mean_and_variance_over_the_same_copies(images: torch.Tensor) -> None:
    model = Quadratic()
    weight = model.weight.detach()[TARGETS]
    maps = torch.stack([(weight * copy).abs().amax(1) for copy in noisy(images, 7, 0.25, 5)]).double()
    mean = smoothgrad.attribute(model, images, TARGETS, samples=7, seed=5)
    variance = vargrad.attribute(model, images, TARGETS, samples=7, seed=5)
    torch.testing.assert_close(mean.double(), maps.mean(0), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(variance.double(), (maps**2).mean(0) - maps.mean(0) ** 2, rtol=1e-4, atol=1e-5)
    assert (variance >= 0).all() and variance.max() > 0.01


def test_the_noise_of_an_image_is_its_own(images: torch.Tensor) -> None:
    together = torch.stack(list(noisy(images, 3, 0.25, 0)))
    alone = torch.cat([torch.stack(list(noisy(images[i : i + 1], 3, 0.25, 0))) for i in range(3)], dim=1)
    assert torch.equal(together, alone), "the batch must not matter"
    added = together - images
    assert not torch.allclose(added[:, 0], added[:, 1]) and not torch.allclose(added[0], added[1])
    assert not torch.equal(together, torch.stack(list(noisy(images, 3, 0.25, 1)))), "the seed must matter"
    many = torch.stack(list(noisy(images, 200, 0.25, 0))) - images
    extent = images.amax((1, 2, 3)) - images.amin((1, 2, 3))
    torch.testing.assert_close(many.std((0, 2, 3, 4)), extent / 4, rtol=0.03, atol=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("head", ["cam", "calm"])
def test_the_network_is_left_as_it_was(name: str, head: str) -> None:
    torch.manual_seed(0)
    model: Any = build("resnet50", head=head, num_classes=CLASSES, width=0.125, map_stride=8)
    model.train()
    model.trunk.eval()  # a mixture of modes must come back
    modes = [module.training for module in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    photographs = torch.randn(2, 3, 32, 32, generator=generator(3))
    targets = torch.tensor([1, 3])
    options = {} if name == "input_gradient" else {"steps" if "integrated" in name else "samples": 3}
    module = load(name)
    with torch.no_grad():
        maps, scores = module.target_maps(model, photographs, targets, **options)
        single = torch.cat(
            [attribute(model, photographs[i : i + 1], targets[i : i + 1], name, **options) for i in (0, 1)]
        )
    assert maps.shape == (2, 32, 32) and scores.shape == (2, CLASSES) and torch.isfinite(maps).all()
    assert not maps.requires_grad and not scores.requires_grad and not photographs.requires_grad
    torch.testing.assert_close(maps, single, rtol=1e-3, atol=1e-5 * float(maps.abs().max()))
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    with torch.inference_mode():
        again, _ = module.target_maps(model, photographs.clone(), targets, **options)
    torch.testing.assert_close(again, maps, rtol=1e-3, atol=1e-5 * float(maps.abs().max()))


def test_what_cannot_be_meant_is_refused(images: torch.Tensor) -> None:
    with pytest.raises(ParameterError, match="no class of a network with 4"):
        input_gradient.attribute(Linear(), images, torch.tensor([0, 4, 1]))
    with pytest.raises(ParameterError, match="steps is 0"):
        integrated_gradients.attribute(Linear(), images, TARGETS, steps=0)
    with pytest.raises(ParameterError, match="samples 0"):
        smoothgrad.attribute(Linear(), images, TARGETS, samples=0)
