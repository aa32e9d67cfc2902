"""CALM's probabilities and objectives against closed forms, slow float64 sums and a transcription of the reference."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from wsol.errors import ParameterError
from wsol.losses import calm
from wsol.models.of_label import of_label

OBJECTIVES = {"ml": calm.maximum_likelihood, "em": calm.expectation_maximisation}


def batch(
    seed: int = 0, images: int = 3, classes: int = 4, side: int = 3, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    """f, h with about a quarter of its locations at 0 but none all over an image, and labels."""
    generator = torch.Generator().manual_seed(seed)
    f = 2 * torch.randn(images, classes, side, side, generator=generator, dtype=dtype)
    h = (torch.randn(images, 1, side, side, generator=generator, dtype=dtype) + 0.6).clamp_min(0)
    h[:, :, 0, 0] += 0.1
    labels = torch.randint(classes, (images,), generator=generator)
    return f.requires_grad_(), h.requires_grad_(), labels


def naive_joint(f: Tensor, h: Tensor) -> Tensor:
    """p(y,z|x) by a loop over images, locations and classes."""
    f, h = f.detach(), h.detach()
    joint = torch.zeros_like(f)
    for image in range(len(f)):
        for row in range(f.shape[2]):
            for column in range(f.shape[3]):
                exponentials = [math.exp(float(value)) for value in f[image, :, row, column]]
                for index, value in enumerate(exponentials):
                    location = float(h[image, 0, row, column]) / float(h[image].sum())
                    joint[image, index, row, column] = value / sum(exponentials) * location
    return joint


def gradients(loss: Tensor, *tensors: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss.sum(), tensors, allow_unused=True))


def test_probabilities_are_those_of_a_slow_sum() -> None:
    f, h, labels = batch()
    joint = naive_joint(f, h)
    torch.testing.assert_close(calm.log_joint(f, h).exp(), joint)
    torch.testing.assert_close(calm.log_location(h).exp(), h / h.sum((2, 3), keepdim=True))
    torch.testing.assert_close(calm.log_class(f, h).exp(), joint.sum((2, 3)))
    torch.testing.assert_close(calm.log_posterior(f, h).exp(), joint / joint.sum((2, 3), keepdim=True))
    own = joint[torch.arange(3), labels]
    likelihood = own.sum((1, 2))
    torch.testing.assert_close(calm.maximum_likelihood(f, h, labels), -likelihood.log())
    terms = torch.where(own > 0, own / likelihood[:, None, None] * own.clamp_min(1e-300).log(), 0)
    torch.testing.assert_close(calm.expectation_maximisation(f, h, labels), -terms.sum((1, 2)))


def test_everything_sums_to_one() -> None:
    f, h, _ = batch(seed=1, images=8, classes=5, side=4)
    with torch.no_grad():
        h[0] = 0
        h[1] = 0
        h[1, 0, 2, 3] = 1e-30
        ones = torch.ones(8, dtype=torch.float64)
        torch.testing.assert_close(calm.log_joint(f, h).exp().sum((1, 2, 3)), ones)
        torch.testing.assert_close(calm.log_location(h).exp().sum((1, 2, 3)), ones)
        torch.testing.assert_close(calm.log_class(f, h).exp().sum(1), ones)
        torch.testing.assert_close(calm.log_posterior(f, h).exp().sum((2, 3)), ones[:, None].expand(8, 5))


def test_joint_is_posterior_times_class_and_location_times_conditional() -> None:
    f, h, _ = batch(seed=2)
    product = calm.log_posterior(f, h).exp() * calm.log_class(f, h).exp()[:, :, None, None]
    torch.testing.assert_close(product, calm.log_joint(f, h).exp())
    torch.testing.assert_close(calm.log_joint(f, h).exp().sum(1, keepdim=True), calm.log_location(h).exp())


def test_the_scale_of_h_and_a_constant_on_f_change_nothing() -> None:
    f, h, _ = batch(seed=3)
    for factor in (1e-30, 1e30):
        torch.testing.assert_close(calm.log_joint(f + 7, factor * h), calm.log_joint(f, h))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_finite_differences(name: str) -> None:
    f, h, labels = batch(seed=4, images=2, classes=3, side=2)
    h = (h.detach() + 0.2).requires_grad_()  # away from the kink
    if name == "ml":
        assert gradcheck(lambda f, h: calm.maximum_likelihood(f, h, labels), (f, h))
    else:
        q = of_label(calm.log_posterior(f, h).exp(), labels).detach()
        assert gradcheck(lambda f, h: calm.expectation_maximisation(f, h, labels, posterior=q), (f, h))


@pytest.mark.parametrize("normaliser", calm.NORMALISERS)
def test_em_with_its_own_posterior_has_the_gradient_of_ml(normaliser: str) -> None:
    f, h, labels = batch(seed=5)
    em = gradients(calm.expectation_maximisation(f, h, labels, normaliser), f, h)
    ml = gradients(calm.maximum_likelihood(f, h, labels, normaliser), f, h)
    for one, other in zip(em, ml, strict=True):
        # What is at h = 0, the ReLU that makes h stops.
        kept = (h > 0).expand_as(one)
        torch.testing.assert_close(one[kept], other[kept], rtol=1e-8, atol=1e-8)


def test_em_gradient_is_weighted_by_the_posterior() -> None:
    f, h, labels = batch(seed=6)
    q = of_label(calm.log_posterior(f, h).exp(), labels).detach()
    of_f, of_h = gradients(calm.expectation_maximisation(f, h, labels), f, h)
    target = torch.nn.functional.one_hot(labels, 4)[:, :, None, None]
    torch.testing.assert_close(of_f, q[:, None] * (f.softmax(1) - target))  # cross-entropy at z, weighted by q(z)
    expected = 1 / h.sum((2, 3), keepdim=True) - torch.where(h > 0, q[:, None] / h, 0)
    alive = h > 0
    torch.testing.assert_close(of_h[alive], expected[alive])
    assert (of_h[~alive] == 0).all() and (~alive).any()


def test_a_posterior_of_other_weights_is_a_constant() -> None:
    f, h, labels = batch(seed=7)
    q = torch.rand(3, 3, 3, dtype=torch.float64, requires_grad=True)
    loss = calm.expectation_maximisation(f, h, labels, posterior=q)
    assert gradients(loss, q) == [None]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_dead_h_is_a_uniform_location(name: str) -> None:
    f, h, labels = batch(seed=8, dtype=torch.float32)
    dead, alive = h.detach().clone(), h.detach().clone()
    dead[1] = 0
    alive[1] = 3.5
    dead.requires_grad_()
    loss = OBJECTIVES[name](f, dead, labels)
    torch.testing.assert_close(loss, OBJECTIVES[name](f, alive, labels))
    of_f, of_h = gradients(loss, f, dead)
    assert torch.isfinite(of_f).all() and torch.isfinite(of_h).all()
    # What is uniform goes up where the posterior is above average, and down elsewhere.
    q = of_label(calm.log_posterior(f, alive).exp(), labels)
    torch.testing.assert_close(of_h[1, 0], 1 / 9 - q[1])
    assert (of_h[1] != 0).any() and (of_f[1] != 0).any()


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("size", [1e-44, 1e-38, 1e-20, 1.0, 1e38])
@pytest.mark.parametrize("confidence", [0.0, 100.0, 1e4])
def test_extremes_stay_finite_in_float32(name: str, size: float, confidence: float) -> None:
    f = torch.zeros(1, 3, 2, 2)
    f[0, 0] = confidence  # sure of a class that is not the label: p(y|x) is e^-confidence
    h = torch.tensor([[[[size, 0.0], [size, 1e-3 * size]]]])
    f.requires_grad_()
    h.requires_grad_()
    loss = OBJECTIVES[name](f, h, torch.tensor([1]))
    of_f, of_h = gradients(loss, f, h)
    assert torch.isfinite(loss).all() and torch.isfinite(of_f).all()
    assert not torch.isnan(of_h).any()
    assert float(loss.detach()) == pytest.approx(max(confidence, math.log(3)), abs=2.0)


def test_half_precision_is_computed_in_float32() -> None:
    f, h, labels = batch(seed=9, dtype=torch.float32)
    for dtype in (torch.bfloat16, torch.float16):
        narrow = f.detach().to(dtype), h.detach().to(dtype)
        wide = narrow[0].float(), narrow[1].float()
        for objective in OBJECTIVES.values():
            for normaliser in calm.NORMALISERS:
                loss = objective(*narrow, labels, normaliser)
                assert loss.dtype == torch.float32
                assert torch.equal(loss, objective(*wide, labels, normaliser))


def transcription(name: str, f: Tensor, h: Tensor, labels: Tensor) -> Tensor:
    """The released code's formulas, image by image: detached Σh, 1e-10 on the posterior, 1e-8 on a small p(z|x)."""
    losses = []
    for image, label in enumerate(labels.tolist()):
        location = h[image, 0] / h[image, 0].sum().detach()
        joint = torch.softmax(f[image], 0)[label] * location
        if name == "ml":
            losses.append(-torch.log(joint.sum()))
            continue
        posterior = (joint / (joint.sum() + 1e-10)).detach()
        shifted = torch.stack([value + 1e-8 if value < 1e-8 else value for value in location.flatten()])
        log_joint = torch.log_softmax(f[image], 0)[label] + torch.log(shifted).reshape(location.shape)
        losses.append(-(posterior * log_joint).sum())
    return torch.stack(losses)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("shift", [0.0, -25.0])
