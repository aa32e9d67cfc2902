from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsol.errors import ParameterError
from wsol.metrics.iou import iou_matrix
from wsol.metrics.levels import level_index, threshold_grid
from wsol.metrics.oracle import EMPTY_BOX, best_iou, boxes_above, boxes_at, level_boxes

small_greys = arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0, 1, 2, 50, 51, 100, 200, 254, 255]),
)
small_masks = arrays(np.uint8, st.tuples(st.integers(1, 10), st.integers(1, 10)), elements=st.sampled_from([0, 255]))


@pytest.fixture
def golden_map() -> np.ndarray:
    """The 8 x 8 example of the protocol: a ring with a peak, and a corner pixel."""
    score = np.zeros((8, 8))
    score[1:7, 1:7] = 0.6
    score[3:5, 3:5] = 0.2
    score[2, 5] = 1.0
    score[7, 0] = 0.45
    return score


@pytest.mark.parametrize(
    ("threshold", "largest", "others"),
    [
        (0.0, (0, 1, 7, 7), set()),
        (0.1, (0, 1, 7, 7), set()),
        (0.3, (0, 1, 7, 7), {(2, 2, 6, 6)}),
        (0.5, (1, 1, 7, 7), {(2, 2, 6, 6)}),
        (0.7, (5, 2, 6, 3), set()),
        (0.99, (5, 2, 6, 3), set()),
    ],
)
def test_golden_example(golden_map, threshold, largest, others):
    assert boxes_at(golden_map, threshold, "largest") == [largest]
    assert set(boxes_at(golden_map, threshold, "all")) == {largest} | others


@pytest.mark.parametrize("maximum", [50, 100, 200])
def test_float_traps_decide_which_pixels_are_foreground(maximum):
    trap = {50: 580, 100: 290, 200: 145}[maximum]
    exact = trap * maximum // 1000
    grey = np.zeros((6, 6), dtype=np.uint8)
    grey[0, 0] = maximum
    grey[3:5, 3:5] = exact
    levels, position = level_boxes(grey), level_index(threshold_grid(1000), maximum)
    boxes = levels[position[trap]].all
    assert (3, 3, 5, 5) in boxes  # a level of `exact` would leave the second blob out
    assert (3, 3, 5, 5) not in levels[position[trap + 1]].all


def slow_boxes(grey: np.ndarray, threshold: float) -> tuple[list, tuple]:
    """One threshold at a time, no level cache."""
    level = int(threshold * np.max(grey))
    mask = (grey.astype(int) > level).astype(np.uint8)
    contours = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
    if not contours:
        return [(0, 0, 0, 0)], (0, 0, 0, 0)

    def clipped(contour):
        x, y, w, h = cv2.boundingRect(contour)
        return x, y, min(x + w, grey.shape[1] - 1), min(y + h, grey.shape[0] - 1)

    return [clipped(c) for c in contours], clipped(max(contours, key=cv2.contourArea))


@settings(deadline=None, max_examples=60)
@given(small_greys)
def test_each_threshold_gives_what_it_gives_alone(grey):
    grid = np.concatenate([threshold_grid(40), [1.0, 1.5, 0.3, 0.3]])
    levels = level_boxes(grey)
    for threshold, position in zip(grid, level_index(grid, int(grey.max())), strict=True):
        everything, largest = slow_boxes(grey, threshold)
        assert levels[position].all == everything
        assert levels[position].largest == largest


def test_distinct_masks_are_computed_once():
    grey = np.zeros((5, 5), dtype=np.uint8)
    grey[1:4, 1:4] = 100
    grey[2, 2] = 200
    levels = level_boxes(grey)
    assert len(levels) == 256
    assert len({id(boxes) for boxes in levels}) == 3  # below 100, below 200, and the empty cut
    assert [boxes.all == [EMPTY_BOX] for boxes in levels] == [level >= 200 for level in range(256)]
    assert len({id(boxes) for boxes in level_boxes(np.zeros((5, 5), dtype=np.uint8))}) == 1


