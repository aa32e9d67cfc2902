"""InCA's masks and losses on hand-made maps, against slow loops, and where their gradients go."""

from __future__ import annotations

import math

import pytest
import torch

from wsol.losses.inca import (
    Regions,
    Thresholds,
    contrastive_attention_loss,
    foreground_consistency_loss,
    keep_mask,
    region_means,
    regions,
)

THRESHOLDS = Thresholds(0.1, 0.4, 0.8)


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def counted(attention: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(attention).bool()


def four_pixels(peak: list[float], rest: list[float], background: list[float]) -> tuple[torch.Tensor, Regions]:
    """Features (1, 2, 1, 4) and parts: one pixel each of peak, rest and background, and a fourth in no part."""
    features = torch.tensor([peak, rest, background, [5.0, 7.0]]).T[None, :, None]
    return features, regions(torch.tensor([[[3.0, 2.0, 1.0, 1.5]]]), THRESHOLDS, torch.ones(1, 1, 4).bool())


def test_the_regions_of_a_hand_made_map() -> None:
    attention = torch.tensor([[[-5.0, -4.5, -3.0], [0.0, 2.5, 5.0]]])  # 0, .05, .2, .5, .75, 1 of its range
    parts = regions(attention, THRESHOLDS, counted(attention))
    assert parts.foreground.int().tolist() == [[[0, 0, 0], [1, 1, 1]]]
    assert parts.rest.int().tolist() == [[[0, 0, 0], [1, 1, 0]]]
    assert parts.background.int().tolist() == [[[1, 1, 0], [0, 0, 0]]]
    assert keep_mask(attention, THRESHOLDS).int().tolist() == [[[0, 0, 1], [1, 1, 0]]]
    some = torch.tensor([[[True, False, True], [False, True, True]]])
    for part, among in zip(parts, regions(attention, THRESHOLDS, some), strict=True):
        assert torch.equal(among, part & some)


def test_the_masks_are_those_of_a_loop_over_pixels() -> None:
    attention = torch.stack([rand(6, 5), 100 * rand(6, 5, seed=1) - 40, rand(6, 5, seed=2) ** 4])
    attention[:, 0, 0] = attention.amax((1, 2)) + 1
    parts, kept = regions(attention, THRESHOLDS, counted(attention)), keep_mask(attention, THRESHOLDS)
    for index, image in enumerate(attention):
        low, high = float(image.min()), float(image.max())
        for row in range(6):
            for column in range(5):
                share = (float(image[row, column]) - low) / (high - low)
                at = (index, row, column)
                assert bool(parts.foreground[at]) == (share >= 0.4)
                assert bool(parts.rest[at]) == (0.4 <= share < 0.8)
                assert bool(parts.background[at]) == (share < 0.1)
                assert bool(kept[at]) == (0.1 <= share < 0.8)


def test_a_map_that_says_nothing_has_no_regions_and_drops_nothing() -> None:
    attention = torch.full((2, 3, 3), 7.0)
    assert not any(part.any() for part in regions(attention, THRESHOLDS, counted(attention)))
    assert keep_mask(attention, THRESHOLDS).all()
    attention[1, 0, 0] = 8.0  # a peak and background, nothing between: to drop both would leave no pixel
    assert keep_mask(attention, THRESHOLDS).all()
    assert regions(attention, THRESHOLDS, counted(attention)).background.sum() == 8


def test_means_of_regions_are_those_of_a_loop() -> None:
    features, mask = rand(3, 4, 5, 2), rand(3, 5, 2, seed=1) < 0.5
    mask[1] = False
    found = region_means(features, mask)
    for index in (0, 2):
        pixels = [features[index, :, y, x] for y in range(5) for x in range(2) if mask[index, y, x]]
        assert torch.allclose(found[index], sum(pixels[1:], pixels[0]) / len(pixels))
    assert not found[1].any()


def test_the_contrastive_loss_in_closed_form() -> None:
    # Rest like the peak, background at a right angle: near 0, far 2.
    features, parts = four_pixels([1, 0], [3, 0], [0, 9])
    for margin, expected in ((0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 1.0)):
        assert float(contrastive_attention_loss(features, parts, margin)) == pytest.approx(expected, abs=1e-6)
    # Rest like the background, the peak at a right angle: the foreground's mean lies halfway, near 2 - √2, far 0.
    features, parts = four_pixels([1, 0], [0, 1], [0, 2])
    assert float(contrastive_attention_loss(features, parts, 0.5)) == pytest.approx(2 - math.sqrt(2) + 0.5)
    # Everything alike: the margin.
    features, parts = four_pixels([1, 2], [1, 2], [1, 2])
    assert float(contrastive_attention_loss(features, parts, 0.7)) == pytest.approx(0.7)
    # The background opposite: far 4, the largest there is.
    features, parts = four_pixels([1, 0], [1, 0], [-1, 0])
    assert float(contrastive_attention_loss(features, parts, 4)) == pytest.approx(0, abs=1e-6)


def test_images_without_one_of_the_parts_do_not_count() -> None:
    alike, parts = four_pixels([1, 2], [1, 2], [1, 2])
    features = torch.cat([alike, alike, alike])
    masks = Regions(*(mask.repeat(3, 1, 1) for mask in parts))
    masks.background[1], masks.rest[2] = False, False
    assert float(contrastive_attention_loss(features, masks, 0.6)) == pytest.approx(0.6), "not a third of it"
    masks.foreground[0] = False
    assert float(contrastive_attention_loss(features, masks, 0.6)) == 0


def test_the_contrastive_gradient_reaches_features_in_the_parts_alone() -> None:
    features, parts = four_pixels([1, 0.2], [0.5, 1], [0.3, 2])
    features.requires_grad_()
    loss = contrastive_attention_loss(features, parts, 1.0)
    loss.backward()
    assert features.grad is not None and features.grad.isfinite().all()
    assert features.grad[0, :, 0, :3].any(0).all() and not features.grad[0, :, 0, 3].any()
    moved = features.detach() - 0.05 * features.grad
    assert contrastive_attention_loss(moved, parts, 1.0) < loss
    attention = rand(2, 4, 4).requires_grad_()
    assert not any(part.requires_grad for part in regions(attention, THRESHOLDS, counted(attention)))
    assert not keep_mask(attention, THRESHOLDS).requires_grad


@pytest.mark.parametrize("size", [1.0, 1e-4, 1e-8, 0.0])
def test_the_contrastive_gradient_is_bounded_where_a_part_is_nearly_zero(size: float) -> None:
    """As ReLUs leave the background; with a length of 1 by force its gradient would be 1 / size."""
    features, parts = four_pixels([1, 0.2], [0.5, 1], [0, 0])
    features[0, :, 0, 2] = size * torch.tensor([0.6, 0.8])
    features.requires_grad_()
    loss = contrastive_attention_loss(features, parts, 4.0)
    loss.backward()
    assert features.grad is not None and float(features.grad.abs().max()) < 2 * 2 / (0.01 * 0.9)
    unit = [torch.tensor(vector) / math.hypot(*vector) for vector in ([0.75, 0.6], [0.5, 1], [0.6, 0.8])]
    short = unit[2] * min(1, size / (0.01 * math.hypot(0.75, 0.6)))
    expected = (unit[1] - unit[0]).square().sum() - (unit[1] - short).square().sum() + 4
    assert float(loss.detach()) == pytest.approx(float(expected), abs=1e-5)


def test_an_image_whose_foreground_is_zero_does_not_count() -> None:
    features, parts = four_pixels([0, 0], [0, 0], [1, 2])
    features.requires_grad_()
    loss = contrastive_attention_loss(features, parts, 4.0)
    loss.backward()
    assert float(loss.detach()) == 0 and features.grad is not None and not features.grad.any()


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_features_and_attention_give_finite_losses_and_gradients(value: float) -> None:
    features = torch.full((2, 4, 3, 3), value, requires_grad=True)
    attention = features.mean(1)
    everywhere = counted(attention)
    parts = regions(attention, THRESHOLDS, everywhere)
    loss = contrastive_attention_loss(features, parts, 1.0)
    assert float(loss.detach()) == 0
    halves = Regions(everywhere, everywhere, everywhere)
    consistency = foreground_consistency_loss(attention, attention, everywhere)
    assert float(consistency.detach()) == 0
    (loss + contrastive_attention_loss(features, halves, 1.0) + consistency).backward()
    assert features.grad is not None and features.grad.isfinite().all()


def test_the_consistency_loss_in_closed_form() -> None:
    early = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    everywhere = counted(early)
    assert float(foreground_consistency_loss(early, early, everywhere)) == 0
    assert float(foreground_consistency_loss(early, 1 - early, everywhere)) == 1
    assert float(foreground_consistency_loss(7 * early - 3, 2 * early + 9, everywhere)) == pytest.approx(0, abs=1e-12)
    later = torch.tensor([[[0.0, 1.0], [0.5, 0.0]]])
    assert float(foreground_consistency_loss(early, later, everywhere)) == pytest.approx(0.25 / 4)
    some = torch.tensor([[[True, False], [True, False]]])
    assert float(foreground_consistency_loss(early, later, some)) == pytest.approx(0.25 / 2)
    assert float(foreground_consistency_loss(early, later, ~everywhere)) == 0
    assert float(foreground_consistency_loss(early, torch.ones(1, 2, 2), everywhere)) == 0, "it points nowhere"
    assert float(foreground_consistency_loss(torch.ones(1, 2, 2), early, everywhere)) == 0.5, "0 where it should be 1"


def test_the_consistency_loss_is_that_of_a_loop_at_another_size() -> None:
    early, later, mask = rand(3, 8, 6), rand(3, 4, 3, seed=1), rand(3, 8, 6, seed=2) < 0.7
    expected = 0.0
    for index in range(3):
        # Bilinear with half-pixel centres, by hand: where an output pixel's centre lies in the small map.
        resized = torch.empty(8, 6)
        for row in range(8):
            for column in range(6):
                y, x = (min(max((at + 0.5) / 2 - 0.5, 0), last) for at, last in ((row, 3), (column, 2)))
                top, left = int(y), int(x)
                below, right = min(top + 1, 3), min(left + 1, 2)
                upper = later[index, top, left] * (1 - x + left) + later[index, top, right] * (x - left)
                lower = later[index, below, left] * (1 - x + left) + later[index, below, right] * (x - left)
                resized[row, column] = upper * (1 - y + top) + lower * (y - top)
        low, high = early[index].min(), early[index].max()
        normal = (early[index] - low) / (high - low)
        reference = (resized - resized.min()) / (resized.max() - resized.min())
        expected += float((normal - reference)[mask[index]].square().mean()) / 3
    assert float(foreground_consistency_loss(early, later, mask)) == pytest.approx(expected, rel=1e-5)


def test_the_consistency_gradient_reaches_the_early_map_alone() -> None:
    early, later = rand(2, 6, 6).requires_grad_(), rand(2, 3, 3, seed=1).requires_grad_()
    mask = rand(2, 6, 6, seed=2) < 0.6
    loss = foreground_consistency_loss(early, later, mask)
    loss.backward()
    assert later.grad is None
    assert early.grad is not None and early.grad.isfinite().all()
    # Outside the mask only an image's extremes, which scale the rest, carry any.
    extremes = (early == early.amax((1, 2), keepdim=True)) | (early == early.amin((1, 2), keepdim=True))
    assert early.grad[mask].any() and not early.grad[~mask & ~extremes].any()
    assert foreground_consistency_loss(early.detach() - 0.1 * early.grad, later, mask) < loss
