"""Boxes of every component of a map at every grey level, each scored once while it stays the same.

A component's rows and columns are intervals, since it is connected: so its box is found from row and column maxima by
walking outwards from a pixel of its peak. They are kept in windows, one for each component alive, in one arena.
"""

from __future__ import annotations

import numpy as np

from wsol.jit import jit
from wsol.metrics.engine.cpu.forest import component_at
from wsol.metrics.engine.cpu.intervals import MARGIN
from wsol.metrics.engine.cpu.simd import lowest_bit, mask_above, raise_to_array, span, two_smallest
from wsol.metrics.levels import LEVELS

ALL, LARGEST, EXTERNAL = 0, 1, 2
"""Rows of the tables of best IoU."""
LEFT, TOP, RIGHT, BOTTOM = 0, 1, 2, 3
ONE = np.uint64(1)


@jit
def lay_out_windows(rows, first, start, end, label, n_classes, frame, n_merges, merges, window, place):
    """window (n, 4): the rectangle of each class; place (n,): its first byte in the arena. Gives the bytes in all.

    Bytes include those for the rectangles that merging will need, which `merge_windows` takes in the same order.
    """
    for node in range(n_classes):
        window[node, LEFT] = window[node, TOP] = 1 << 30
        window[node, RIGHT] = window[node, BOTTOM] = -1
    for row in range(rows):
        for node in range(first[row], first[row + 1]):
            owner = label[node]
            if owner >= 0 and owner != frame:
                window[owner, LEFT] = min(window[owner, LEFT], start[node])
                window[owner, RIGHT] = max(window[owner, RIGHT], end[node] - 1)
                window[owner, TOP] = min(window[owner, TOP], row)
                window[owner, BOTTOM] = row
    used = MARGIN
    for node in range(n_classes):
        place[node] = used
        if node != frame:
            used += window[node, RIGHT] - window[node, LEFT] + window[node, BOTTOM] - window[node, TOP] + 2
    leaves = used
    grown = window[:n_classes].copy()
    for merge in range(n_merges):
        stays, goes = merges[merge, 0], merges[merge, 1]
        if stays == frame:
            continue
        fits_goes = _fits(grown, stays, goes)
        if not fits_goes and not _fits(grown, goes, stays):
            _unite(grown, stays, goes)
            used += grown[stays, RIGHT] - grown[stays, LEFT] + grown[stays, BOTTOM] - grown[stays, TOP] + 2
        elif fits_goes:
            grown[stays] = grown[goes]
    return leaves, used + MARGIN


@jit
def _fits(window, inner, outer):
    return (
        window[inner, LEFT] >= window[outer, LEFT]
        and window[inner, TOP] >= window[outer, TOP]
        and window[inner, RIGHT] <= window[outer, RIGHT]
        and window[inner, BOTTOM] <= window[outer, BOTTOM]
    )


@jit
def _unite(box, stays, goes):
    box[stays, LEFT] = min(box[stays, LEFT], box[goes, LEFT])
    box[stays, TOP] = min(box[stays, TOP], box[goes, TOP])
    box[stays, RIGHT] = max(box[stays, RIGHT], box[goes, RIGHT])
    box[stays, BOTTOM] = max(box[stays, BOTTOM], box[goes, BOTTOM])


