"""The loops of `series`, compiled: long inner ones over arrays in a row, which become vector instructions."""

from __future__ import annotations

from typing import Any

import numpy as np

from wsol.jit import fast_jit, jit

WIDTH = 6
_AT_ONCE = 4
_CHUNK = 1024


@jit
def place(points: Any, shape: Any, table: Any) -> Any:  # pragma: no cover - compiled
    """First node (N,) of each point's window, its weights (N, 3, 6), and the pixels (N,) by that node."""
    pixels = points.shape[1]
    nodes = np.empty(pixels, dtype=np.int64)
    weights = np.empty((pixels, 3, WIDTH), dtype=np.float32)
    steps = np.float32(table.shape[0] - 2)
    for pixel in range(pixels):
        node = 0
        for axis in range(3):
            floor = np.floor(points[axis, pixel])
            position = (points[axis, pixel] - floor) * steps
            entry = int(position)
            part = position - np.float32(entry)
            for k in range(WIDTH):
                low, high = table[entry, k], table[entry + 1, k]
                weights[pixel, axis, k] = low + part * (high - low)
            node = node * shape[axis] + int(floor) - (WIDTH // 2 - 1)
        nodes[pixel] = node
    counts = np.zeros(shape[0] * shape[1] * shape[2] + 1, dtype=np.int64)
    for pixel in range(pixels):
        counts[nodes[pixel] + 1] += 1
    for node in range(1, counts.size):
        counts[node] += counts[node - 1]
    order = np.empty(pixels, dtype=np.int64)
    for pixel in range(pixels):
        order[counts[nodes[pixel]]] = pixel
        counts[nodes[pixel]] += 1
    return nodes, weights, order


@fast_jit
def spread(
    pair: Any, columns: Any, rows: Any, nodes: Any, weights: Any, order: Any, shape: Any
) -> Any:  # pragma: no cover - compiled
    """Values (n0, n1, n2, 2 M) of the grid from one or two channels (C, N) times the modes."""
    modes, across = columns.shape[1], columns.shape[0]
    width = 2 * modes
    grid = np.zeros(shape[0] * shape[1] * shape[2] * width, dtype=np.float32)
    lines = np.empty((_AT_ONCE, WIDTH * width), dtype=np.float32)
    second = pair.shape[0] - 1
    at = 0
    while at < order.size:
        pixel = order[at]
        here = 1
        while here < _AT_ONCE and at + here < order.size and nodes[order[at + here]] == nodes[pixel]:
            here += 1
        for k in range(here):
            one = order[at + k]
            column, row, line = columns[one % across], rows[one // across], lines[k]
            first_value, second_value = pair[0, one], pair[second, one]
            for step in range(WIDTH):
                weight = weights[one, 2, step]
                first_line = line[step * width : step * width + modes]
                second_line = line[step * width + modes : (step + 1) * width]
                for mode in range(modes):
                    first_line[mode] = column[mode] * row[mode] * (weight * first_value)
                for mode in range(modes):
                    second_line[mode] = column[mode] * row[mode] * (weight * second_value)
        for i in range(WIDTH):
            for j in range(WIDTH):
                start = (nodes[pixel] + (i * shape[1] + j) * shape[2]) * width
                into = grid[start : start + WIDTH * width]
                if here == _AT_ONCE:
                    a = weights[order[at], 0, i] * weights[order[at], 1, j]
                    b = weights[order[at + 1], 0, i] * weights[order[at + 1], 1, j]
                    c = weights[order[at + 2], 0, i] * weights[order[at + 2], 1, j]
                    d = weights[order[at + 3], 0, i] * weights[order[at + 3], 1, j]
                    for k in range(into.size):
                        into[k] += a * lines[0, k] + b * lines[1, k] + c * lines[2, k] + d * lines[3, k]
                else:
                    for one in range(here):
                        a = weights[order[at + one], 0, i] * weights[order[at + one], 1, j]
                        line = lines[one]
                        for k in range(into.size):
                            into[k] += a * line[k]
        at += here
    return grid.reshape((shape[0], shape[1], shape[2], width))


@fast_jit
def convolve(grid: Any, taps: Any) -> Any:  # pragma: no cover - compiled
    """The grid after a convolution with the symmetric taps along each of its three axes, in place."""
    first, second, third, width = grid.shape
    flat = grid.reshape(grid.size)
    _along(flat, 1, first, second * third * width, taps)
    _along(flat, first, second, third * width, taps)
    _along(flat, first * second, third, width, taps)
    return grid


@fast_jit
def _along(flat: Any, outer: Any, count: Any, inner: Any, taps: Any) -> None:  # pragma: no cover - compiled
    """Of an array (outer, count, inner), along the middle."""
    reach = taps.size - 1
    chunk = min(inner, _CHUNK)
    line = np.zeros((count + 2 * reach, chunk), dtype=np.float32)
    for block in range(outer):
        for start in range(0, inner, chunk):
            size = min(chunk, inner - start)
            begin = block * count * inner + start
            busy = False
            for k in range(count):
                source, target = flat[begin + k * inner : begin + k * inner + size], line[reach + k]
                total = np.float32(0)
                for m in range(size):
                    target[m] = source[m]
                    total += abs(source[m])
                if total > 0:
                    busy = True
            if not busy:
                continue
            for k in range(count):
                target = flat[begin + k * inner : begin + k * inner + size]
                middle = line[reach + k]
                for m in range(size):
                    target[m] = taps[0] * middle[m]
                for d in range(1, reach + 1, 2):
                    a, b = taps[d], taps[d + 1]
                    l1, r1 = line[reach + k - d], line[reach + k + d]
                    l2, r2 = line[reach + k - d - 1], line[reach + k + d + 1]
                    for m in range(size):
                        target[m] += a * (l1[m] + r1[m]) + b * (l2[m] + r2[m])


@fast_jit
def collect(
    grid: Any, columns: Any, rows: Any, nodes: Any, weights: Any, order: Any, into: Any
) -> None:  # pragma: no cover - compiled
    """Values of the pixels, (C, N) with one or two channels."""
    modes, across = columns.shape[1], columns.shape[0]
    _, second, third, width = grid.shape
    flat = grid.reshape(grid.size)
    line = np.empty(WIDTH * width, dtype=np.float32)
    total = np.empty(width, dtype=np.float32)
    size = line.size
    for at in range(order.size):
        pixel = order[at]
        near = weights[pixel, 1]
        for i in range(WIDTH):
            start = (nodes[pixel] + i * second * third) * width
            step = third * width
            g0, g1 = flat[start : start + size], flat[start + step : start + step + size]
            g2, g3 = flat[start + 2 * step : start + 2 * step + size], flat[start + 3 * step : start + 3 * step + size]
            g4, g5 = flat[start + 4 * step : start + 4 * step + size], flat[start + 5 * step : start + 5 * step + size]
            w = weights[pixel, 0, i]
            a, b, c, d, e, f = w * near[0], w * near[1], w * near[2], w * near[3], w * near[4], w * near[5]
            if i == 0:
                for k in range(size):
                    line[k] = a * g0[k] + b * g1[k] + c * g2[k] + d * g3[k] + e * g4[k] + f * g5[k]
            else:
                for k in range(size):
                    line[k] += a * g0[k] + b * g1[k] + c * g2[k] + d * g3[k] + e * g4[k] + f * g5[k]
        column, row = columns[pixel % across], rows[pixel // across]
        far = weights[pixel, 2]
        a, b, c, d, e, f = far[0], far[1], far[2], far[3], far[4], far[5]
        g0, g1, g2 = line[:width], line[width : 2 * width], line[2 * width : 3 * width]
        g3, g4, g5 = line[3 * width : 4 * width], line[4 * width : 5 * width], line[5 * width :]
        for k in range(width):
            total[k] = a * g0[k] + b * g1[k] + c * g2[k] + d * g3[k] + e * g4[k] + f * g5[k]
        one, two = np.float32(0), np.float32(0)
        for mode in range(modes):
            one += column[mode] * row[mode] * total[mode]
            two += column[mode] * row[mode] * total[modes + mode]
        into[into.shape[0] - 1, pixel] = two
        into[0, pixel] = one
