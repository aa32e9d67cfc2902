"""One class's map of each image."""

from __future__ import annotations

from torch import Tensor, arange


def of_label(maps: Tensor, labels: Tensor) -> Tensor:
    """Each image's map of its own label: (B, K, h, w) and (B,) → (B, h, w)."""
    return maps[arange(len(labels), device=maps.device), labels]
