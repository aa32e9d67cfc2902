"""How flat a curve against the threshold is: what a figure of such curves shows, as numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def near_best(curve: ArrayLike, share: float = 0.9) -> float | None:
    """Share of the thresholds at which a curve (T,) has at least `share` of its largest value, in [0, 1].

    1 for a flat curve, small for one that works near one threshold alone. NaN counts as no value. None for a curve
    that is nowhere above 0: nothing is near a best that is none. Thresholds are taken to be evenly spaced.
    """
    values = np.nan_to_num(np.asarray(curve, dtype=np.float64), nan=0.0)
    best = values.max(initial=0.0)
    return float((values >= share * best).mean()) if best > 0 else None


def dice(precision: ArrayLike, recall: ArrayLike) -> NDArray[np.float64]:
    """2PR / (P + R) at each threshold, of precision and recall (T,) in [0, 1]: one number where PxAP has two.

    0 where precision is NaN (nothing scores that high) or both are 0.
    """
    first = np.nan_to_num(np.asarray(precision, dtype=np.float64), nan=0.0)
    second = np.asarray(recall, dtype=np.float64)
    total = first + second
    return np.divide(2 * first * second, total, out=np.zeros_like(total), where=total > 0)
