"""Sections A and B of CALM's supplement: CAM in two forms, and the bound that EM minimises."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wsol.attribution import score_maps
from wsol.losses import calm
from wsol.models import build
from wsol.models.of_label import of_label


def random_features(seed: int) -> tuple[Tensor, Tensor]:
    """f̄ (B, L, h, w) and W (C, L) of section A."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(4, 16, 5, 7, generator=generator, dtype=torch.float64)
    return features, torch.randn(6, 16, generator=generator, dtype=torch.float64)


def test_equations_a_b_c_pooling_and_weighting_commute() -> None:
    features, weight = random_features(0)
    maps = torch.einsum("yl,blhw->byhw", weight, features)  # f_yhw, redefined after equation c
    left = torch.einsum("yl,bl->by", weight, features.mean((2, 3)))
    right = maps.mean((2, 3))
    torch.testing.assert_close(left, right, rtol=1e-14, atol=1e-14)  # c
    torch.testing.assert_close(right.softmax(1), left.softmax(1), rtol=1e-13, atol=1e-15)  # a and b


@torch.no_grad()
@pytest.mark.parametrize("backbone", ["resnet50", "vgg16", "inceptionv3"])
def test_equations_a_b_c_hold_for_the_networks(backbone: str) -> None:
    torch.manual_seed(0)
    model = build(backbone, num_classes=5, width=0.125, map_stride=8).double().eval()
    features = model.features(torch.randn(2, 3, 64, 64, dtype=torch.float64))
    maps, logits = model.class_maps(features), model.logits(features)
    scale = features.shape[1] if isinstance(model.head.classifier, torch.nn.Linear) else 1  # CAM is a mean there
    torch.testing.assert_close((scale * maps).mean((2, 3)).softmax(1), logits.softmax(1), rtol=1e-12, atol=1e-14)


def test_equations_d_e_the_map_after_min_max_is_the_same_in_both_forms() -> None:
    features, weight = random_features(1)
    for label in range(6):
        summed = sum(weight[label, channel] * features[:, channel] for channel in range(16))  # d
        convolved = torch.nn.functional.conv2d(features, weight[:, :, None, None])[:, label]
        low, high = summed.amin((1, 2), keepdim=True), summed.amax((1, 2), keepdim=True)
        torch.testing.assert_close(score_maps(convolved, (5, 7)), (summed - low) / (high - low))  # e, min-max


@given(seed=st.integers(0, 10**6), sharpness=st.floats(0.1, 20))
@settings(deadline=None, max_examples=50)
def test_equations_f_to_i_the_bound(seed: int, sharpness: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    f = sharpness * torch.randn(3, 4, 3, 3, generator=generator, dtype=torch.float64)
    h = torch.rand(3, 1, 3, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(4, (3,), generator=generator)
    q = (sharpness * torch.randn(3, 9, generator=generator, dtype=torch.float64)).softmax(1).reshape(3, 3, 3)
    entropy = -(q * q.log()).sum((1, 2))
    objective = calm.maximum_likelihood(f, h, labels)  # f
    weighted = -(q * (of_label(calm.log_joint(f, h), labels) - q.log()).exp()).sum((1, 2)).log()  # g
    upper = calm.expectation_maximisation(f, h, labels, posterior=q)  # i
    jensen = upper - entropy  # h
    torch.testing.assert_close(weighted, objective)
    assert (objective <= jensen + 1e-9).all() and (jensen <= upper + 1e-9).all()
    # The first gap is the divergence of q from the posterior, and closes where q is the posterior (j, k).
    posterior = of_label(calm.log_posterior(f, h), labels)
    torch.testing.assert_close(jensen - objective, (q * (q.log() - posterior)).sum((1, 2)), rtol=1e-7, atol=1e-9)
    own = posterior.exp()
    closed = calm.expectation_maximisation(f, h, labels) + torch.special.xlogy(own, own).sum((1, 2))
    torch.testing.assert_close(closed, objective, rtol=1e-9, atol=1e-9)


def table(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """log p(y|z) and p(z) shared by all images, and the images' labels: a mixture whose M-step has a closed form."""
    generator = torch.Generator().manual_seed(seed)
    f = torch.randn(1, 3, 2, 2, generator=generator, dtype=torch.float64).log_softmax(1)
    h = torch.rand(1, 1, 2, 2, generator=generator, dtype=torch.float64)
    return f, h, torch.tensor([0, 0, 1, 2, 2, 2, 2, 1, 0, 2])


def shared(f: Tensor, h: Tensor, count: int) -> tuple[Tensor, Tensor]:
    return f.expand(count, -1, -1, -1), h.expand(count, -1, -1, -1)


@pytest.mark.parametrize("seed", range(4))
def test_an_em_step_never_lowers_the_likelihood_and_the_m_step_is_its_optimum(seed: int) -> None:
    f, h, labels = table(seed)
    count, losses = len(labels), []
    for _ in range(6):
        losses.append(float(calm.maximum_likelihood(*shared(f, h, count), labels).sum()))
        q = of_label(calm.log_posterior(*shared(f, h, count)).exp(), labels)
        of_class = torch.stack([q[labels == label].sum(0) for label in range(3)])
        f = (of_class / of_class.sum(0)).log()[None].requires_grad_()
        h = q.mean(0)[None, None].requires_grad_()
        bound = calm.expectation_maximisation(*shared(f, h, count), labels, posterior=q).sum()
        for gradient in torch.autograd.grad(bound, (f, h)):
            torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-9, rtol=0)
        reference = calm.expectation_maximisation(*shared(f, h, count), labels, "reference", posterior=q).sum()
        assert (torch.autograd.grad(reference, h)[0] < -0.5).all(), "there the optimum is none: h only grows"
        f, h = f.detach(), h.detach()
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(losses))
    assert losses[-1] < losses[0] - 1e-3
    counts = torch.bincount(labels).double()
    assert losses[-1] == pytest.approx(float(-(counts * (counts / count).log()).sum())), "the classes' own frequencies"


def test_a_gradient_step_on_the_bound_lowers_the_likelihood_objective() -> None:
    generator = torch.Generator().manual_seed(0)
    f = torch.randn(8, 5, 4, 4, generator=generator, dtype=torch.float64).requires_grad_()
    h = torch.rand(8, 1, 4, 4, generator=generator, dtype=torch.float64).requires_grad_()
    labels = torch.arange(8) % 5
    values = []
    for _ in range(10):
        values.append(float(calm.maximum_likelihood(f, h, labels).sum().detach()))
        q = of_label(calm.log_posterior(f, h).exp(), labels).detach()
        for _ in range(3):  # several steps on one posterior: θ′ is not θ
            slopes = torch.autograd.grad(calm.expectation_maximisation(f, h, labels, posterior=q).sum(), (f, h))
            with torch.no_grad():
                f -= 0.3 * slopes[0]
                h.sub_(0.05 * slopes[1]).clamp_min_(0)
    assert all(later < earlier for earlier, later in pairwise(values))
