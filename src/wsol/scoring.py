"""From stored maps and a manifest to the blocks that metrics take: upsampled score maps beside their ground truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from wsol.attribution.postprocess import map_faults
from wsol.errors import DataError
from wsol.metrics.blocks import Block
from wsol.metrics.boxes import rescale_boxes
from wsol.threads import one_ahead

if TYPE_CHECKING:
    from wsol.data.manifest import Manifest

BLOCK = {"cpu": 64, "cuda": 512}
"""Images a block. A GPU works on all maps of a block at once; 512 of 224 px take 0.2 GB of its memory."""


class GroundTruth:
    """Boxes or masks of a manifest's images in the frame of the scored maps; masks are kept once decoded."""

    def __init__(self, manifest: Manifest, keep_masks: bool = True) -> None:
        self.manifest = manifest
        self._keep = keep_masks
        self._masks: dict[tuple[int, int], np.ndarray] = {}
        self._source: Any = None

    def boxes(self, start: int, stop: int, size: int) -> list[np.ndarray] | None:
        """(M, 4) boxes of images start…stop-1 in map pixels, or None for a data set of masks."""
        if self.manifest.localisation != "boxes":
            return None
        sizes = zip(self.manifest.widths[start:stop], self.manifest.heights[start:stop], strict=True)
        return [
            rescale_boxes(boxes, (int(width), int(height)), size)
            for boxes, (width, height) in zip(self.manifest.boxes[start:stop], sizes, strict=True)
        ]

    def masks(self, start: int, stop: int, size: int) -> np.ndarray | None:
        """(n, size, size) uint8 with 1 object, 0 background, 255 ignored, or None for a data set of boxes."""
        if self.manifest.localisation != "masks":
            return None
        return np.stack([self._mask(index, size) for index in range(start, stop)])

    def _mask(self, index: int, size: int) -> np.ndarray:
        from wsol.data.images import ImageSource
        from wsol.data.masks import evaluation_mask

        if (index, size) in self._masks:
            return self._masks[index, size]
        if self._source is None:
            self._source = ImageSource(self.manifest.source, self.manifest.dataset)
        mask = evaluation_mask(self.manifest, index, size, self._source)
        if self._keep:
            self._masks[index, size] = mask
        return mask


def score_blocks(
    maps_of: Callable[[int, int], np.ndarray],
    predictions: np.ndarray | None,
    truth: GroundTruth,
    size: int,
    *,
    order: str = "resize-normalize",
    interpolation: str = "bicubic",
    threads: int = 1,
    device: str = "cpu",
    progress: Callable[[float], None] = lambda fraction: None,
) -> Iterator[Block]:
    """Blocks of `BLOCK` images; while one is being scored, a thread reads and upsamples the next, and no more.

    maps_of(start, stop) gives raw maps (n, h, w); predictions (N, 5) or None; `size` is the side of the scored frame.
    On device cuda the score maps are made and stay there, as CuPy arrays (`wsol.device.choose_scoring_device`).
    `progress` gets the share of images that are done with. What reading raises is raised when its block is asked for.
    """
    count = len(truth.manifest)
    length = BLOCK[device]
    starts = range(0, count, length)
    blocks = (
        _block(
            maps_of, predictions, truth, start, min(start + length, count), size, order, interpolation, threads, device
        )
        for start in starts
    )
    with closing(one_ahead(blocks)) as made:
        for start, block in zip(starts, made, strict=True):
            yield block
            progress(min(start + length, count) / count)


def _block(
    maps_of: Callable[[int, int], np.ndarray],
    predictions: np.ndarray | None,
    truth: GroundTruth,
    start: int,
    stop: int,
    size: int,
    order: str,
    interpolation: str,
    threads: int,
    device: str,
) -> Block:
    manifest = truth.manifest
    raw = maps_of(start, stop)
    return Block(
        score_maps=_score_maps(raw, (size, size), order, interpolation, threads, device),
        image_ids=manifest.image_ids[start:stop],
        labels=manifest.labels[start:stop],
        boxes=truth.boxes(start, stop, size),
        masks=truth.masks(start, stop, size),
        predictions=None if predictions is None else predictions[start:stop],
        faults=map_faults(raw),
        threads=threads,
    )


def _score_maps(
    raw: np.ndarray, size: tuple[int, int], order: str, interpolation: str, threads: int, device: str
) -> Any:
    """Score maps as a NumPy array, or on device cuda a CuPy one."""
    if device == "cuda":
        import cupy

        from wsol.metrics.engine import cuda

        return cuda.score_maps(cupy.asarray(raw), size, order, interpolation)
    from wsol.attribution.upsample import score_maps

    return score_maps(raw, size, order, interpolation, threads=threads)


def check_same_images(store_ids: list[str], manifest: Manifest, path: object) -> None:
    """Raise DataError, naming an image, unless a map store holds exactly the manifest's images in its order."""
    if store_ids == manifest.image_ids:
        return
    extra, lacking = set(store_ids) - set(manifest.image_ids), set(manifest.image_ids) - set(store_ids)
    if extra or lacking:
        example = next(iter(sorted(lacking or extra)))
        what = "lacks" if lacking else "has, but the manifest does not,"
        raise DataError(
            f"{path}: {what} image {example!r} ({len(lacking)} missing, {len(extra)} extra); extract the maps again"
        )
    raise DataError(f"{path}: has the manifest's images in another order; extract the maps again")
