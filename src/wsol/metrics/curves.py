"""Hits counted over IoU levels and thresholds, in blocks of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsol.errors import DataError


class HitCurves:
    """How many images are hits at each IoU level (D of them) and threshold (T of them).

    Counts are integers, so the order and the size of the blocks change nothing. The hits of each image are kept as
    bits (375 bytes for 3 levels and 1000 thresholds), for per-image tables and for `hits`.
    """

    def __init__(self, n_levels: int, n_thresholds: int) -> None:
        self.n_images = 0
        self.counts: NDArray[np.int64] = np.zeros((n_levels, n_thresholds), dtype=np.int64)
        self._bits: list[NDArray[np.uint8]] = []

    def add(self, hits: NDArray[np.bool_]) -> None:
        """Count (n, D, T) hits."""
        self.n_images += len(hits)
        self.counts += hits.sum(axis=0, dtype=np.int64)
        self._bits.append(np.packbits(hits, axis=-1))

    def require_images(self) -> None:
        if self.n_images == 0:
            raise DataError("no image was evaluated, so there is nothing to average; check the split and its maps")

    def best_index(self) -> NDArray[np.int64]:
        """(D,) positions of the threshold with most hits at each IoU level; the lowest of equals."""
        return self.counts.argmax(axis=1)

    def hits_at(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(N, D) hits of every image at one threshold position for each IoU level."""
        bits = np.concatenate(self._bits)
        levels = np.arange(bits.shape[1])
        return (bits[:, levels, index // 8] >> (7 - index % 8).astype(np.uint8) & 1).astype(bool)

    def hits(self) -> NDArray[np.bool_]:
        """(N, D, T) hits of every image, in the order added."""
        return np.unpackbits(np.concatenate(self._bits), axis=-1, count=self.counts.shape[1]).astype(bool)
