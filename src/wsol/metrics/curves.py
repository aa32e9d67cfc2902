"""Hits counted over IoU levels and thresholds, in blocks of images that may come from several jobs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wsol.errors import DataError
from wsol.metrics.levels import LEVELS, level_index


class HitCurves:
    """How many images are hits at each IoU level (D of them) and threshold (T of them).

    What is kept of an image is one bit for each IoU level and grey level, and its largest grey level (97 bytes for
    3 IoU levels), whatever the thresholds. Counts are integers: order and size of the blocks change nothing.
    """

    def __init__(self, n_iou: int, thresholds: NDArray[np.float64]) -> None:
        self.thresholds = thresholds
        self.n_iou = n_iou
        self._bits: list[NDArray[np.uint8]] = []
        self._maximum: list[NDArray[np.uint8]] = []

    @property
    def n_images(self) -> int:
        return sum(map(len, self._maximum))

    def add(self, hits: NDArray[np.bool_], maximum: NDArray[np.uint8]) -> None:
        """Take n images: hits (n, D, 256) over grey levels, maximum (n,) the largest grey level of each map."""
        if hits.shape != (len(maximum), self.n_iou, LEVELS):
            raise DataError(f"hits have shape {hits.shape}; give {(len(maximum), self.n_iou, LEVELS)}")
        self._bits.append(np.packbits(hits, axis=-1))
        self._maximum.append(np.array(maximum, dtype=np.uint8))

    def merge(self, others: Sequence[HitCurves]) -> None:
        """Append the images of others that count the same."""
        for other in others:
            if other.n_iou != self.n_iou or not np.array_equal(other.thresholds, self.thresholds):
                raise DataError("hits over different IoU levels or thresholds cannot be put together")
            self._bits.extend(other._bits)
            self._maximum.extend(other._maximum)

    def state(self) -> dict[str, NDArray[np.uint8]]:
        """All that `add` took, as arrays to store: bits (N, D, 32) and maximum (N,)."""
        bits = [np.empty((0, self.n_iou, LEVELS // 8), dtype=np.uint8), *self._bits]
        return {"bits": np.concatenate(bits), "maximum": np.concatenate([np.empty(0, np.uint8), *self._maximum])}

    def restore(self, state: dict[str, NDArray[np.uint8]]) -> None:
        """Append what `state` gave, here or on another machine."""
        self.add(np.unpackbits(state["bits"], axis=-1).astype(bool), state["maximum"])

    def require_images(self) -> None:
        if self.n_images == 0:
            raise DataError("no image was evaluated, so there is nothing to average; check the split and its maps")

    @property
    def counts(self) -> NDArray[np.int64]:
        """(D, T) images that are hits."""
        state = self.state()
        counts = np.zeros((self.n_iou, self.thresholds.size), dtype=np.int64)
        for maximum in np.unique(state["maximum"]):
            hits = np.unpackbits(state["bits"][state["maximum"] == maximum], axis=-1)
            counts += hits.sum(axis=0, dtype=np.int64)[:, level_index(self.thresholds, int(maximum))]
        return counts

    def best_index(self) -> NDArray[np.int64]:
        """(D,) positions of the threshold with most hits at each IoU level; the lowest of equals."""
        return self.counts.argmax(axis=1)

    def hits_at(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(N, D) hits of every image at one threshold position for each IoU level."""
        state = self.state()
        level = level_index(self.thresholds[index], state["maximum"])
        images, iou = np.arange(len(level))[:, None], np.arange(self.n_iou)
        return (state["bits"][images, iou, level // 8] >> (7 - level % 8).astype(np.uint8) & 1).astype(bool)

    def hits(self) -> NDArray[np.bool_]:
        """(N, D, T) hits of every image, in the order added."""
        state = self.state()
        by_level = np.unpackbits(state["bits"], axis=-1).astype(bool)
        level = level_index(self.thresholds, state["maximum"])
        return np.take_along_axis(
            by_level, np.broadcast_to(level[:, None, :], (len(level), self.n_iou, level.shape[1])), axis=2
        )
