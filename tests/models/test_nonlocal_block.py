"""The non-local block against a loop over pairs of pixels, and what it does before it has learnt."""

from __future__ import annotations

import math

import torch

from wsol.models.nonlocal_block import NonLocalBlock


def learnt(channels: int) -> NonLocalBlock:
    torch.manual_seed(0)
    block = NonLocalBlock(channels)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    return block


@torch.no_grad()
def test_it_is_the_sum_over_pairs_of_pixels() -> None:
    block, features = learnt(4), torch.randn(2, 4, 3, 2, generator=torch.Generator().manual_seed(1))
    weights = {name: layer.weight[:, :, 0, 0] for name, layer in block.named_children()}
    for image, found in zip(features, block(features), strict=True):
        pixels = [image[:, y, x] for y in range(3) for x in range(2)]
        for index, pixel in enumerate(pixels):
            theta = weights["theta"] @ pixel + block.theta.bias
            scores = [float(torch.exp(theta @ (weights["phi"] @ other) / math.sqrt(2))) for other in pixels]
            values = [weights["value"] @ other + block.value.bias for other in pixels]
            seen = sum((s / sum(scores) * v for s, v in zip(scores, values, strict=True)), torch.zeros(2))
            expected = pixel + weights["out"] @ seen + block.out.bias
            assert torch.allclose(found[:, index // 2, index % 2], expected, atol=1e-4)


def test_it_starts_as_the_identity_and_learns() -> None:
    torch.manual_seed(0)
    block, features = NonLocalBlock(6), torch.randn(2, 6, 4, 4)
    assert torch.equal(block(features), features)
    block(features).square().sum().backward()
    assert block.out.weight.grad is not None and block.out.weight.grad.any()


def test_pixels_may_be_anywhere() -> None:
    block, features = learnt(4), torch.randn(1, 4, 3, 3)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    shuffled = features.flatten(2)[:, :, order].unflatten(2, (3, 3))
    assert torch.allclose(block(shuffled).flatten(2), block(features).flatten(2)[:, :, order], atol=1e-5)


def test_half_precision_keeps_its_type() -> None:
    features = torch.randn(1, 8, 4, 4).to(torch.bfloat16)
    result = learnt(8).to(torch.bfloat16)(features)
    assert result.dtype == torch.bfloat16 and result.isfinite().all()
