"""Which classes of a map merge at which grey level: a maximum spanning forest by Kruskal's algorithm."""

from __future__ import annotations

import numpy as np

from wsol.jit import jit
from wsol.metrics.engine.cpu.intervals import find
from wsol.metrics.levels import LEVELS

NOBODY = -1


@jit
def merge_classes(n_edges, edges, edge_level, label, n_classes, frame, parent, order, merges, merge_level):
    """True merges from the highest level down: merges (n, 2) of (class that stays, class that goes), and n.

    Each of the two stands for all that was merged into it before. `frame` is a class that always stays, or -1.
    order (n_edges,) and parent (n_classes,) are scratch.
    """
    kept = 0
    counts = np.zeros(LEVELS + 1, dtype=np.int64)
    for edge in range(n_edges):
        u, v = label[edges[edge, 0]], label[edges[edge, 1]]
        if u != v:
            edges[kept, 0], edges[kept, 1], edge_level[kept] = u, v, edge_level[edge]
            counts[LEVELS - 1 - edge_level[kept]] += 1
            kept += 1
    position = 0
    for level in range(LEVELS):
        position, counts[level] = position + counts[level], position
    for edge in range(kept):
        bucket = LEVELS - 1 - edge_level[edge]
        order[counts[bucket]] = edge
        counts[bucket] += 1
    for node in range(n_classes):
        parent[node] = node
    n_merges = 0
    for rank in range(kept):
        edge = order[rank]
        stays, goes = find(parent, edges[edge, 0]), find(parent, edges[edge, 1])
        if stays == goes:
            continue
        if goes == frame:
            stays, goes = goes, stays
        parent[goes] = stays
        merges[n_merges, 0], merges[n_merges, 1], merge_level[n_merges] = stays, goes, edge_level[edge]
        n_merges += 1
    return n_merges


@jit
def live_components(n_classes, class_peak, n_merges, merge_level, live):
    """live (256,): number of components of {value > t}."""
    live[:] = 0
    for node in range(n_classes):
        live[class_peak[node]] -= 1
    for merge in range(n_merges):
        live[merge_level[merge]] += 1
    count = n_classes - n_merges
    for level in range(LEVELS):
        count, live[level] = count + live[level], count + live[level]


@jit
def climb(n_classes, n_merges, merges, merge_level, ancestor, ancestor_level):
    """The merges as a forest: ancestor and ancestor_level of n_classes leaves and n_merges inner nodes, -1 for a root.

    Inner node n_classes + i is merge i.
    """
    top = np.arange(n_classes)
    for node in range(n_classes + n_merges):
        ancestor[node] = NOBODY
    for merge in range(n_merges):
        for side in range(2):
            child = top[merges[merge, side]]
            ancestor[child] = n_classes + merge
            ancestor_level[child] = merge_level[merge]
        top[merges[merge, 0]] = n_classes + merge


@jit
def component_at(node, level, ancestor, ancestor_level):
    """The forest's node that stands for the component of {value > level} with this class."""
    while ancestor[node] != NOBODY and ancestor_level[node] > level:
        node = ancestor[node]
    return node


@jit
def death_levels(n_classes, frame, n_merges, merges, merge_level, death):
    """death (n_classes,): the level at which each class's component joins the frame's; 0 if it never does."""
    death[:n_classes] = 0
    via = np.full(n_classes, NOBODY)
    for merge in range(n_merges):
        stays, goes = merges[merge, 0], merges[merge, 1]
        if stays == frame:
            death[goes] = merge_level[merge]
        else:
            via[goes] = stays
    # A class went into one that stayed longer, which may have gone into another later: follow until the frame.
    for merge in range(n_merges - 1, -1, -1):
        goes = merges[merge, 1]
        if via[goes] != NOBODY:
            death[goes] = death[via[goes]]
