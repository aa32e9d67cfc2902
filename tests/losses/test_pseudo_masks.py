"""Pseudo masks and their loss, against loops over images and pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wsol.losses.pseudo_masks import PseudoMask, mask_loss, pseudo_mask, resized


def slow_mask(score: np.ndarray, high: float, low: float, side: int) -> np.ndarray:
    """One image: 1 foreground, 0 background, 255 neither, as the released code writes it, at its own frame size."""
    mask = np.full(score.shape, 255)
    foreground = score > high
    if foreground.sum() < 30 * side**2 / 224**2:
        foreground = score > 0.7 * score.max()
    mask[foreground] = 1
    mask[score < low] = 0
    return mask


@pytest.mark.parametrize("side", [12, 64, 224])
@pytest.mark.parametrize(("high", "low"), [(0.7, 0.01), (0.5, 0.5), (0.03, 0.02), (0.999, 0.1)])
def test_masks_are_those_of_each_image_alone(side: int, high: float, low: float) -> None:
    generator = torch.Generator().manual_seed(side)
    scores = torch.rand(4, side, side, generator=generator)
    scores[1] *= 0.2
    scores[2] = scores[2] ** 8
    scores[3] = 0.5
    mask = pseudo_mask(scores, high, low)
    for index in range(4):
        expected = slow_mask(scores[index].numpy(), np.float32(high), np.float32(low), side)
        np.testing.assert_array_equal(mask.labelled[index].numpy(), expected != 255)
        np.testing.assert_array_equal(mask.foreground[index].numpy(), expected == 1)


@pytest.mark.parametrize(("above", "relative"), [(29, True), (30, False), (31, False)])
def test_fewer_than_30_pixels_of_a_224_frame_make_the_threshold_relative(above: int, relative: bool) -> None:
    scores = torch.full((1, 224, 224), 0.6)  # above .7 · .8, and not above .7
    scores.view(-1)[:above] = 0.8
    count = int(pseudo_mask(scores, 0.7, 0.1).foreground.sum())
    assert count == (224 * 224 if relative else above)


@pytest.mark.parametrize(("above", "relative"), [(7, True), (8, False)])
def test_the_30_pixels_shrink_with_the_frame(above: int, relative: bool) -> None:
    scores = torch.full((1, 112, 112), 0.6)  # a quarter of the area: 7.5 pixels
    scores.view(-1)[:above] = 0.8
    assert int(pseudo_mask(scores, 0.7, 0.1).foreground.sum()) == (112 * 112 if relative else above)


def test_background_overrides_foreground() -> None:
    # Everything is above .7 of the maximum, which is below the background's threshold.
    mask = pseudo_mask(torch.full((1, 16, 16), 0.05), 0.7, 0.1)
    assert mask.labelled.all() and not mask.foreground.any()


def test_a_nan_map_is_not_labelled() -> None:
    mask = pseudo_mask(torch.full((1, 16, 16), math.nan), 0.7, 0.1)
    assert not mask.labelled.any() and not mask.foreground.any()


def test_the_loss_is_the_mean_cross_entropy_of_labelled_pixels_of_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 4, generator=generator)
    labelled = torch.rand(3, 5, 4, generator=generator) < 0.4
    labelled[1] = False
    foreground = torch.rand(3, 5, 4, generator=generator) < 0.5
    terms = []
    for index in np.ndindex(3, 5, 4):
        if labelled[index]:
            p = 1 / (1 + math.exp(-float(logits[index])))
            terms.append(-math.log(p if foreground[index] else 1 - p))
    assert float(mask_loss(logits, PseudoMask(foreground, labelled))) == pytest.approx(np.mean(terms), rel=1e-5)


def test_the_loss_of_zero_logits_is_ln_2() -> None:
    everywhere = torch.ones(2, 3, 3, dtype=torch.bool)
    assert float(mask_loss(torch.zeros(2, 3, 3), PseudoMask(everywhere, everywhere))) == pytest.approx(math.log(2))


def test_where_no_pixel_is_labelled_loss_and_gradient_are_zero() -> None:
    logits = torch.randn(2, 3, 3, requires_grad=True)
    nowhere = torch.zeros(2, 3, 3, dtype=torch.bool)
    loss = mask_loss(logits, PseudoMask(nowhere, nowhere))
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None and not logits.grad.any()


def test_only_labelled_pixels_have_a_gradient_and_scores_have_none() -> None:
    scores = torch.tensor([[[0.0, 0.5, 1.0, 0.9]]], requires_grad=True)
    logits = torch.zeros(1, 1, 4, requires_grad=True)
    mask_loss(logits, pseudo_mask(scores, 0.7, 0.1)).backward()
    assert scores.grad is None
    assert logits.grad is not None
    # (σ(0) - target) / 3 where labelled.
    torch.testing.assert_close(logits.grad, torch.tensor([[[0.5, 0.0, -0.5, -0.5]]]) / 3)


def test_bilinear_resize_by_hand() -> None:
    # Half-pixel centres: 4 pixels of 2 lie at -.25, .25, .75, 1.25, the outer ones cut off at the border.
    wide = resized(torch.tensor([[[0.0, 1.0]]], dtype=torch.bfloat16), (1, 4))
    assert wide.dtype == torch.float32
    torch.testing.assert_close(wide, torch.tensor([[[0.0, 0.25, 0.75, 1.0]]]))
