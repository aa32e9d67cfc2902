"""PxAP: pixel-wise average precision of score maps against object masks.

Source: Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right"; the rules are those of the
released evaluator. Pixels of all images go into one pool, so large objects weigh most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError, ParameterError
from wsol.metrics.blocks import Block, MetricResult, Split, check_keys
from wsol.metrics.exact_ap import exact_average_precision, exact_average_precision_of
from wsol.metrics.inputs import IGNORED, check_layout, check_mask_shape, check_masks, check_score_maps
from wsol.metrics.levels import threshold_grid

__all__ = [
    "Metric",
    "PixelAveragePrecision",
    "PixelHistograms",
    "exact_average_precision",
    "exact_average_precision_of",
    "pixel_average_precision",
    "resolve_mask",
]


@dataclass(frozen=True)
class PixelAveragePrecision:
    """`ap` in [0, 1]; precision and recall (T + 1,) of the pixels scoring at least thresholds (T + 1,), last one 1.

    Precision is NaN where no pixel scores that high.
    """

    ap: float
    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def pixel_average_precision(
    score_maps: ArrayLike,
    masks: ArrayLike,
    thresholds: int | ArrayLike = 1000,
    *,
    image_ids: Sequence[str] | None = None,
    threads: int = 1,
) -> PixelAveragePrecision:
    """PxAP of score maps (N, H, W) in [0, 1] against masks (N, H, W): 1 object, 0 background, 255 ignored.

    Raises DataError for maps or masks out of range, and where no pixel is an object.
    """
    accumulator = PixelHistograms(thresholds, threads=threads)
    accumulator.add(score_maps, masks, image_ids=image_ids)
    return accumulator.result()


class PixelHistograms:
    """`pixel_average_precision` for images that come in blocks: counts of object and background pixels per bin.

    Bins are [t0, t1), ..., [t_last, 1), {1}; a score below t0 falls in none, as in the released evaluator. Counts are
    whole numbers: order and size of the blocks, and how many `threads` count, change nothing.

    `keep_images` keeps the histograms of every image too, for the bootstrap and for merging by image: 4 bytes an image
    and bin for maps of less than 65536 pixels, 8 for larger ones; 4 kB an image at 1000 thresholds.
    """

    def __init__(self, thresholds: int | ArrayLike = 1000, *, threads: int = 1, keep_images: bool = False) -> None:
        grid = threshold_grid(thresholds)
        if (np.diff(grid) <= 0).any() or grid[-1] >= 1:
            raise ParameterError("thresholds of PxAP must increase and stay below 1, since they are edges of bins")
        self.edges: NDArray[np.float64] = np.append(grid, 1.0)
        self.threads = threads
        self.keep_images = keep_images
        self.counts: NDArray[np.int64] = np.zeros((2, self.edges.size), dtype=np.int64)
        self._images: list[NDArray[np.unsignedinteger]] = []

    def add(self, score_maps: Any, masks: Any, *, image_ids: Sequence[str] | None = None) -> None:
        """Take score maps (n, H, W) and masks (n, H, W), NumPy or CuPy. After an error nothing of them is counted."""
        on_device = hasattr(score_maps, "__cuda_array_interface__")
        count = _counted_on_device if on_device else _counted
        found = count(score_maps, masks, self.edges, self.keep_images, self.threads, image_ids)[..., 1:]
        if self.keep_images:
            self._images.append(np.ascontiguousarray(found))
            found = found.sum(axis=0, dtype=np.int64)
        self.counts += found

    @property
    def images(self) -> NDArray[np.unsignedinteger]:
        """(N, 2, E) counts of every image in the order added: object, then background, in the E bins."""
        if not self.keep_images:
            raise ParameterError(
                "histograms of single images were not kept; make PixelHistograms with keep_images=True"
            )
        return np.concatenate([np.empty((0, *self.counts.shape), dtype=np.uint16), *self._images])

    def merge(self, others: Sequence[PixelHistograms]) -> None:
        """Append the images of others with the same thresholds; raises DataError."""
        for other in others:
            self.restore(other.state())

    def state(self) -> dict[str, NDArray[Any]]:
        """All that `add` took, as arrays to store: edges (E,), counts (2, E), and images (N, 2, E) where kept."""
        state = {"edges": self.edges.copy(), "counts": self.counts.copy()}
        return state | {"images": self.images} if self.keep_images else state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Append what `state` gave, here or on another machine; raises DataError."""
        if not np.array_equal(state["edges"], self.edges):
            raise DataError("pixels counted between different thresholds cannot be put together; count them anew")
        if self.keep_images:
            if "images" not in state:
                raise DataError("these pixel counts do not say which image they are of; count with keep_images=True")
            self._images.append(state["images"])
        self.counts += state["counts"]

    def result(self) -> PixelAveragePrecision:
        true, false = self.counts[:, ::-1].cumsum(axis=1)
        if true[-1] == 0:
            raise DataError("no pixel of the evaluated masks is an object, so PxAP is undefined; check the masks")
        predicted = true + false
        recall = true / true[-1]
        precision = np.divide(true, predicted, out=np.full(true.size, np.nan), where=predicted > 0)
        kept = predicted > 0
        steps = np.diff(recall, prepend=0.0)
        ap = float((precision[kept] * steps[kept]).sum())
        return PixelAveragePrecision(ap, self.edges, precision[::-1], recall[::-1])


