"""Absolute size constraint by an extended log-barrier (F-CAM, equation 3; Kervadec et al., arXiv 1904.04205)."""

from __future__ import annotations

import torch


def barrier_scale(epoch: int, first: float = 1.0, factor: float = 1.01, most: float = 10.0) -> float:
    """t of a 1-indexed epoch: `first`, times `factor` for each epoch that is done, at most `most`.

    The published schedule (1, 1.01, 10) reaches 1.63 in the 50th epoch, so that its cap never binds.
    """
    return min(most, first * factor ** (epoch - 1))


def log_barrier(z: torch.Tensor, t: float) -> torch.Tensor:
    """Extended log-barrier of the constraint z ≤ 0, of each element; finite and rising for every z.

    -log(-z) / t where z ≤ -1 / t², and beyond it the line that continues value and slope there:
    t z - log(1 / t²) / t + 1 / t. A larger t punishes what is broken more and what holds less.
    """
    edge = -1.0 / t**2
    inside = z <= edge
    # Each branch is kept inside its own domain, for a NaN times 0 in the backward pass is a NaN.
    barrier = -(-torch.where(inside, z, edge)).log() / t
    line = t * z - torch.as_tensor(1 / t**2, dtype=z.dtype).log() / t + 1 / t
    return torch.where(inside, barrier, line)


def size_loss(probabilities: torch.Tensor, t: float) -> torch.Tensor:
    """Mean over images and regions of the barrier of -Σ_p S_p^r ≤ 0: each region, measured in pixels, shall be large.

    probabilities (B, R, H, W) of the regions, background and foreground.
    """
    return log_barrier(-probabilities.float().sum((2, 3)), t).mean()