@jit
def fill_windows(
    values, rows, stride, first, start, end, peak, label, n_classes, frame, class_peak, window, place, arena, box
):
    """Row and column maxima of each class into its window, and box (n, 4): one pixel of its peak."""
    for node in range(n_classes):
        box[node, LEFT] = -1
    for row in range(rows):
        base = MARGIN + row * stride
        for node in range(first[row], first[row + 1]):
            owner = label[node]
            if owner < 0 or owner == frame:
                continue
            entry = place[owner] + row - window[owner, TOP]
            if peak[node] > arena[entry]:
                arena[entry] = peak[node]
            columns = place[owner] + window[owner, BOTTOM] - window[owner, TOP] + 1 - window[owner, LEFT]
            low, high = start[node], end[node]
            seek = box[owner, LEFT] < 0 and peak[node] == class_peak[owner]
            for block in range(low // 64 * 64, high, 64):
                here = span(low, high, block)
                raise_to_array(arena, columns + block, values, base + block, here)
                if seek:
                    at_peak = here & mask_above(values, base + block, np.uint8(peak[node] - 1))
                    if at_peak:
                        box[owner, LEFT] = box[owner, RIGHT] = block + lowest_bit(at_peak)
                        box[owner, TOP] = box[owner, BOTTOM] = row
                        seek = False


@jit
def count_blocks(values, rows, stride, first, start, end, label, floor, pairs, lanes):
    """lanes (L, n_classes, 256): counts of 2 x 2 blocks of pixels by the levels below which they count, above `floor`.

    Twice the polygon area of a component without holes is the sum over 2 x 2 blocks of [v1 > t] + [v2 > t], v1 and v2
    the two smallest of the block's values. The sum over the L lanes (a power of two) is what counts: neighbours often
    have equal values, and a processor that adds to one counter twice in a row waits. pairs is scratch for two rows.
    """
    lane_mask = len(lanes) - 1
    for row in range(rows - 1):
        top = MARGIN + row * stride
        for block in range(0, stride, 64):
            two_smallest(values, top + block, top + stride + block, pairs, block, stride + block)
        for node in range(first[row], first[row + 1]):
            low, high = start[node], end[node]
            for block in range(low // 64 * 64, high, 64):
                above = mask_above(pairs, stride + block, floor) & span(low, high, block)
                while above:
                    column = block + lowest_bit(above)
                    above &= above - ONE
                    second = pairs[stride + column]
                    # Any pixel at least as high as v2 belongs to the component at every level that counts.
                    owner = label[node]
                    if column + 1 == high and values[top + column] < second:
                        owner = label[node + 1]
                    lanes[column & lane_mask, owner, second] += 1
                    lanes[column & lane_mask, owner, pairs[column]] += 1


@jit
def best_overlap(box, owner, grow, beyond, width, height, truth):
    """Best IoU of one box with the ground truth (M, 4); the arithmetic is that of `wsol.metrics.iou.iou_matrix`."""
    left, top = float(box[owner, LEFT] - 1 - grow), float(box[owner, TOP] - 1 - grow)
    right = float(min(box[owner, RIGHT] - 1 + grow + beyond, width - 1))
    bottom = float(min(box[owner, BOTTOM] - 1 + grow + beyond, height - 1))
    return overlap(left, top, right, bottom, truth)


@jit
def overlap(left, top, right, bottom, truth):
    area = (right - left + 1) * (bottom - top + 1)
    best = 0.0
    for index in range(len(truth)):
        across = min(right, truth[index, 2]) - max(left, truth[index, 0]) + 1
        down = min(bottom, truth[index, 3]) - max(top, truth[index, 1]) + 1
        intersection = max(across, 0.0) * max(down, 0.0)
        true_area = (truth[index, 2] - truth[index, 0] + 1) * (truth[index, 3] - truth[index, 1] + 1)
        union = area + true_area - intersection
        if union > 0:
            best = max(best, intersection / union)
    return best


@jit
def _widen(level, owner, box, window, place, arena):
    """Let the box take all of the component above `level`; gives the level at which it would grow next."""
    rows = place[owner] - window[owner, TOP]
    columns = place[owner] + window[owner, BOTTOM] - window[owner, TOP] + 1 - window[owner, LEFT]
    following = 0
    x = box[owner, LEFT]
    while x > window[owner, LEFT] and arena[columns + x - 1] > level:
        x -= 1
    box[owner, LEFT] = x
    if x > window[owner, LEFT]:
        following = max(following, int(arena[columns + x - 1]))
    x = box[owner, RIGHT]
    while x < window[owner, RIGHT] and arena[columns + x + 1] > level:
        x += 1
    box[owner, RIGHT] = x
    if x < window[owner, RIGHT]:
        following = max(following, int(arena[columns + x + 1]))
    y = box[owner, TOP]
    while y > window[owner, TOP] and arena[rows + y - 1] > level:
        y -= 1
    box[owner, TOP] = y
    if y > window[owner, TOP]:
        following = max(following, int(arena[rows + y - 1]))
    y = box[owner, BOTTOM]
    while y < window[owner, BOTTOM] and arena[rows + y + 1] > level:
        y += 1
    box[owner, BOTTOM] = y
    if y < window[owner, BOTTOM]:
        following = max(following, int(arena[rows + y + 1]))
    return following


@jit
def _starts_later(one, other, row, level, first, peak, label, ancestor, ancestor_level):
    """Whether the component of class `one` starts right of that of `other` in a row that both have as their first."""
    first_node, last_node = first[row], first[row + 1]
    one = component_at(one, level, ancestor, ancestor_level)
    other = component_at(other, level, ancestor, ancestor_level)
    for node in range(first_node, last_node):
        if peak[node] > level:
            owner = component_at(label[node], level, ancestor, ancestor_level)
            if owner == other:
                return True
            if owner == one:
                return False
    return False


@jit
def score_foreground(
    wanted, beyond, width, height, truth, best,
    first, peak, label, n_classes, class_peak, n_merges, merges, merge_level,
    window, place, free, arena, box, live, histogram, ancestor, ancestor_level,
):  # fmt: skip
    """Best IoU of all components, for the contour rules in `wanted` (3,), into best (3, 256)."""
    top = np.empty(n_classes, dtype=np.int64)
    area = np.zeros(n_classes, dtype=np.int64)
    leader_area = np.full(LEVELS, -1, dtype=np.int64)
    leader_row = np.empty(LEVELS, dtype=np.int64)
    leader = np.empty(LEVELS, dtype=np.int64)
    for node in range(n_classes):
        top[node] = class_peak[node]
    for step in range(n_merges + n_classes):
        merge = min(step, n_merges)
        sides = 2 if step < n_merges else 1
        for side in range(sides):
            if step < n_merges:
                owner, low = merges[merge, side], int(merge_level[merge])
            else:
                owner, low = step - n_merges, 0
            level = top[owner] - 1
            while level >= low:
                following = max(_widen(level, owner, box, window, place, arena), low)
                value = best_overlap(box, owner, 0, beyond, width, height, truth)
                for t in range(level, following - 1, -1):
                    if wanted[ALL]:
                        best[ALL, t] = max(best[ALL, t], value)
                    if wanted[EXTERNAL]:
                        best[EXTERNAL, t] = max(best[EXTERNAL, t], value)
                    if wanted[LARGEST]:
                        if live[t] == 1:
                            best[LARGEST, t] = value
                            if len(histogram):
                                area[owner] += histogram[owner, t + 1]
                            continue
                        area[owner] += histogram[owner, t + 1]
                        # Equal areas: the component whose first pixel comes last in raster order, as OpenCV lists
                        # the contours found last first and the first of equals is taken.
                        row = box[owner, TOP]
                        wins = area[owner] > leader_area[t]
                        if area[owner] == leader_area[t]:
                            wins = row > leader_row[t]
                            if row == leader_row[t]:
                                wins = _starts_later(
                                    owner, leader[t], row, t, first, peak, label, ancestor, ancestor_level
                                )
                        if wins:
                            leader_area[t], leader_row[t], leader[t] = area[owner], row, owner
                            best[LARGEST, t] = value
                level = following - 1
            top[owner] = min(top[owner], low)
        if step < n_merges:
            stays, goes, low = merges[merge, 0], merges[merge, 1], int(merge_level[merge])
            free = _merge_windows(stays, goes, window, place, free, arena)
            _unite(box, stays, goes)
            top[goes] = 0
            if wanted[LARGEST] and len(histogram):
                area[stays] += area[goes]
                for value_below in range(low + 1):
                    histogram[stays, value_below] += histogram[goes, value_below]


@jit
def score_holes(
    frame, beyond, width, height, truth, best,
    n_classes, class_peak, n_merges, merges, merge_level, window, place, free, arena, box,
):  # fmt: skip
    """Best IoU of all holes into best[ALL]: components of the reversed map until they join the frame."""
    top = np.empty(n_classes, dtype=np.int64)
    for node in range(n_classes):
        top[node] = class_peak[node]
    top[frame] = 0
    for step in range(n_merges + n_classes):
        merge = min(step, n_merges)
        sides = 2 if step < n_merges else 1
        for side in range(sides):
            if step < n_merges:
                owner, low = merges[merge, side], int(merge_level[merge])
            else:
                owner, low = step - n_merges, 0
            if owner == frame:
                continue
            level = top[owner] - 1
            while level >= low:
                following = max(_widen(level, owner, box, window, place, arena), low)
                value = best_overlap(box, owner, 1, beyond, width, height, truth)
                for t in range(254 - level, 255 - following):
                    best[ALL, t] = max(best[ALL, t], value)
                level = following - 1
            top[owner] = min(top[owner], low)
        if step < n_merges:
            stays, goes = merges[merge, 0], merges[merge, 1]
            if stays != frame:
                free = _merge_windows(stays, goes, window, place, free, arena)
                _unite(box, stays, goes)
            top[goes] = 0


@jit
def _merge_windows(stays, goes, window, place, free, arena):
    """Maxima of both into one window, a new one at `free` if neither has room; gives where free bytes start then."""
    if _fits(window, stays, goes):
        _take_maxima(window, place, stays, window, place, goes, arena)
        window[stays] = window[goes]
        place[stays] = place[goes]
    elif _fits(window, goes, stays):
        _take_maxima(window, place, goes, window, place, stays, arena)
    else:
        both, where = window[stays : stays + 1].copy(), np.array([free])
        both[0, LEFT] = min(both[0, LEFT], window[goes, LEFT])
        both[0, TOP] = min(both[0, TOP], window[goes, TOP])
        both[0, RIGHT] = max(both[0, RIGHT], window[goes, RIGHT])
        both[0, BOTTOM] = max(both[0, BOTTOM], window[goes, BOTTOM])
        size = both[0, RIGHT] - both[0, LEFT] + both[0, BOTTOM] - both[0, TOP] + 2
        arena[free : free + size] = 0
        _take_maxima(window, place, stays, both, where, 0, arena)
        _take_maxima(window, place, goes, both, where, 0, arena)
        window[stays] = both[0]
        place[stays] = free
        free += size
    return free


@jit
def _take_maxima(window, place, source, target_window, target_place, target, arena):
    height = window[source, BOTTOM] - window[source, TOP] + 1
    start = target_place[target] + window[source, TOP] - target_window[target, TOP]
    for index in range(height):
        arena[start + index] = max(arena[start + index], arena[place[source] + index])
    width = window[source, RIGHT] - window[source, LEFT] + 1
    target_height = target_window[target, BOTTOM] - target_window[target, TOP] + 1
    start = target_place[target] + target_height + window[source, LEFT] - target_window[target, LEFT]
    source_start = place[source] + height
    for index in range(width):
        arena[start + index] = max(arena[start + index], arena[source_start + index])
