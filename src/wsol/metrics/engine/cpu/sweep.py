"""From maps to tables of best IoU: the compiled part of the box metrics, many maps in one call.

For each map: a graph of row intervals (`intervals`), its merges from the highest level down (`forest`), and the boxes
on the way (`components`). First for the background, whose components are the holes; then for the foreground; and, if
there are holes, for the foreground with holes filled, whose components are the outermost ones. The largest contour is
always one of these: a hole's contour has no larger area than the one around it, which comes before it.
"""

from __future__ import annotations

import numpy as np

from wsol.jit import jit
from wsol.metrics.engine.cpu.components import (
    ALL,
    EXTERNAL,
    LARGEST,
    count_blocks,
    fill_windows,
    lay_out_windows,
    overlap,
    score_foreground,
    score_holes,
)
from wsol.metrics.engine.cpu.forest import climb, death_levels, live_components, merge_classes
from wsol.metrics.engine.cpu.intervals import MARGIN, cut_rows, frame_map, link, number_classes, row_stride
from wsol.metrics.engine.cpu.simd import raise_to_value, span
from wsol.metrics.levels import LEVELS

FRAME, NO_FRAME = 0, -1
FEW = 32
"""Classes up to which blocks are counted in four lanes: beyond, clearing them costs more than they save."""


