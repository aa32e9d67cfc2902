"""The launches that give the best IoU of many maps at every grey level, within a bound of scratch memory.

For each chunk of maps: the merge tree of the background, whose components are holes and which fills them; then that of
the foreground, on the map itself for the boxes of all contours, on the filled map for those of the outermost ones (one
tree serves both where filling changed nothing). A tree takes four kernels: cut rows, join intervals, merge classes,
score boxes. What a kernel needs is known only after the one before it, so a few counts a map come back in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.errors import ParameterError
from wsol.metrics.engine.cuda.kernels import Device, groups, kind_of
from wsol.metrics.levels import LEVELS, Contours, Corners, check_contours, check_corners

LARGEST_SIDE = 16384
"""Interval numbers have 28 bits, of which a map needs half its pixels; columns and rows have 16."""

_BYTES_PER_NODE = 8 * 4 + 2 * 3 * 8
_UNWANTED = -1


@dataclass(frozen=True)
class Rows:
    """The row of the table that each rule fills, -1 if it is not wanted."""

    all: int = _UNWANTED
    largest: int = _UNWANTED
    external: int = _UNWANTED

    @property
    def wanted(self) -> bool:
        return max(self.all, self.largest, self.external) >= 0


@dataclass(frozen=True)
class Chunk:
    """Maps in work. grey and filled (n, H, stride) uint8; values (R, n, 256) float64; all on the device."""

    grey: Any
    filled: Any
    values: Any
    truths: Any
    truth_offsets: Any
    height: int
    width: int
    stride: int
    inclusive: int

    def geometry(self, flipped: int) -> tuple[int, int, int, int]:
        return self.height, self.width, self.stride, flipped


def best_iou(
    device: Device,
    score_maps: Any,
    boxes: Sequence[NDArray[np.float64]],
    contours: Sequence[Contours],
    corners: Corners,
    scratch_bytes: int,
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """As `wsol.metrics.engine.best_iou`, for score maps (n, H, W) float32 or float64 on `device`, C-contiguous.

    `scratch_bytes` bounds the scratch memory, but for a single map that needs more. Raises ParameterError.
    """
    for rule in contours:
        check_contours(rule)
    check_corners(corners)
    count, height, width = score_maps.shape
    if max(height, width) > LARGEST_SIDE:
        raise ParameterError(
            f"maps of {height} x {width} are too large for the CUDA engine; {LARGEST_SIDE} is the limit"
        )
    if len(boxes) != count:
        raise ParameterError(f"{count} score maps but boxes of {len(boxes)}; give one array of boxes a map")
    rules = list(dict.fromkeys(contours))
    values = np.empty((len(rules), count, LEVELS))
    maximum = np.empty(count, dtype=np.uint8)
    stride = (width + 31) // 32 * 32
    per_map = height * (2 * stride + 2 * 4 * (stride // 32)) + 8 * LEVELS * max(len(rules), 1)
    for part in groups(np.full(count, per_map, dtype=np.int64), scratch_bytes // 2):
        values[:, part], maximum[part] = _score(
            device, score_maps[part], boxes[part], rules, corners, stride, scratch_bytes // 2
        )
    if rules != list(contours):
        values = values[[rules.index(rule) for rule in contours]]
    return values, maximum


def _score(
    device: Device,
    scores: Any,
    boxes: Sequence[NDArray[np.float64]],
    rules: list[Contours],
    corners: Corners,
    stride: int,
    budget: int,
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    count, height, width = scores.shape
    lengths = np.array([len(truth) for truth in boxes])
    truths = np.concatenate([np.asarray(truth, dtype=np.float64).reshape(-1, 4) for truth in boxes])
    chunk = Chunk(
        grey=device.empty((count, height, stride), np.uint8),
        filled=device.empty((count, height, stride), np.uint8),
        values=device.empty((len(rules), count, LEVELS), np.float64),
        truths=device.upload(np.ascontiguousarray(truths)),
        truth_offsets=device.upload(np.append(0, lengths.cumsum()).astype(np.int32)),
        height=height,
        width=width,
        stride=stride,
        inclusive=int(corners == "inclusive"),
    )
    maxima = device.empty((count,), np.uint32)
    device.launch(f"quantise_{kind_of(scores)}", count, 256, scores, chunk.grey, maxima, height, width, stride)
    device.launch(
        "empty_levels", count, 256, maxima, chunk.truths, chunk.truth_offsets, count, len(rules), chunk.values
    )
    wanted = Rows(**{rule: row for row, rule in enumerate(rules)})
    holes = Rows(all=wanted.all)
    outermost = Rows(largest=wanted.largest, external=wanted.external)
    everything = np.arange(count)
    changed = _sweep(device, chunk, chunk.grey, everything, True, holes, budget) if wanted.wanted else everything < 0
    _sweep(device, chunk, chunk.grey, everything[~changed], False, wanted, budget)
    _sweep(device, chunk, chunk.grey, everything[changed], False, holes, budget)
    _sweep(device, chunk, chunk.filled, everything[changed], False, outermost, budget)
    return device.download(chunk.values), device.download(maxima).astype(np.uint8)


def _sweep(
    device: Device,
    chunk: Chunk,
    images: Any,
    maps: NDArray[np.int64],
    background: bool,
    rows: Rows,
    budget: int,
) -> NDArray[np.bool_]:
    """Scores the boxes of fore- or background components of the given maps; which maps change when holes are filled.

    The background is worked on whether its boxes are wanted or not.
    """
    changed = np.zeros(len(maps), dtype=bool)
    if len(maps) == 0 or not (background or rows.wanted):
        return changed
    selected = device.upload(maps.astype(np.int32))
    geometry = chunk.geometry(int(background))
    cuts = (len(maps), chunk.height, chunk.stride // 32)
    masks, bases = device.empty(cuts, np.uint32), device.empty(cuts, np.uint32)
    counts = device.empty((len(maps),), np.uint32)
    device.launch("cut_rows", len(maps), 256, images, selected, *geometry, masks, bases, counts)
    nodes = device.download(counts).astype(np.int64) + 1  # the frame is one more
    for part in groups(nodes * _BYTES_PER_NODE, budget // 2):
        forest = Forest(device, chunk, images, selected[part], masks[part], bases[part], counts[part], background)
        forest.grow(nodes[part])
        if background:
            changed[part] = forest.fill()
        if rows.wanted:
            forest.score(rows, budget // 2)
    return changed


class Forest:
    """Merge trees of some maps: first `grow`, then `fill` and `score`."""

    def __init__(
        self,
        device: Device,
        chunk: Chunk,
        images: Any,
        selected: Any,
        masks: Any,
        bases: Any,
        counts: Any,
        background: bool,
    ) -> None:
        self._device = device
        self._chunk = chunk
        self._images, self._selected, self._masks, self._bases, self._counts = images, selected, masks, bases, counts
        self._background = background
        self._geometry = chunk.geometry(int(background))

    def grow(self, nodes: NDArray[np.int64]) -> None:
        """`nodes`: of each map, the frame included."""
        device, size, total = self._device, len(nodes), int(nodes.sum())
        self._node_offsets = device.upload(nodes.cumsum() - nodes)
        (
            self._peaks,
            parents,
            self._labels,
            self._class_peaks,
            self._links,
            self._merge_levels,
            weights,
            self._merges,
        ) = (device.empty((total,), np.uint32) for _ in range(8))
        edges, ordered = device.empty((3 * total,), np.uint64), device.empty((3 * total,), np.uint64)
        self._class_counts, edge_counts, self._merge_counts, self._contested = (
            device.empty((size,), np.uint32) for _ in range(4)
        )
        device.launch(
            "join_intervals", size, 256, self._images, self._selected, *self._geometry, self._masks, self._bases,
            self._counts, self._node_offsets, self._peaks, parents, self._labels, self._class_peaks, edges, ordered,
            self._class_counts, edge_counts,
        )  # fmt: skip
        device.launch(
            "merge_classes", (size + 3) // 4, 128, size, int(self._background), self._node_offsets, self._class_counts,
            edge_counts, self._class_peaks, ordered, self._links, self._merge_levels, weights, self._merges,
            self._merge_counts, self._contested,
        )  # fmt: skip

    def fill(self) -> NDArray[np.bool_]:
        """Fills the holes of the maps; whether that changed each of them (`filled` is written only where it may)."""
        size = len(self._selected)
        changed = self._device.empty((size,), np.uint32)
        self._device.launch(
            "fill_holes", size, 256, self._images, self._selected, *self._geometry[:3], self._masks, self._bases,
            self._node_offsets, self._class_counts, self._labels, self._links, self._merge_levels, self._chunk.filled,
            changed,
        )  # fmt: skip
        return self._device.download(changed) != 0

    def score(self, rows: Rows, budget: int) -> None:
        """Enters the boxes of all components into the tables."""
        classes = self._device.download(self._class_counts).astype(np.int64)
        contested = self._device.download(self._contested)
        compete = (contested < LEVELS) & (rows.largest >= 0)
        span = (self._chunk.width + 3) // 4 * 4 + (self._chunk.height + 3) // 4 * 4
        sizes = classes * (span + 7 * 4 + 4 * LEVELS * compete)
        for part in groups(sizes, budget):
            # Only the frame: no holes. No class at all: nothing above 0.
            if (classes[part] > int(self._background)).any():
                self._score(part, classes[part], compete[part], span, rows)

    def _score(
        self, part: slice, classes: NDArray[np.int64], compete: NDArray[np.bool_], span: int, rows: Rows
    ) -> None:
        device, chunk, size, total = self._device, self._chunk, len(classes), int(classes.sum())
        areas_of = classes * compete
        class_offsets = device.upload(classes.cumsum() - classes)
        area_offsets = device.upload(np.where(compete, areas_of.cumsum() - areas_of, -1))
        maxima = device.zeros((total * span,), np.uint8)
        areas = device.zeros((max(int(areas_of.sum()), 1) * LEVELS,), np.uint32)
        seeds, states = device.empty((total, 2), np.uint32), device.empty((total, 5), np.int32)
        selected, masks, bases = self._selected[part], self._masks[part], self._bases[part]
        node_offsets, class_counts, contested = (
            array[part] for array in (self._node_offsets, self._class_counts, self._contested)
        )
        device.launch(
            "class_attributes", size, 256, self._images, selected, *self._geometry, masks, bases, self._counts[part],
            node_offsets, self._peaks, self._labels, self._class_peaks, class_counts, class_offsets, area_offsets,
            contested, maxima, seeds, areas,
        )  # fmt: skip
        device.launch(
            "box_levels", size, 32, self._images, selected, *self._geometry, masks, bases, node_offsets, self._labels,
            self._class_peaks, class_counts, self._links, self._merge_levels, self._merges,
            self._merge_counts[part], contested, class_offsets, area_offsets, maxima, seeds, areas, states,
            chunk.truths, chunk.truth_offsets, chunk.inclusive, rows.all, rows.largest, rows.external,
            len(chunk.grey), chunk.values,
        )  # fmt: skip
