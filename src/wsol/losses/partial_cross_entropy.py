"""Cross-entropy where there are labels (F-CAM: Belharbi et al., WACV 2022, equation 3)."""

from __future__ import annotations

import torch
from torch.nn import functional

from wsol.data.masks import IGNORED


def partial_cross_entropy(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over all labelled pixels of a batch; 0, with gradient 0, where there is none.

    scores (B, K, H, W) before softmax; labels (B, H, W) int64 in [0, K), or 255 where there is none. A sum over an
    image's pixels, as equation 3 has it, is the same up to a factor when each image has as many; the mean over the
    batch is the released code's.
    """
    summed = functional.cross_entropy(scores.float(), labels, ignore_index=IGNORED, reduction="sum")
    return summed / (labels != IGNORED).sum().clamp_min(1)