@settings(deadline=None, max_examples=40)
@given(small_greys, st.sampled_from(["exclusive", "inclusive"]))
def test_best_iou_is_the_best_of_all_pairs_at_each_level(grey, corners):
    truth = [[0, 0, grey.shape[1] - 1, grey.shape[0] // 2], [0, 0, 0, 0]]
    found = best_iou(grey, truth, ("external", "all", "largest"), corners)
    assert found.shape == (3, 256)
    for level in sorted({0, 254, 255, *np.unique(grey).tolist()}):
        boxes = boxes_above(grey, level, corners)
        for row, rule in enumerate(("external", "all", "largest")):
            assert found[row, level] == iou_matrix(boxes.of(rule), truth).max()


def box_of(mask: np.ndarray, grow: int = 0) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    bottom, right = mask.shape[0] - 1, mask.shape[1] - 1
    return (
        int(columns[0] - grow),
        int(rows[0] - grow),
        int(min(columns[-1] + 1 + grow, right)),
        int(min(rows[-1] + 1 + grow, bottom)),
    )


def holes_of(mask: np.ndarray) -> list[np.ndarray]:
    """Background regions that a 4-connected walk from outside the picture cannot reach."""
    padded = np.pad(mask == 0, 1, constant_values=True).astype(np.uint8)
    count, labels = cv2.connectedComponents(padded, connectivity=4)
    return [(labels == i)[1:-1, 1:-1] for i in range(1, count) if i != labels[0, 0]]


@settings(deadline=None, max_examples=80)
@given(small_masks)
def test_box_set_equals_components_and_grown_holes(mask):
    """Oracle without contours: boxes of the 8-connected components, and of the holes grown by one pixel."""
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    expected = {box_of(labels == i) for i in range(1, count)} | {box_of(hole, grow=1) for hole in holes_of(mask)}
    assert set(boxes_above(mask, 0).all) == (expected or {EMPTY_BOX})


@settings(deadline=None, max_examples=80)
@given(small_masks)
def test_largest_contour_by_area_of_filled_components(mask):
    """Oracle without contours: area through pixel centres, holes filled; of equals the last in raster order."""
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    best, chosen = (-1.0, -1), EMPTY_BOX
    for i in range(1, count):
        component = labels == i
        filled = component | np.any([np.zeros_like(component), *holes_of(component)], axis=0)
        corners = filled[:-1, :-1].astype(int) + filled[:-1, 1:] + filled[1:, :-1] + filled[1:, 1:]
        area = (corners == 4).sum() + 0.5 * (corners == 3).sum()
        key = (float(area), int(np.flatnonzero(component)[0]))
        if key > best:
            best, chosen = key, box_of(component)
    assert boxes_above(mask, 0).largest == chosen


def draw(*rows: str) -> np.ndarray:
    return np.array([[255 if pixel == "#" else 0 for pixel in row] for row in rows], dtype=np.uint8)


@pytest.mark.parametrize(
    ("mask", "largest"),
    [
        (draw("#....", ".....", "...#."), (3, 2, 4, 2)),  # two pixels of area 0: the later one
        (draw("####.", ".....", "####."), (0, 2, 4, 2)),  # two lines of area 0
        (draw("##.##", "##.##", "....."), (3, 0, 4, 2)),  # equal blobs, one first row: the right-most start
        (draw(".#...", "#.#..", ".#.##"), (0, 0, 4, 2)),  # one-pixel ring with a tail ties with its hole: outer wins
    ],
)
def test_ties_of_area(mask, largest):
    assert boxes_above(mask, 0).largest == largest


def test_shapes_at_the_border_are_clipped_by_the_picture():
    full = np.full((4, 6), 255, dtype=np.uint8)
    assert boxes_above(full, 0).all == [(0, 0, 5, 3)]
    corner = np.zeros((4, 6), dtype=np.uint8)
    corner[3, 5] = 255
    assert boxes_above(corner, 0).all == [(5, 3, 5, 3)]
    assert boxes_above(np.full((1, 1), 255, dtype=np.uint8), 0).all == [(0, 0, 0, 0)]


def test_holes_open_diagonally_only_stay_holes_and_islands_propose_boxes():
    diagonal = draw("..#..", ".#.#.", "..#..")
    assert set(boxes_above(diagonal, 0).all) == {(1, 0, 4, 2)}  # ring and hole clip to the same box
    nested = draw("#######", "#.....#", "#.###.#", "#.#.#.#", "#.###.#", "#.....#", "#######", ".......")
    assert set(boxes_above(nested, 0).all) == {(0, 0, 6, 7), (2, 2, 5, 5)}


@settings(deadline=None, max_examples=60)
@given(small_masks)
def test_external_boxes_are_those_of_the_outermost_contours(mask):
    outer = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[-2]
    expected = [tuple(cv2.boundingRect(contour)) for contour in outer]
    found = boxes_above(mask, 0, "inclusive").external
    assert sorted(found) == (sorted((x, y, x + w - 1, y + h - 1) for x, y, w, h in expected) or [EMPTY_BOX])


@settings(deadline=None, max_examples=60)
@given(small_masks)
def test_inclusive_corners_lie_on_the_last_pixel(mask):
    """One less than the exclusive ones before these are clipped; no box leaves the picture."""
    height, width = mask.shape
    exclusive, inclusive = boxes_above(mask, 0), boxes_above(mask, 0, "inclusive")
    if not mask.any():
        assert inclusive.all == [EMPTY_BOX]
        return
    grown = [(x0, y0, min(x1 + 1, width - 1), min(y1 + 1, height - 1)) for x0, y0, x1, y1 in inclusive.all]
    assert grown == exclusive.all
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    for i in range(1, count):
        rows, columns = np.nonzero(labels == i)
        assert (columns.min(), rows.min(), columns.max(), rows.max()) in inclusive.all


def test_unknown_contour_rule():
    with pytest.raises(ParameterError, match="outer"):
        boxes_at(np.zeros((3, 3)), 0.5, "outer")
    with pytest.raises(ParameterError, match="half"):
        boxes_at(np.zeros((3, 3)), 0.5, "all", "half")
    with pytest.raises(ParameterError, match="half"):
        best_iou(np.zeros((3, 3), dtype=np.uint8), [[0, 0, 1, 1]], ("all",), "half")
    with pytest.raises(ParameterError, match="outer"):
        best_iou(np.zeros((3, 3), dtype=np.uint8), [[0, 0, 1, 1]], ("outer",))
