"""How the activations of score maps are distributed over [0, 1], and whether they have a mode near one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 100


def activation_counts(blocks: Iterable[Any], bins: int = BINS) -> NDArray[np.int64]:
    """Pixels of score maps in [0, 1], blocks of (n, H, W), in `bins` bins of one width; the last one holds 1 as well.

    Every pixel of every image counts once. Order and size of the blocks change nothing.
    """
    counts = np.zeros(bins, dtype=np.int64)
    for block in blocks:
        counts += np.histogram(np.asarray(block, dtype=np.float64), bins=bins, range=(0.0, 1.0))[0]
    return counts


def share_above(counts: ArrayLike, level: float) -> float | None:
    """Share of the pixels at `level` or above, which must be an edge of a bin. None where there are no pixels."""
    each = np.asarray(counts, dtype=np.int64)
    first = round(level * each.size)
    if abs(first - level * each.size) > 1e-6:
        raise ValueError(f"level {level} is not an edge of {each.size} bins")
    return float(each[first:].sum() / each.sum()) if each.sum() else None


def rise_to_one(counts: ArrayLike) -> float | None:
    """Density of the pixels in [0.9, 1] over that in [0.8, 0.9): above 1 it rises towards one, which makes a mode.

    0 where no pixel is above 0.9. None where there are some and none in [0.8, 0.9), or no pixels at all.
    """
    top, both = share_above(counts, 0.9), share_above(counts, 0.8)
    if top is None or both is None:
        return None
    if top == 0:
        return 0.0
    return top / (both - top) if both > top else None
