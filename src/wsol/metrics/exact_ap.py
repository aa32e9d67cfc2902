"""Average precision with every distinct score as a threshold: PxAP without bins.

Pixels of all images go into one pool; pixels of equal score pass a threshold together. The sum over thresholds of
precision times gain in recall has a term only where an object pixel lies, so of the background only its place among
the object scores counts, and it need not be sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError
from wsol.metrics.inputs import BACKGROUND, OBJECT, check_masks, check_score_maps

BUDGET = 1 << 23
"""Pixels held at once by `exact_average_precision_of`."""
_COARSE = 1 << 14


def exact_average_precision(score_maps: ArrayLike, masks: ArrayLike) -> float:
    """AP in [0, 1] of score maps (N, H, W) in [0, 1] against masks (N, H, W): 1 object, 0 background, 255 ignored.

    Needs a sorted copy of all scores beside the maps; `exact_average_precision_of` gives the same in bounded memory.
    Raises DataError for maps or masks out of range, and where no pixel is an object.
    """
    maps = check_score_maps(score_maps)
    labels = check_masks(masks, maps.shape)
    true, false = maps[labels == OBJECT], maps[labels == BACKGROUND]
    _require_objects(true.size)
    return _area(_Counts.of(true, false), 0, 0) / true.size


def exact_average_precision_of(
    blocks: Callable[[], Iterable[tuple[ArrayLike, ArrayLike]]], budget: int = BUDGET
) -> float:
    """`exact_average_precision` of blocks (score maps, masks) that need not fit into memory together.

    One pass over the blocks cannot be exact in bounded memory, since no score may be forgotten before all are known.
    So `blocks()` is called several times and must give the same each time: first pixels are counted in 16384 coarse
    bins, then each further pass takes the bins, from the top, whose pixels fit into `budget` and sorts those: at most
    2 + 2 pixels / budget passes. Sorting needs some 100 bytes a pixel of the budget, below 1 GiB as it is; only a
    single bin with more distinct scores than that takes more. Raises DataError as `exact_average_precision`.
    """
    from wsol.metrics.masks import PixelHistograms

    coarse = PixelHistograms(_COARSE)
    for maps, labels in blocks():
        coarse.add(maps, labels)
    counts = coarse.counts.sum(axis=0)
    n_objects = int(coarse.counts[0].sum())
    _require_objects(n_objects)
    area, true, false = 0.0, 0, 0
    high = np.inf
    for first in _cuts(counts, budget):
        low = float(coarse.edges[first])
        found = _collect(blocks(), low, high, budget)
        area += _area(found, true, false)
        true, false = true + int(found.true.sum()), false + int(found.false.sum())
        high = low
    return area / n_objects


def _require_objects(count: int) -> None:
    if count == 0:
        raise DataError("no pixel of the evaluated masks is an object, so AP is undefined; check the masks")


def _cuts(counts: NDArray[np.int64], budget: int) -> list[int]:
    """First bins of groups of bins, from the top down; each group holds at most `budget` pixels, or is one bin."""
    cuts, held = [], 0
    for index in range(counts.size - 1, -1, -1):
        if held and held + counts[index] > budget:
            cuts.append(index + 1)
            held = 0
        held += int(counts[index])
    return [*cuts, 0]


class _Counts(NamedTuple):
    """Distinct scores in increasing order, and how many object and background pixels have each."""

    scores: NDArray[np.floating]
    true: NDArray[np.int64]
    false: NDArray[np.int64]

    @classmethod
    def of(cls, true: NDArray[np.floating], false: NDArray[np.floating]) -> _Counts:
        """Background is counted at the next lower object score; below all of them it changes no precision."""
        scores, count = np.unique(true, return_counts=True)
        place = np.searchsorted(scores, false, side="right")
        return cls(scores, count, np.bincount(place, minlength=scores.size + 1)[1:])


def _area(counts: _Counts, true: int, false: int) -> float:
    """Sum of precision times object pixels over the thresholds, after `true` and `false` pixels of higher scores."""
    hits = true + counts.true[::-1].cumsum()
    predicted = hits + false + counts.false[::-1].cumsum()
    return float((hits / np.maximum(predicted, 1) * counts.true[::-1]).sum())


def _collect(blocks: Iterable[tuple[ArrayLike, ArrayLike]], low: float, high: float, budget: int) -> _Counts:
    """The scores of all blocks in [low, high)."""
    kept = _Counts(np.empty(0), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    waiting: list[_Counts] = []
    size = 0
    for score_maps, masks in blocks:
        maps, labels = np.asarray(score_maps), np.asarray(masks)
        chosen = (maps >= low) & (maps < high)
        scores, objects = maps[chosen].astype(np.float64), labels[chosen]
        true, false = objects == OBJECT, objects == BACKGROUND
        known = true | false
        waiting.append(_Counts(scores[known], true[known].astype(np.int64), false[known].astype(np.int64)))
        size += int(known.sum())
        if size > budget:
            kept, waiting, size = _joined([kept, *waiting]), [], 0
    return _joined([kept, *waiting])


def _joined(parts: list[_Counts]) -> _Counts:
    scores, place = np.unique(np.concatenate([part.scores for part in parts]), return_inverse=True)
    true, false = (
        np.bincount(place, np.concatenate(weights), minlength=scores.size).astype(np.int64)
        for weights in ([part.true for part in parts], [part.false for part in parts])
    )
    return _Counts(scores, true, false)
