"""The non-local block (Wang et al., CVPR 2018): what is at a pixel, and what is at all pixels that look like it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsol.models.layers import xavier_uniform

REDUCTION = 2
"""Channels of the block per inner channel (half as many inside, as Wang et al. have it)."""


class NonLocalBlock(nn.Module):
    """F + W(softmax(θ(F)ᵀ φ(F) / √d) g(F)) for features F (B, C, h, w), the embedded Gaussian form.

    W is 0 at first, so that the block starts as the identity. The division by √d, d being the inner channels, is ours:
    without it wide networks start with a softmax that sees one pixel. Costs (h w)² a image in memory.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // REDUCTION)
        self.theta = nn.Conv2d(channels, inner, 1)
        # No bias: it would add the same to all scores of a pixel, which its softmax does not see.
        self.phi = nn.Conv2d(channels, inner, 1, bias=False)
        self.value = nn.Conv2d(channels, inner, 1)
        self.out = nn.Conv2d(inner, channels, 1)
        xavier_uniform(self)
        nn.init.zeros_(self.out.weight)

    def forward(self, features: Tensor) -> Tensor:
        theta, phi, value = (layer(features).flatten(2) for layer in (self.theta, self.phi, self.value))
        weights = torch.softmax(theta.transpose(1, 2) @ phi / theta.shape[1] ** 0.5, 2)  # (B, pixel, pixel it sees)
        seen = value @ weights.transpose(1, 2)
        return features + self.out(seen.unflatten(2, features.shape[2:]))
