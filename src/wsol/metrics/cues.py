"""Cue localisation: does a map find the parts in which two classes differ? (CALM, Kim et al., ICCV 2021)

Score: PxAP of the images of both classes against the pixels of the differing parts, one value a pair of classes, then
the mean over pairs. Pixel counts of the pairs (P, 2, E) are what all numbers here are made of: 0 cue, 1 elsewhere, in
the E bins of a `cue_thresholds` grid, as `wsol.metrics.masks.PixelHistograms` counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError, ParameterError
from wsol.metrics.levels import threshold_grid
from wsol.metrics.masks import PixelHistograms

SPACINGS = ("even", "log")
_DECADES = 7


def cue_thresholds(spacing: str, count: int = 1000) -> NDArray[np.float64]:
    """Ascending thresholds in [0, 1): `even`, 1/count apart, or `log`, 0 and 10^(-7k/count) for k = count-1 … 1.

    The logarithmic ones resolve maps that are probabilities of single locations, most of which lie below 1/count. The
    released code leaves the 0 out, so that its lowest threshold is 10^-6.993; `reference_bins` gives that.
    Raises ParameterError.
    """
    if spacing not in SPACINGS:
        raise ParameterError(f"thresholds {spacing!r} is not known; choose one of {', '.join(SPACINGS)}")
    if spacing == "even":
        return threshold_grid(count)
    if count < 2:
        raise ParameterError(f"thresholds: {count} is too few for logarithmic ones; give 2 or more, 1000 in the paper")
    exponents = np.arange(count - 1, 0, -1) * (_DECADES / count)
    return np.concatenate([[0.0], 10.0**-exponents])


def reference_bins(
    counts: NDArray[np.integer], thresholds: NDArray[np.float64], spacing: str
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    """Counts (…, E) and thresholds as the released evaluator has them: with `log`, pixels below 10^-6.993 are lost."""
    return (counts[..., 1:], thresholds[1:]) if spacing == "log" else (counts, thresholds)


def average_precision(counts: NDArray[np.integer], thresholds: ArrayLike) -> float:
    """PxAP in percent of pixel counts (2, E); NaN where no pixel is of a cue."""
    if counts[0].sum() == 0:
        return float("nan")
    histograms = PixelHistograms(thresholds)
    histograms.restore({"edges": histograms.edges, "counts": counts})
    return 100 * histograms.result().ap


def pair_values(counts: NDArray[np.integer], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """PxAP in percent of each pair (P,), from counts (P, 2, E); NaN where a pair has no cue pixel."""
    return np.array([average_precision(pair, thresholds) for pair in counts], dtype=np.float64)


def pooled_values(counts: NDArray[np.integer], thresholds: NDArray[np.float64], spacing: str) -> NDArray[np.float64]:
    """The values that the released evaluator gives the pairs (P,), in the order given.

    It is never reset: the value of a pair is that of its pixels and those of all pairs before it. Its order is by the
    number of differing parts, then by class. It also loses pixels (`reference_bins`).
    """
    kept, grid = reference_bins(counts, thresholds, spacing)
    return pair_values(kept.cumsum(axis=0, dtype=np.int64), grid)


@dataclass(frozen=True)
class CueValue:
    """Means over the pairs of one group, in percent (None where no pair has one), and how many pairs they are of.

    `chance` is the share of cue pixels: the PxAP of a constant map, and of random scores on many pixels.
    """

    value: float | None
    pooled: float | None
    chance: float | None
    n_pairs: int


def chance_values(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """PxAP in percent of a constant map for each pair (P,), from counts (P, 2, E); NaN where a pair has no pixel."""
    cue, other = counts.sum(axis=2, dtype=np.float64).T
    return 100 * np.divide(cue, cue + other, out=np.full(len(cue), np.nan), where=cue + other > 0)


def summarise(
    counts: NDArray[np.integer],
    thresholds: NDArray[np.float64],
    spacing: str,
    parts: Sequence[int],
    groups: Sequence[int],
) -> dict[str, CueValue]:
    """The means over the pairs of each group, by its name, and `mean` over all pairs of these groups.

    counts (P, 2, E); parts (P,): in how many parts each pair differs. The mean is over pairs, not over groups: only so
    do the printed means follow from the printed groups. Pairs without a cue pixel count nowhere. Raises DataError.
    """
    if len(counts) != len(parts):
        raise DataError(f"pixel counts of {len(counts)} pairs and numbers of parts of {len(parts)} do not fit together")
    values, pooled = pair_values(counts, thresholds), pooled_values(counts, thresholds, spacing)
    chance = chance_values(counts)
    of_pair = np.asarray(parts, dtype=np.int64)
    chosen = {str(group): of_pair == group for group in groups}
    chosen["mean"] = np.isin(of_pair, groups)
    result = {}
    for name, members in chosen.items():
        known = members & ~np.isnan(values)
        value, over_pool, by_chance = (_mean(numbers[known]) for numbers in (values, pooled, chance))
        result[name] = CueValue(value, over_pool, by_chance, int(known.sum()))
    return result


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None
