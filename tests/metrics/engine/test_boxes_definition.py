"""Engine and oracle against the definition itself, without OpenCV: flood fill, polygon area by 2 x 2 blocks, ties.

The rules are those of wsol.metrics.oracle's docstring; nothing here traces a contour.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsol.metrics.engine import best_iou
from wsol.metrics.levels import quantise
from wsol.metrics.oracle import best_iou as oracle_best_iou
from wsol.testing.map_kinds import ADVERSARIAL, adversarial_maps, as_scores

FOUR = ((-1, 0), (0, -1), (0, 1), (1, 0))
EIGHT = (*FOUR, (-1, -1), (-1, 1), (1, -1), (1, 1))
Pixels = set[tuple[int, int]]
Box = tuple[int, int, int, int]


def regions(mask: np.ndarray, neighbours: tuple[tuple[int, int], ...]) -> list[Pixels]:
    """Connected sets of True pixels, by their first pixel in raster order."""
    seen: Pixels = set()
    result = []
    for start in itertools.product(*map(range, mask.shape)):
        if not mask[start] or start in seen:
            continue
        region, front = {start}, [start]
        while front:
            y, x = front.pop()
            for dy, dx in neighbours:
                near = (y + dy, x + dx)
                inside = 0 <= near[0] < mask.shape[0] and 0 <= near[1] < mask.shape[1]
                if inside and mask[near] and near not in region:
                    region.add(near)
                    front.append(near)
        seen |= region
        result.append(region)
    return result


def box_of(region: Pixels, grow: int, shape: tuple[int, ...], corners: str) -> Box:
    """`region` in coordinates of a picture with a frame of one pixel around it."""
    rows, columns = [y - 1 for y, _ in region], [x - 1 for _, x in region]
    beyond = 1 if corners == "exclusive" else 0
    right, bottom = max(columns) + grow + beyond, max(rows) + grow + beyond
    return min(columns) - grow, min(rows) - grow, min(right, shape[1] - 1), min(bottom, shape[0] - 1)


def twice_area(region: Pixels) -> int:
    """Twice the area of the polygon through the centres of a region without holes: 2 for 2 x 2 pixels, 1 for three."""
    corners = {(y + dy, x + dx) for y, x in region for dy in (-1, 0) for dx in (-1, 0)}
    full = [sum((y + dy, x + dx) in region for dy in (0, 1) for dx in (0, 1)) for y, x in corners]
    return 2 * full.count(4) + full.count(3)


def proposals(mask: np.ndarray, corners: str) -> dict[str, list[Box]]:
    if not mask.any():
        return {rule: [(0, 0, 0, 0)] for rule in ("all", "largest", "external")}
    framed = np.pad(mask, 1)
    background = regions(~framed, FOUR)  # the first is the one around the picture
    outside = background[0]
    components = regions(framed, EIGHT)
    boxes = [box_of(region, 0, mask.shape, corners) for region in components]
    holes = [box_of(region, 1, mask.shape, corners) for region in background[1:]]
    outermost, ranked = [], []
    for region, box in zip(components, boxes, strict=True):
        first = min(region)
        if (first[0], first[1] - 1) in outside:
            outermost.append(box)
        alone = np.ones(framed.shape, dtype=bool)
        alone[tuple(np.array(sorted(region)).T)] = False
        around = regions(alone, FOUR)[0]
        filled = {pixel for pixel in itertools.product(*map(range, framed.shape)) if pixel not in around}
        ranked.append((twice_area(filled), first, box))
    return {"all": boxes + holes, "largest": [max(ranked)[2]], "external": outermost}


def overlap(a: Box, b: np.ndarray) -> float:
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]) + 1)
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]) + 1)
    areas = (a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1)
    return width * height / (areas - width * height)


def by_definition(grey: np.ndarray, truth: np.ndarray, corners: str) -> np.ndarray:
    """(3, 256) best IoU with all, the largest and the external contours, each distinct cut once."""
    result = np.empty((3, 256))
    known: dict[bytes, list[float]] = {}
    for level in range(256):
        mask = grey > level
        if mask.tobytes() not in known:
            boxes = proposals(mask, corners)
            known[mask.tobytes()] = [
                max(overlap(box, other) for box in boxes[rule] for other in truth)
                for rule in ("all", "largest", "external")
            ]
        result[:, level] = known[mask.tobytes()]
    return result


def check(grey: np.ndarray, truth: np.ndarray) -> None:
    rules = ("all", "largest", "external")
    for corners in ("exclusive", "inclusive"):
        expected = by_definition(grey, truth, corners)
        found = {
            "oracle": oracle_best_iou(grey, truth, rules, corners),
            "engine": best_iou(as_scores(grey)[None], [truth], rules, corners).values[:, 0],
        }
        for name, values in found.items():
            if not np.array_equal(values, expected):
                row, level = (int(index[0]) for index in np.nonzero(values != expected))
                raise AssertionError(
                    f"{name}, {rules[row]}, {corners}, level {level}: expected {expected[row, level]} from "
                    f"{proposals(grey > level, corners)[rules[row]]}, got {values[row, level]}\n"
                    f"grey = np.array({grey.tolist()}, dtype=np.uint8); boxes = {truth.tolist()}"
                )


def some_truth(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    x, y = np.sort(random.integers(0, shape[1], (2, 2))), np.sort(random.integers(0, shape[0], (2, 2)))
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1).astype(np.float64)[: random.integers(1, 3)]


@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_made_up_maps(kind):
    random = np.random.default_rng(1)
    for size in ((3, 5), (7, 6), (9, 9)):
        for grey in quantise(adversarial_maps(kind, 2, size, seed=2)):
            check(grey, some_truth(grey.shape, random))


@settings(deadline=None, max_examples=120)
@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 8), st.integers(1, 8)),
        elements=st.sampled_from([0, 1, 100, 254, 255]),
    ),
    st.integers(0, 1000),
)
def test_any_small_map(grey, seed):
    check(grey, some_truth(grey.shape, np.random.default_rng(seed)))


@pytest.mark.parametrize("shape", [(3, 3), (2, 4)])
def test_every_binary_map_of_a_shape(shape):
    random = np.random.default_rng(0)
    size = shape[0] * shape[1]
    greys = np.array([[255 * (code >> bit & 1) for bit in range(size)] for code in range(2**size)], dtype=np.uint8)
    truths = [some_truth(shape, random) for _ in greys]
    values, _ = best_iou(as_scores(greys.reshape(-1, *shape)), truths, ("all", "largest", "external"))
    for code, (grey, truth) in enumerate(zip(greys.reshape(-1, *shape), truths, strict=True)):
        boxes = proposals(grey > 0, "exclusive")
        expected = [max(overlap(box, t) for box in found for t in truth) for found in boxes.values()]
        order = [list(boxes).index(rule) for rule in ("all", "largest", "external")]
        assert values[:, code, 0].tolist() == [expected[i] for i in order], (grey.tolist(), truth.tolist())


def test_the_protocols_golden_example():
    """A ring with a peak and a corner pixel; the boxes printed in the protocol's notes."""
    score = np.zeros((8, 8))
    score[1:7, 1:7], score[3:5, 3:5], score[2, 5], score[7, 0] = 0.6, 0.2, 1.0, 0.45
    grey = quantise(score)
    expected = {
        0.0: ((0, 1, 7, 7), set()),
        0.1: ((0, 1, 7, 7), set()),
        0.3: ((0, 1, 7, 7), {(2, 2, 6, 6)}),
        0.5: ((1, 1, 7, 7), {(2, 2, 6, 6)}),
        0.7: ((5, 2, 6, 3), set()),
        0.99: ((5, 2, 6, 3), set()),
    }
    for threshold, (largest, others) in expected.items():
        boxes = proposals(grey > int(threshold * 255), "exclusive")
        assert boxes["largest"] == [largest]
        assert set(boxes["all"]) == {largest} | others
    check(grey, np.array([[2.0, 2, 6, 6], [5, 2, 6, 3]]))