def test_the_reference_option_is_the_released_formula(name: str, shift: float) -> None:
    f, h, labels = batch(seed=10)
    with torch.no_grad():
        f[torch.arange(3), labels] += shift  # with p(y|x) near 1e-10 the guard of the posterior bites
        h[0, 0, 1, 1] = 1e-9 * h[0].sum()
    ours = OBJECTIVES[name](f, h, labels, "reference")
    theirs = transcription(name, f, h, labels)
    torch.testing.assert_close(ours, theirs)
    for one, other in zip(gradients(ours, f, h), gradients(theirs, f, h), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_reference_has_the_same_value_and_another_gradient(name: str) -> None:
    f, h, labels = batch(seed=11)
    exact, reference = (OBJECTIVES[name](f, h, labels, normaliser) for normaliser in calm.NORMALISERS)
    torch.testing.assert_close(exact, reference, rtol=1e-7, atol=1e-7)
    (of_f, of_h), (ref_f, ref_h) = gradients(exact, f, h), gradients(reference, f, h)
    torch.testing.assert_close(of_f, ref_f, rtol=1e-7, atol=1e-7)
    # What the reference leaves out is the gradient of log Σh, the same at each location where h is above 0.
    alive = h > 0
    missing = (1 / h.sum((2, 3), keepdim=True)).expand_as(h)
    torch.testing.assert_close((of_h - ref_h)[alive], missing[alive], rtol=1e-6, atol=1e-6)
    assert (ref_h <= 0).all() and (of_h > 0).any(), "there, every h grows"
    torch.testing.assert_close((of_h * h).sum((1, 2, 3)), torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)


def test_the_reference_has_no_guard_against_a_dead_h() -> None:
    f, h, labels = batch(seed=12)
    with torch.no_grad():
        h[1] = 0
    for objective in OBJECTIVES.values():
        assert torch.isnan(objective(f, h, labels, "reference")).tolist() == [False, True, False]


def test_an_unknown_normaliser_is_refused() -> None:
    f, h, labels = batch()
    for objective in OBJECTIVES.values():
        with pytest.raises(ParameterError, match="normaliser 'detached' is not one of exact, reference"):
            objective(f, h, labels, "detached")
