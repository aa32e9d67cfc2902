"""What a score map says is the object, against the truth: cuts, hits and misses of pixels, and how badly it failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wsol.metrics.inputs import IGNORED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BACKGROUND, HIT, MISSED, FALSE = range(4)
"""Outcomes of a pixel: true negative or not counted, true positive, false negative, false positive."""


def box_cut(score_map: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """The pixels (H, W) from whose contours MaxBoxAcc takes its box: above the threshold's share of the maximum."""
    import numpy as np

    from wsol.metrics.levels import level_index, quantise

    grey = quantise(score_map)
    return grey > level_index(np.array([threshold], dtype=np.float64), int(grey.max()))[0]


def outcomes(score_map: NDArray[np.float64], mask: NDArray[np.uint8], threshold: float) -> NDArray[np.uint8]:
    """(H, W) `BACKGROUND`, `HIT`, `MISSED` or `FALSE`: pixels that score at least the threshold, as in PxAP.

    mask (H, W): 1 object, 0 background, 255 ignored, which is counted as nothing.
    """
    import numpy as np

    taken, truth = np.asarray(score_map) >= threshold, mask == 1
    result = np.select([taken & truth, truth, taken], [HIT, MISSED, FALSE], BACKGROUND)
    return np.where(mask == IGNORED, BACKGROUND, result).astype(np.uint8)


def pixel_iou(result: NDArray[np.uint8]) -> float:
    """Intersection over union of `outcomes`; 0 where there is neither object nor anything taken for it."""
    union = int((result != BACKGROUND).sum())
    return int((result == HIT).sum()) / union if union else 0.0


def above_chance(score_map: NDArray[np.float64], mask: NDArray[np.uint8]) -> float:
    """(AP - a) / (1 - a) of one image: its pixels' average precision AP over the share a of object pixels.

    A constant map gets 0 and a perfect one 1, however large the object is; AP alone would call every small object a
    failure. Below 0 other pixels score higher than the object's. NaN where all counted pixels or none are the object's.
    """
    from wsol.metrics.masks import pixel_average_precision

    counted = mask[mask != IGNORED]
    share = float((counted == 1).mean()) if counted.size else 0.0
    if not 0 < share < 1:
        return float("nan")
    return (pixel_average_precision(score_map[None], mask[None]).ap - share) / (1 - share)


def lowest(scores: Sequence[float], wanted: int) -> list[int]:
    """Places of the `wanted` lowest scores, the lowest first, of equals the first; those that are NaN are left out."""
    order = sorted((score, place) for place, score in enumerate(scores) if score == score)
    return [place for _, place in order[:wanted]]
