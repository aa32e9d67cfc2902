"""A framed map as a graph of row intervals: what is connected to what, down to which grey level.

A row is cut where it rises after having fallen. Above any level, what is left of such an interval is one run of pixels
or nothing, so intervals can stand for pixels: a few hundred for a smooth map of 224 x 224, a few thousand for a noisy
one. Two intervals that touch are connected in {value > t} exactly for t < L, where L is the largest, over their
touching pairs of pixels, of the smaller of the two values.

An interval with an edge of L equal to its own maximum is joined to another for as long as it lives. One such edge for
each is contracted at once; what stays are the classes, one for each true local maximum, and the edges between them.
"""

from __future__ import annotations

import numpy as np

from wsol.jit import jit
from wsol.metrics.engine.cpu.simd import (
    lowest_bit,
    mask_less,
    masked_maximum,
    span,
    touching_maximum4,
    touching_maximum8,
)

ONE = np.uint64(1)
MARGIN = 64
"""Bytes before the first and after the last row of a framed map, for 64 bytes read a position too early or too far."""


@jit
def row_stride(width):
    """Bytes a row of a framed map takes: a pixel of frame at least on either side, and a multiple of 64."""
    return (width + 2 + 63) // 64 * 64


@jit
def frame_map(grey, framed):
    """Copy grey (H, W) into `framed` with a border of zeros; pixel (y, x) comes to row y + 1, column x + 1."""
    height, width = grey.shape
    stride = row_stride(width)
    framed[:] = 0
    for y in range(height):
        start = MARGIN + (y + 1) * stride + 1
        framed[start : start + width] = grey[y]


@jit
def cut_rows(values, rows, stride, first, start, end, peak):
    """Intervals of all rows: first (rows + 1,) into start, end (columns, end excluded) and peak. Gives their number."""
    count = 0
    for row in range(rows):
        first[row] = count
        base = MARGIN + row * stride
        carry = np.uint64(0)
        start[count] = 0
        for block in range(0, stride, 64):
            rises = mask_less(values, base + block - 1, base + block)
            falls = mask_less(values, base + block, base + block - 1)
            if block == 0:
                rises &= ~ONE
                falls &= ~ONE
            # "Has fallen since it last rose" is a carry: falls generate it, rises stop it, everything else hands it on.
            # So one addition finds it for 64 pixels.
            passes = ~rises
            partial = passes + falls
            total = partial + carry
            fallen = passes ^ falls ^ total
            carry = np.uint64(partial < passes) | np.uint64(total < partial)
            cuts = rises & fallen
            while cuts:
                position = block + lowest_bit(cuts)
                cuts &= cuts - ONE
                end[count] = position
                count += 1
                start[count] = position
        end[count] = stride
        count += 1
    first[rows] = count
    for node in range(count):
        peak[node] = 0
    for row in range(rows):
        base = MARGIN + row * stride
        for node in range(first[row], first[row + 1]):
            low, high = start[node], end[node]
            best = np.uint8(0)
            for block in range(low // 64 * 64, high, 64):
                value = masked_maximum(values, base + block, span(low, high, block))
                if value > best:
                    best = value
            peak[node] = best
    return count


@jit
def find(parent, node):
    """Root of a node; halves the path on its way."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@jit
def _contact8(values, top, bottom, a, b, c, d):
    best = np.uint8(0)
    low, high = max(a, c - 1), min(b, d + 1)
    for block in range(low // 64 * 64, high, 64):
        straight = span(max(a, c), min(b, d), block)
        left = span(max(a, c + 1), min(b, d + 1), block)
        right = span(max(a, c - 1), min(b, d - 1), block)
        value = touching_maximum8(values, top + block, bottom + block, straight, left, right)
        if value > best:
            best = value
    return best


@jit
def _contact4(values, top, bottom, a, b, c, d):
    best = np.uint8(0)
    low, high = max(a, c), min(b, d)
    for block in range(low // 64 * 64, high, 64):
        value = touching_maximum4(values, top + block, bottom + block, span(low, high, block))
        if value > best:
            best = value
    return best


@jit
def link(values, rows, stride, eight, first, start, end, peak, parent, summit, edges, edge_level):
    """Contract what is joined for life into `parent`; write the other edges (n, 2) and their levels; give n.

    `eight`: diagonal neighbours touch too (foreground); otherwise only the four direct ones (background).
    """
    for node in range(first[rows]):
        parent[node] = node
        summit[node] = peak[node]
    count = 0
    for row in range(rows):
        top = MARGIN + row * stride
        for node in range(first[row] + 1, first[row + 1]):
            level = values[top + start[node] - 1]
            if level > 0:
                edges[count, 0], edges[count, 1], edge_level[count] = node - 1, node, level
                count += 1
        if row + 1 == rows:
            break
        bottom = top + stride
        i, j = first[row], first[row + 1]
        i_end, j_end = first[row + 1], first[row + 2]
        corner = 0  # after two intervals that end together: their right neighbours touch across the corner
        while i < i_end and j < j_end:
            upper, lower = i, j
            if corner == 0:
                if end[i] < end[j]:
                    i += 1
                elif end[j] < end[i]:
                    j += 1
                elif eight and i + 1 < i_end and j + 1 < j_end:
                    corner = 1
                else:
                    i += 1
                    j += 1
            elif corner == 1:
                lower, corner = j + 1, 2
            else:
                upper, corner = i + 1, 0
                i += 1
                j += 1
            floor = min(peak[upper], peak[lower])
            if floor == 0:
                continue
            a, b, c, d = start[upper], end[upper], start[lower], end[lower]
            level = _contact8(values, top, bottom, a, b, c, d) if eight else _contact4(values, top, bottom, a, b, c, d)
            if level == floor:
                u, v = find(parent, upper), find(parent, lower)
                if u == v:
                    continue
                # The class, not the interval, must live no longer: else two peaks would be joined through a saddle.
                if level == min(summit[u], summit[v]):
                    u, v = min(u, v), max(u, v)
                    summit[u] = max(summit[u], summit[v])
                    parent[v] = u
                    continue
            if level > 0:
                edges[count, 0], edges[count, 1], edge_level[count] = upper, lower, level
                count += 1
    return count


@jit
def number_classes(n_nodes, peak, parent, label, class_peak):
    """label (n_nodes,): class of each interval, -1 where it is zero throughout. class_peak: maxima. Gives their number.

    Numbers follow the raster order of a class's first interval, so the frame of a background map is class 0.
    """
    count = 0
    for node in range(n_nodes):
        if peak[node] == 0:
            label[node] = -1
            continue
        root = find(parent, node)
        if root == node:
            label[node] = count
            class_peak[count] = peak[node]
            count += 1
        else:
            label[node] = label[root]
            if peak[node] > class_peak[label[node]]:
                class_peak[label[node]] = peak[node]
    return count
