"""Percentile bootstrap over images: how far a value would move with other images of the same kind.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. A resample draws N of the N images
with replacement and computes the value again; its 2.5th and 97.5th percentiles over the resamples are the interval.

A resample is a vector of counts, one an image, so the hits of all resamples at all thresholds are one matrix product.
Thresholds that cut every map at the same grey level have equal columns, which are multiplied once: of 1000 thresholds
255 remain where every map's maximum is 1. Sums of whole numbers below 2^24 are exact in float32, and in float64 below
2^53, so the values do not depend on threads, libraries or the sizes of the chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError, ParameterError
from wsol.metrics.curves import HitCurves
from wsol.metrics.levels import level_index

CHUNK = 1 << 22
"""Numbers held at once in each of the factors and the product, about: 16 MiB of float32."""

COVERAGE = 0.95


@dataclass(frozen=True)
class ResampledHits:
    """Share of hits in each of R resamples at D IoU levels, fractions in [0, 1].

    best (R, D): at the threshold that is best on the resample itself; fixed (R, D): at the given thresholds, or None.
    """

    best: NDArray[np.float64]
    fixed: NDArray[np.float64] | None


def bootstrap_hits(
    curves: HitCurves, resamples: int = 1000, seed: int = 0, fixed: ArrayLike | None = None, *, chunk: int = CHUNK
) -> ResampledHits:
    """Box accuracy on resamples of the images of `curves`, which are taken in their order there.

    `fixed` is one threshold for all IoU levels, or one each (D,); it need not be among the thresholds of `curves`.
    MaxBoxAccV2 on the resamples is `best.mean(axis=1)`. Raises DataError without images, ParameterError.
    """
    curves.require_images()
    check_resamples(resamples, seed)
    state = curves.state()
    bits, maximum = state["bits"], state["maximum"]
    columns = _Columns(curves, maximum, fixed)
    dtype = np.float32 if len(maximum) < 1 << 24 else np.float64
    best = np.empty((resamples, curves.n_iou))
    at = None if columns.fixed is None else np.empty((resamples, curves.n_iou))
    width = curves.n_iou * (columns.distinct + (columns.fixed is not None))
    images = max(1, chunk // width)
    start = 0
    for weights in resample_weights(
        len(maximum), resamples, seed, np.dtype(dtype), max(1, chunk // width), chunk=chunk
    ):
        hits = np.zeros((len(weights), width), dtype=dtype)
        for first in range(0, len(maximum), images):
            part = slice(first, first + images)
            hits += weights[:, part] @ columns.of(bits[part], maximum[part]).astype(dtype)
        by_level = hits.reshape(len(weights), curves.n_iou, -1)
        stop = start + len(weights)
        best[start:stop] = by_level[..., : columns.distinct].max(axis=2)
        if at is not None:
            at[start:stop] = by_level[..., -1]
        start = stop
    count = len(maximum)
    return ResampledHits(best / count, None if at is None else at / count)


def bootstrap_means(outcomes: ArrayLike, resamples: int = 1000, seed: int = 0, *, chunk: int = CHUNK) -> NDArray[Any]:
    """Mean of `outcomes` (N,) or (N, C) on each resample: (R,) or (R, C)."""
    values = np.asarray(outcomes, dtype=np.float64)
    parts = [
        weights @ values
        for weights in resample_weights(len(values), resamples, seed, np.dtype(np.float64), chunk=chunk)
    ]
    return np.concatenate(parts) / len(values)


def bootstrap_pixels(
    histograms: NDArray[np.integer], resamples: int = 1000, seed: int = 0, *, chunk: int = CHUNK
) -> NDArray[np.float64]:
    """PxAP on each resample (R,), in [0, 1], from the pixel counts (N, 2, B) of every image.

    [:, 0] counts object pixels and [:, 1] background pixels in bins of increasing score, those of
    `wsol.metrics.masks.PixelHistograms`. NaN for a resample without an object pixel.
    """
    count, kinds, bins = histograms.shape
    if kinds != 2:
        raise DataError(f"histograms have shape {histograms.shape}; give (N, 2, B), objects first, then background")
    flat = histograms.reshape(count, 2 * bins)
    images = max(1, chunk // (2 * bins))
    result = []
    for weights in resample_weights(count, resamples, seed, np.dtype(np.float64), images, chunk=chunk):
        pixels = np.zeros((len(weights), 2 * bins))
        for first in range(0, count, images):
            part = slice(first, first + images)
            pixels += weights[:, part] @ flat[part].astype(np.float64)
        result.append(average_precision(pixels.reshape(-1, 2, bins)))
    return np.concatenate(result)


def average_precision(histograms: NDArray[np.number]) -> NDArray[np.float64]:
    """PxAP (...) of pooled pixel counts (..., 2, B), objects first; NaN where no pixel is an object."""
    cumulated = np.asarray(histograms, dtype=np.float64)[..., ::-1].cumsum(axis=-1)
    true, predicted = cumulated[..., 0, :], cumulated.sum(axis=-2)
    precision = np.divide(true, predicted, out=np.zeros_like(true), where=predicted > 0)
    total = true[..., -1]
    area = (precision * np.diff(true, axis=-1, prepend=0.0)).sum(axis=-1)
    return np.divide(area, total, out=np.full_like(total, np.nan), where=total > 0)


def interval(resampled: NDArray[np.float64], coverage: float = COVERAGE) -> tuple[float, float]:
    """The percentile interval of the values (R,) of the resamples, NaN left out; raises DataError if none is left."""
    known = resampled[~np.isnan(resampled)]
    if known.size == 0:
        raise DataError("the value is undefined on every resample, so it has no interval; score more images")
    low, high = np.quantile(known, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)


def resample_indices(n_images: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """The images (N,) of each resample; the same for the same three numbers, so that all values share resamples."""
    if n_images < 1:
        raise DataError("there is no image to draw resamples from; check the split and its maps")
    check_resamples(resamples, seed)
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in range(resamples):
        yield generator.integers(0, n_images, n_images)


def resample_weights(
    n_images: int, resamples: int, seed: int, dtype: np.dtype[Any], rows: int = CHUNK, *, chunk: int = CHUNK
) -> Iterator[NDArray[Any]]:
    """How often each image is in each resample: (r, N) blocks of at most `rows` resamples, R in all."""
    check_resamples(resamples, seed)
    rows = min(rows, max(1, chunk // max(1, n_images)))
    drawn = resample_indices(n_images, resamples, seed)
    for start in range(0, resamples, rows):
        weights = np.empty((min(rows, resamples - start), n_images), dtype=dtype)
        for row, indices in zip(weights, drawn, strict=False):
            row[:] = np.bincount(indices, minlength=n_images)
        yield weights


def check_resamples(resamples: int, seed: int) -> None:
    """Raises ParameterError unless there are resamples and the seed is one."""
    if resamples < 1:
        raise ParameterError(f"resamples: {resamples} is too few; give 1 or more, 1000 is usual")
    if seed < 0:
        raise ParameterError(f"seed: {seed} is negative; give 0 or more")


class _Columns:
    """Which grey level stands for which distinct threshold, for each largest grey level that a map has."""

    def __init__(self, curves: HitCurves, maximum: NDArray[np.uint8], fixed: ArrayLike | None) -> None:
        self._maxima = np.unique(maximum)
        # (U, K): thresholds whose grey level agrees for every one of the maxima are one column
        self._level = np.unique(level_index(curves.thresholds, self._maxima), axis=1)
        self.distinct = self._level.shape[1]
        self.fixed: NDArray[np.intp] | None = None
        if fixed is not None:
            self.fixed = level_index(np.broadcast_to(np.asarray(fixed, np.float64), curves.n_iou), self._maxima)

    def of(self, bits: NDArray[np.uint8], maximum: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(n, D * K) hits at the distinct thresholds, K of them; with a last one for the fixed threshold if any."""
        hits = np.unpackbits(bits, axis=-1)
        count, n_iou, _ = hits.shape
        extra = self.fixed is not None
        result = np.empty((count, n_iou, self.distinct + extra), dtype=np.uint8)
        for index, value in enumerate(self._maxima):
            rows = np.flatnonzero(maximum == value)
            if rows.size:
                chosen = hits if rows.size == count else hits[rows]
                result[rows, :, : self.distinct] = chosen[:, :, self._level[index]]
                if self.fixed is not None:
                    result[rows, :, -1] = chosen[:, np.arange(n_iou), self.fixed[index]]
        return result.reshape(count, -1)