@jit
def score_graph(
    values, rows, stride, eight, wanted, beyond, width, height, truth, best, fill,
    first, start, end, peak, parent, summit, label, edges, edge_level,
):  # fmt: skip
    """One map, framed and cut: foreground (`eight`) or background. Gives whether `fill` was raised anywhere.

    fill: a framed foreground map whose holes are filled on the way (background only), or an empty array.
    """
    n_nodes = cut_rows(values, rows, stride, first, start, end, peak)
    n_edges = link(values, rows, stride, eight, first, start, end, peak, parent, summit, edges, edge_level)
    class_peak = np.empty(n_nodes, dtype=np.uint8)
    n_classes = number_classes(n_nodes, peak, parent, label, class_peak)
    frame = NO_FRAME if eight else FRAME
    if n_classes == 0 or (not eight and n_classes == 1):
        return False
    scratch = np.empty((2, max(n_edges, n_classes)), dtype=np.int64)
    merges = np.empty((n_classes, 2), dtype=np.int64)
    merge_level = np.empty(n_classes, dtype=np.uint8)
    n_merges = merge_classes(
        n_edges, edges, edge_level, label, n_classes, frame, scratch[0], scratch[1], merges, merge_level
    )
    filled = False
    if len(fill):
        death = np.empty(n_classes, dtype=np.int64)
        death_levels(n_classes, frame, n_merges, merges, merge_level, death)
        for row in range(rows):
            base = MARGIN + row * stride
            for node in range(first[row], first[row + 1]):
                owner = label[node]
                if owner != frame and owner >= 0:
                    filled = True
                    to = np.uint8(255 - death[owner])
                    low, high = start[node], end[node]
                    for block in range(low // 64 * 64, high, 64):
                        raise_to_value(fill, base + block, to, span(low, high, block))
    if not wanted.any():
        return filled
    window = np.empty((n_classes, 4), dtype=np.int64)
    box = np.empty((n_classes, 4), dtype=np.int64)
    place = np.empty(n_classes, dtype=np.int64)
    free, size = lay_out_windows(rows, first, start, end, label, n_classes, frame, n_merges, merges, window, place)
    arena = np.empty(size, dtype=np.uint8)
    arena[:free] = 0
    fill_windows(
        values, rows, stride, first, start, end, peak, label, n_classes, frame, class_peak, window, place, arena, box
    )
    if not eight:
        score_holes(
            frame, beyond, width, height, truth, best,
            n_classes, class_peak, n_merges, merges, merge_level, window, place, free, arena, box,
        )  # fmt: skip
        return filled
    live = np.empty(LEVELS, dtype=np.int64)
    live_components(n_classes, class_peak, n_merges, merge_level, live)
    histogram = np.empty((0, 0), dtype=np.int32)
    ancestor, ancestor_level = scratch[0], scratch[1]
    if wanted[LARGEST] and live.max() > 1:
        ancestor = np.empty(n_classes + n_merges, dtype=np.int64)
        ancestor_level = np.empty(n_classes + n_merges, dtype=np.int64)
        climb(n_classes, n_merges, merges, merge_level, ancestor, ancestor_level)
        floor = 0
        while live[floor] < 2:
            floor += 1
        lanes = np.zeros((4 if n_classes <= FEW else 1, n_classes, LEVELS), dtype=np.int32)
        pairs = np.empty(2 * stride + 64, dtype=np.uint8)
        count_blocks(values, rows, stride, first, start, end, label, np.uint8(floor), pairs, lanes)
        histogram = lanes[0]
        for lane in range(1, len(lanes)):
            histogram += lanes[lane]
    score_foreground(
        wanted, beyond, width, height, truth, best,
        first, peak, label, n_classes, class_peak, n_merges, merges, merge_level,
        window, place, free, arena, box, live, histogram, ancestor, ancestor_level,
    )  # fmt: skip
    return filled


def make_scratch(height: int, width: int) -> tuple[np.ndarray, ...]:
    """What `score_greys` writes on: 30 bytes a pixel, enough for any map of this size."""
    stride, rows = row_stride(width), height + 2
    size, most = 2 * MARGIN + rows * stride, rows * (stride // 2 + 1)
    maps = [np.empty(size, np.uint8) for _ in range(3)]
    first, start, end = np.empty(rows + 1, np.int64), np.empty(most + 1, np.int32), np.empty(most + 1, np.int32)
    peak, summit = np.empty(most + 1, np.uint8), np.empty(most, np.uint8)
    parent, label = np.empty(most, np.int32), np.empty(most, np.int32)
    edges, edge_level = np.empty((5 * most, 2), np.int32), np.empty(5 * most, np.uint8)
    return (*maps, first, start, end, peak, summit, parent, label, edges, edge_level)


@jit
def score_greys(greys, truths, offsets, wanted, beyond, low, high, best, maximum, scratch):
    """Maps low...high-1 of greys (n, H, W) uint8 into best (n, 3, 256) and maximum (n,).

    truths (B, 4) are all boxes, those of map i from offsets[i] to offsets[i + 1]; wanted (3,) the contour rules;
    beyond is 1 for exclusive corners and 0 for inclusive ones; scratch is `make_scratch` of the map's size.
    """
    height, width = greys.shape[1:]
    stride, rows = row_stride(width), height + 2
    values, reverse, filled, first, start, end, peak, summit, parent, label, edges, edge_level = scratch
    nothing, no_rule = np.empty(0, np.uint8), np.zeros(3, np.bool_)
    outer = wanted.copy()
    outer[ALL] = False
    only_all = wanted.copy()
    only_all[LARGEST] = only_all[EXTERNAL] = False
    for index in range(low, high):
        truth = truths[offsets[index] : offsets[index + 1]]
        table = best[index]
        table[:] = 0.0
        frame_map(greys[index], values)
        top = 0
        for y in range(height):
            top = max(top, greys[index, y].max())
        maximum[index] = top
        empty = overlap(0.0, 0.0, 0.0, 0.0, truth)
        if top > 0:
            for position in range(len(values)):
                reverse[position] = 255 - values[position]
            fill = nothing
            if outer.any():
                filled[:] = values
                fill = filled
            raised = score_graph(
                reverse, rows, stride, False, only_all if wanted[ALL] else no_rule, beyond, width, height, truth, table,
                fill, first, start, end, peak, parent, summit, label, edges, edge_level,
            )  # fmt: skip
            score_graph(
                values, rows, stride, True, only_all if raised else wanted, beyond, width, height, truth, table,
                nothing, first, start, end, peak, parent, summit, label, edges, edge_level,
            )  # fmt: skip
            if raised:
                score_graph(
                    filled, rows, stride, True, outer, beyond, width, height, truth, table,
                    nothing, first, start, end, peak, parent, summit, label, edges, edge_level,
                )  # fmt: skip
        for rule in range(3):
            for level in range(top, LEVELS):
                table[rule, level] = empty


@jit
def quantise_maps(maps, low, high, greys, valid):
    """trunc(255 S) of maps low...high-1 (n, P), in float64; valid (n,) says whether all scores lie in [0, 1]."""
    for index in range(low, high):
        scores, grey = maps[index], greys[index]
        wrong = False
        for position in range(len(scores)):
            score = np.float64(scores[position])
            wrong |= not (score >= 0.0 and score <= 1.0)
            grey[position] = np.uint8(np.int32(score * 255.0))
        valid[index] = not wrong
