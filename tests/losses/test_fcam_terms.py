"""The terms of F-CAM's loss that have closed forms: partial cross-entropy and the size constraint."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.data.masks import IGNORED
from wsol.losses.partial_cross_entropy import partial_cross_entropy
from wsol.losses.size_constraint import barrier_scale, log_barrier, size_loss


def test_partial_cross_entropy_is_the_mean_over_labelled_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 2, 5, 4, generator=generator)
    labels = torch.full((3, 5, 4), IGNORED)
    places = [(0, 1, 2, 1), (0, 4, 3, 0), (2, 0, 0, 1)]
    total = 0.0
    for image, y, x, label in places:
        labels[image, y, x] = label
        own = scores[image, :, y, x].double()
        total += math.log(math.exp(own[0]) + math.exp(own[1])) - float(own[label])
    assert float(partial_cross_entropy(scores, labels)) == pytest.approx(total / 3, rel=1e-6)


def test_only_labelled_pixels_have_a_gradient() -> None:
    scores = torch.randn(2, 2, 3, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    labels = torch.full((2, 3, 3), IGNORED)
    labels[1, 2, 0] = 1
    partial_cross_entropy(scores, labels).backward()
    assert scores.grad is not None
    touched = scores.grad.abs().sum(1) > 0
    assert touched.nonzero().tolist() == [[1, 2, 0]]


def test_a_batch_without_labels_costs_nothing_and_teaches_nothing() -> None:
    scores = torch.randn(2, 2, 3, 3, requires_grad=True)
    loss = partial_cross_entropy(scores, torch.full((2, 3, 3), IGNORED))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert scores.grad is not None and not scores.grad.any(), "0, and not NaN"


# --- the barrier --------------------------------------------------------------------------------------------------


def barrier_by_hand(z: float, t: float) -> float:
    if z <= -1 / t**2:
        return -math.log(-z) / t
    return t * z - math.log(1 / t**2) / t + 1 / t


@settings(deadline=None, max_examples=100)
@given(st.floats(-1e5, 50), st.floats(1, 10))
def test_barrier_is_its_closed_form(z: float, t: float) -> None:
    found = float(log_barrier(torch.tensor(z, dtype=torch.float64), t))
    assert found == pytest.approx(barrier_by_hand(z, t), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("t", [1.0, 1.37, 10.0])
def test_value_and_slope_are_continuous_where_the_line_begins(t: float) -> None:
    edge = -1 / t**2
    z = torch.tensor([edge - 1e-9, edge, edge + 1e-9], dtype=torch.float64, requires_grad=True)
    values = log_barrier(z, t)
    values.sum().backward()
    assert z.grad is not None
    assert float(values.detach().max() - values.detach().min()) < 1e-7
    torch.testing.assert_close(z.grad, torch.full_like(z, t), atol=1e-5, rtol=1e-5)


def test_gradients_are_those_of_differences_on_both_sides() -> None:
    z = torch.tensor([-40.0, -3.0, -1.1, -0.4, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: log_barrier(value, 1.2), (z,))
    assert (torch.autograd.grad(log_barrier(z, 1.2).sum(), z)[0] > 0).all(), "it rises everywhere"


def test_schedule_is_the_published_one() -> None:
    assert barrier_scale(1) == 1.0 and barrier_scale(2) == 1.01
    assert barrier_scale(50) == pytest.approx(1.01**49)
    assert barrier_scale(50) < 1.64 < barrier_scale(51), "after 50 epochs t is 1.64"
    assert barrier_scale(10**4) == 10.0
    assert barrier_scale(3, 2.0, 1.5, 4.0) == 4.0


def test_size_loss_wants_both_regions_large() -> None:
    """Shares p and 1 - p of N pixels: (-log pN - log (1 - p)N) / 2t, least at one half."""
    pixels, t = 20 * 30, 1.3

    def of(share: float) -> float:
        foreground = torch.full((2, 1, 20, 30), share)
        return float(size_loss(torch.cat([1 - foreground, foreground], 1), t))

    for share in (0.1, 0.5, 0.8):
        expected = -(math.log(share * pixels) + math.log((1 - share) * pixels)) / (2 * t)
        assert of(share) == pytest.approx(expected, rel=1e-5)
    assert of(0.5) < of(0.4) < of(0.1) and of(0.5) < of(0.6)
    assert math.isfinite(of(0.0)) and math.isfinite(of(1.0)), "an empty region is finite"


def test_an_empty_region_is_pulled_up_with_slope_t() -> None:
    probabilities = torch.zeros(1, 2, 4, 4, requires_grad=True)
    size_loss(probabilities, 1.5).backward()
    torch.testing.assert_close(probabilities.grad, torch.full((1, 2, 4, 4), -1.5 / 2))
