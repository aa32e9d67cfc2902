"""Where the hits are: by class and by size of the object.

The size of an image's object is the area of its largest ground-truth box as a share of the scored frame, or that of its
mask. It falls in one of four bins with fixed edges, the same for every data set, so that two of them can be compared:
small [0, 0.1), medium [0.1, 0.3), large [0.3, 0.6), dominant [0.6, 1]. COCO's sizes are in pixels of the original image
and do not fit: a score map knows only its frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError
from wsol.metrics.bootstrap import average_precision

SIZES = ("small", "medium", "large", "dominant")
SIZE_EDGES = (0.0, 0.1, 0.3, 0.6, 1.0)


@dataclass(frozen=True)
class Groups:
    """Which of `count` groups each of N images is in: index (N,), -1 for none."""

    index: NDArray[np.intp]
    count: int

    @property
    def n(self) -> NDArray[np.int64]:
        """(G,) images of each group."""
        return self.hits(np.ones(len(self.index), dtype=bool))

    def hits(self, outcomes: ArrayLike) -> NDArray[np.int64]:
        """(G,) images of each group with a true outcome, from outcomes (N,)."""
        true = np.asarray(outcomes, dtype=bool)
        if true.shape != self.index.shape:
            raise DataError(f"outcomes have shape {true.shape}, but there are {len(self.index)} images in groups")
        return np.bincount(self.index[true & (self.index >= 0)], minlength=self.count)

    def value(self, outcomes: ArrayLike) -> NDArray[np.float64]:
        """(G,) share of each group with a true outcome, in percent; NaN for a group without images."""
        n = self.n
        return np.divide(100 * self.hits(outcomes), n, out=np.full(self.count, np.nan), where=n > 0)

    def pixel_value(self, histograms: NDArray[np.integer]) -> NDArray[np.float64]:
        """(G,) PxAP of each group's pixels in percent, from pixel counts (N, 2, B) as `bootstrap_pixels` has them.

        NaN for a group without an object pixel.
        """
        pooled = np.zeros((self.count, *histograms.shape[1:]), dtype=np.int64)
        for group in np.unique(self.index[self.index >= 0]):
            pooled[group] = histograms[self.index == group].sum(axis=0, dtype=np.int64)
        return 100 * average_precision(pooled)


def by_class(labels: ArrayLike, num_classes: int) -> Groups:
    """One group a class, from class indices (N,)."""
    return Groups(np.asarray(labels, dtype=np.intp), num_classes)


def by_size(sizes: ArrayLike) -> Groups:
    """One group a name of `SIZES`, from sizes (N,) as shares of the frame; NaN is in none."""
    shares = np.asarray(sizes, dtype=np.float64)
    index = np.digitize(shares, SIZE_EDGES[1:-1])
    return Groups(np.where(np.isnan(shares), -1, index), len(SIZES))


def box_sizes(boxes: Sequence[ArrayLike], frame: tuple[int, int]) -> NDArray[np.float64]:
    """(n,) share of a frame (H, W) that the largest of each image's boxes (M, 4) covers, corners counted in.

    What reaches beyond the frame does not count; NaN without boxes.
    """
    height, width = frame
    result = np.full(len(boxes), np.nan)
    for image, corners in enumerate(boxes):
        box = np.asarray(corners, dtype=np.float64).reshape(-1, 4)
        if len(box):
            inside = np.clip(box, 0, [width - 1, height - 1] * 2)
            area = (inside[:, 2] - inside[:, 0] + 1) * (inside[:, 3] - inside[:, 1] + 1)
            result[image] = area.max() / (height * width)
    return result


def mask_sizes(masks: Any) -> NDArray[np.float64]:
    """(n,) share of the frame that the object covers, from masks (n, H, W), NumPy or CuPy, with 1 for objects."""
    shares = (masks == 1).mean(axis=(1, 2))
    return np.asarray(shares.get() if hasattr(shares, "__cuda_array_interface__") else shares)