def resolve_mask(instances: Sequence[ArrayLike], ignore: ArrayLike | None, size: int | Sequence[int]) -> NDArray[Any]:
    """One (H, W) uint8 mask with 1 object, 0 background, 255 ignored, out of instance masks of any size.

    Each is resized to `size` (side, or (H, W)) by nearest neighbour and counts where it is above 0.5; objects are the
    union of the instances, and ignored is what `ignore` marks outside them. Raises DataError.
    """
    height, width = size if isinstance(size, Sequence) else (size, size)
    if not instances:
        raise DataError("no instance mask was given; an image evaluated with masks needs at least one")
    objects = np.any([_resized(mask, height, width) for mask in instances], axis=0)
    resolved = objects.astype(np.uint8)
    if ignore is not None:
        resolved[_resized(ignore, height, width) & ~objects] = IGNORED
    return resolved


def _resized(mask: ArrayLike, height: int, width: int) -> NDArray[np.bool_]:
    array = np.asarray(mask)
    if array.ndim != 2 or array.size == 0:
        raise DataError(f"a mask has shape {array.shape}; give one grey channel (H, W)")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    return cv2.resize(array, (width, height), interpolation=cv2.INTER_NEAREST) > 0.5


def _counted(
    score_maps: ArrayLike,
    masks: ArrayLike,
    edges: NDArray[np.float64],
    one_by_one: bool,
    threads: int,
    image_ids: Sequence[str] | None,
) -> NDArray[Any]:
    """(2, E + 1) counts, or (n, 2, E + 1) one by one; values are checked by the pass that counts them."""
    from wsol.metrics.engine.cpu.pixels import count_pixels

    maps, labels = np.asarray(score_maps), np.asarray(masks)
    check_layout(maps, image_ids)
    check_mask_shape(labels, maps.shape)
    if maps.dtype.itemsize > 8:
        check_score_maps(maps, image_ids)  # a value just above 1 would be rounded to 1
    if labels.dtype not in (np.uint8, np.bool_):
        check_masks(labels, maps.shape, image_ids)  # another type can hold values that a byte cannot
    found = count_pixels(maps, labels, edges, one_by_one=one_by_one, threads=threads)
    if found.bad_map >= 0:
        check_score_maps(*_only(found.bad_map, maps, image_ids))
    if found.bad_mask >= 0:
        one, name = _only(found.bad_mask, labels, image_ids)
        check_masks(one, one.shape, name)
    return found.counts


def _only(index: int, arrays: Any, image_ids: Sequence[str] | None) -> tuple[Any, list[str]]:
    """One of the arrays (n, H, W), with its name, for a check that says what is wrong with it."""
    return arrays[index : index + 1], [str(index) if image_ids is None else image_ids[index]]


def _counted_on_device(
    score_maps: Any,
    masks: Any,
    edges: NDArray[np.float64],
    one_by_one: bool,
    threads: int,
    image_ids: Sequence[str] | None,
) -> NDArray[Any]:
    """`_counted` for CuPy score maps, which stay where they are; masks may be there or not."""
    import cupy

    from wsol.metrics.engine.cuda import invalid_maps, pixel_histograms

    check_layout(score_maps, image_ids)
    invalid = invalid_maps(score_maps)
    if invalid.any():
        one, name = _only(int(invalid.argmax()), score_maps, image_ids)
        check_score_maps(one.get(), name)
    check_masks(masks.get() if hasattr(masks, "get") else masks, score_maps.shape, image_ids)
    labels = cupy.asarray(masks, dtype=np.uint8)
    if not one_by_one:
        return pixel_histograms(score_maps, labels, edges)
    images = [pixel_histograms(score_maps[i : i + 1], labels[i : i + 1], edges) for i in range(len(score_maps))]
    compact = np.uint16 if score_maps[:1].size < 2**16 else np.uint32
    return np.array(images, dtype=compact).reshape(-1, 2, edges.size + 1)


class Metric:
    """`masks` in the score job: PxAP in percent, with the precision-recall curve in fractions."""

    needs: ClassVar[tuple[str, ...]] = ("masks",)

    def __init__(self, parameters: Mapping[str, Any], split: Split) -> None:
        check_keys("masks", parameters, ("thresholds",))
        self._histograms = PixelHistograms(parameters["thresholds"])

    def keep_images(self) -> None:
        self._histograms.keep_images = True

    def add(self, block: Block) -> None:
        assert block.masks is not None
        self._histograms.threads = block.threads
        self._histograms.add(block.score_maps, block.masks, image_ids=block.image_ids)

    def merge(self, others: Sequence[Self]) -> None:
        self._histograms.merge([other._histograms for other in others])

    def state(self) -> dict[str, NDArray[Any]]:
        return self._histograms.state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._histograms.restore(state)

    def result(self) -> MetricResult:
        pixels = self._histograms.result()
        precision = [None if np.isnan(value) else float(value) for value in pixels.precision]
        curve = {"thresholds": pixels.thresholds.tolist(), "precision": precision, "recall": pixels.recall.tolist()}
        result = MetricResult(values={"PxAP": 100 * pixels.ap}, curves={"PxAP": curve})
        if self._histograms.keep_images:
            result.histograms["PxAP"] = self._histograms.images
        return result
