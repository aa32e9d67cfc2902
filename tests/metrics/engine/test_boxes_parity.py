"""The engine against the oracle, bit for bit: the edge cases by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from wsol.errors import DataError
from wsol.metrics.boxes import box_accuracy
from wsol.metrics.engine import best_iou
from wsol.metrics.levels import level_index, quantise, threshold_grid
from wsol.metrics.oracle import boxes_above
from wsol.testing.map_kinds import KINDS, adversarial_maps, as_scores, kind_maps
from wsol.testing.parity import RULES, first_difference, probe_boxes

CORNERS = ("exclusive", "inclusive")


def draw(*rows: str) -> np.ndarray:
    """Grey levels: . is 0, digits are 28 apart, # is 255."""
    return np.array(
        [[{".": 0, "#": 255}.get(c) or 28 * int(c.replace(".", "0")) for c in row] for row in rows], np.uint8
    )


def equal(score_maps: np.ndarray, boxes: Sequence[np.ndarray]) -> None:
    """Fails with the smallest reproducer unless engine and oracle agree under all rules and both corners."""
    for corners in CORNERS:
        difference = first_difference(best_iou, score_maps, boxes, RULES, corners)
        assert difference is None, difference


def check(*greys: np.ndarray) -> None:
    """Each map turned and mirrored, alone and upside down in grey, against several ground truths, in one batch."""
    random = np.random.default_rng(0)
    by_shape: dict[tuple[int, ...], tuple[list, list]] = {}
    for grey in greys:
        for turned in {a.tobytes() + bytes(a.shape[0]): a for a in symmetries(grey)}.values():
            maps, boxes = by_shape.setdefault(turned.shape, ([], []))
            maps += [turned] * 3
            boxes += [probe_boxes(turned, random) for _ in range(3)]
    for maps, boxes in by_shape.values():
        equal(as_scores(np.stack(maps)), boxes)


def symmetries(grey: np.ndarray) -> list[np.ndarray]:
    turned = [np.rot90(image, k) for image in (grey, grey[:, ::-1]) for k in range(4)]
    return [np.ascontiguousarray(image) for image in turned]


def largest(grey: np.ndarray, level: int) -> tuple[int, ...]:
    return boxes_above(grey, level, "inclusive").largest


# 1. Shapes and empty maps


def test_zero_faint_and_constant_maps():
    zero, faint, full = np.zeros((1, 5, 7)), np.full((1, 5, 7), 0.99 / 255), np.ones((1, 5, 7))
    for score_map in (zero, faint, full, np.full((1, 5, 7), 1 / 255), np.full((1, 5, 7), 0.4)):
        for truth in ([[0, 0, 0, 0]], [[0, 0, 6, 4]], [[3, 2, 4, 4]]):
            equal(score_map, [np.array(truth, dtype=float)])
    values, maximum = best_iou(np.concatenate([zero, faint]), [np.zeros((1, 4))] * 2)
    assert (values == 1).all() and maximum.tolist() == [0, 0]


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 2), (2, 1), (1, 9), (9, 1), (2, 2), (1, 64), (64, 1), (1, 256), (256, 1)]
)
def test_single_pixels_rows_and_columns(shape):
    for kind in ("noise", "binary", "few_levels", "constant"):
        greys = quantise(adversarial_maps(kind, 6, shape, seed=shape[1]))
        boxes = [probe_boxes(grey, np.random.default_rng(i)) for i, grey in enumerate(greys)]
        equal(as_scores(greys), boxes)


@pytest.mark.parametrize("width", [31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256])
def test_widths_around_machine_words_and_non_square_maps(width):
    for kind in ("few_levels", "stripes", "plateaus", "rings"):
        for shape in ((5, width), (width, 5)):
            greys = quantise(adversarial_maps(kind, 2, shape, seed=width))
            boxes = [probe_boxes(grey, np.random.default_rng(i)) for i, grey in enumerate(greys)]
            equal(as_scores(greys), boxes)


# 2. Maxima and thresholds (the thresholds themselves: test_released.py)


@pytest.mark.parametrize("maximum", [1, 2, 50, 100, 200, 254, 255])
def test_maxima_below_255_and_the_six_float_traps(maximum):
    """The levels at which the float64 product lies one below the exact one must be told apart from it."""
    traps = [(50, 580), (100, 290), (100, 580), (200, 145), (200, 290), (200, 580)]
    for top, position in traps:
        level = int(level_index(threshold_grid(1000), top)[position])
        assert level == position * top // 1000 - 1
        if top == maximum:
            grey = np.zeros((6, 6), dtype=np.uint8)
            grey[0, 0], grey[3:5, 3:5], grey[5, 0] = top, level + 1, level
            check(grey)
    check((quantise(adversarial_maps("smooth", 1, 9))[0].astype(int) * maximum // 255).astype(np.uint8))


# 3. Clamping


def test_components_and_holes_at_the_last_row_and_column():
    ring = draw("####", "#..#", "####")
    for top in range(3):
        for left in range(3):
            canvas = np.zeros((5, 6), dtype=np.uint8)
            canvas[top : top + 3, left : left + 4] = ring
            check(canvas)
    check(draw("......", ".....#"), draw(".....", ".....", "##..."), draw("....#", ".....", "....#"))


def test_single_pixel_in_the_last_column_has_a_box_of_no_width():
    grey = draw("....", "...#", "....")
    assert boxes_above(grey, 0).all == [(3, 1, 3, 2)]
    check(grey, draw("....", "....", "...#"), draw("#"))


# 4. Ties of area


@pytest.mark.parametrize(
    ("rows", "winner"),
    [
        (("#....", ".....", "...#."), (3, 2, 3, 2)),  # two single pixels: the later
        (("####.", ".....", "####."), (0, 2, 3, 2)),  # two lines, both of area 0
        (("##.##", "##.##", "....."), (3, 0, 4, 1)),  # one first row: the right-most start
        (("##...", "##...", "...##", "...##"), (3, 2, 4, 3)),
        (("##.##.##", "##.##.##"), (6, 0, 7, 1)),  # three of the same
        (("..#..##", ".##..##"), (5, 0, 6, 1)),
        (("##.###", "##....", "....#."), (0, 0, 1, 1)),  # lines and points against a square: no tie
    ],
)
def test_ties_go_to_the_component_that_starts_last(rows, winner):
    grey = draw(*rows)
    assert largest(grey, 0) == winner
    check(grey)


def test_a_tie_flips_when_the_best_grows_without_gaining_area():
    """At the lower level a pixel above one square touches it by a corner: it now starts first, so the other wins."""
    grey = draw("....5..", "##...##", "##...##")
    assert largest(grey, 28 * 5) == (5, 1, 6, 2)
    assert largest(grey, 0) == (0, 1, 1, 2)
    check(grey, draw("##...##", "##...##", "....5.."), draw("....5....", "##...##..", "##...##.5", ".......5."))
    # The rival starts in the same row as the grown one did, and a third ties as well.
    check(draw("........5", "##.##.##.", "##.##.##."), draw("..5.....", "##.##.##", "##.##.##", "..3....."))


def test_ties_that_last_over_many_levels_and_end_by_merging():
    check(
        draw("9.8.7.6.5"),
        draw("99.88.77", "99.88.77", "........"),
        draw("9922288", "9922288", "1111111", "7722266", "7722266"),
    )
    check(draw("##1##", "##1##", "11111", "##1##", "##1##"), draw("#.#", ".1.", "#.#"))


# 5. A hole as large as the contour around it


def test_one_pixel_diamond_ring_with_a_tail():
    grey = draw(".#....", "#.#...", ".#.###", "......")
    assert largest(grey, 0) == (0, 0, 5, 2)
    assert (0, 0, 2, 2) in boxes_above(grey, 0, "inclusive").all
    check(grey, draw("..9....", ".9.9...", "9.3.944", ".9.9...", "..9...."), draw(".#..#.", "#.##.#", ".#..#."))
    check(draw(".#....#.", "#.####.#", ".#....#."), draw(".5...9.", "5.5.9.9", ".5...9."))


# 6. Holes


@pytest.mark.parametrize(
    "rows",
    [
        ("###", "#.#", "###"),  # one pixel
        ("###", "#.#", "#.#"),  # reaches the border: none
        ("#.#", "###", "###"),
        (".#.", "#.#", ".#."),  # diagonal to the outside: still one
        ("#.##", ".#.#", "####"),  # the corner pixel is outside, the other not
        ("#####", "#.###", "##.##", "#####"),  # two touch by a corner: two holes
        ("#####", "#..##", "##..#", "#####"),  # joined by a side: one
        ("#####", "#.#.#", "##.##", "#.#.#", "#####"),
        ("#######", "#.....#", "#.###.#", "#.#.#.#", "#.###.#", "#.....#", "#######"),  # island in a hole, with a hole
    ],
)
def test_holes(rows):
    grey = draw(*rows)
    check(grey, np.pad(grey, 1), np.pad(grey, ((0, 2), (1, 0))))


def test_holes_open_at_other_levels():
    check(draw("9979", "9..9", "9999"), draw("9999", "9.59", "9999"), draw("99999", "9.5.9", "99999"))
    check(draw("99899", "91219", "99399", "91219", "99499"), draw("88888", "81118", "81918", "81118", "88888"))


def test_a_hole_closed_up_to_the_level_below_the_maximum():
    grey = np.full((5, 5), 255, dtype=np.uint8)
    grey[2, 2] = 254
    assert (1, 1, 3, 3) in boxes_above(grey, 254, "inclusive").all
    check(grey, np.where(grey == 255, 7, 6).astype(np.uint8), np.where(grey == 255, 1, 0).astype(np.uint8))


def test_islands_in_holes_in_islands():
    size = 13
    y, x = np.mgrid[:size, :size]
    square, diamond = np.maximum(abs(y - 6), abs(x - 6)), abs(y - 6) + abs(x - 6)
    for distance in (square, diamond):
        check(
            np.where(distance % 2 == 0, 200, 10).astype(np.uint8), np.where(distance % 2 == 1, 200, 10).astype(np.uint8)
        )
        check(
            (20 * (distance % 2) + 10 * distance).astype(np.uint8),
            (200 - 10 * distance * (distance % 2)).astype(np.uint8),
        )


# 7. Merges


def test_three_or_more_components_merge_at_one_level():
    check(draw("9.8.7", "55555"), draw("9.8.7", "..5.."), draw("9.9", ".5.", "9.9"), draw("9.8.7.6.9", "222222222"))
    check(draw("9393939", "3333333", "9393939"), draw("..9..", "..5..", "95559", "..5..", "..9.."))


def test_a_plateau_is_born_where_it_merges():
    check(
        draw("9555."),
        draw("955559"),
        draw("9.555.9", "9955599"),
        draw("95.59", ".555."),
        draw("55555", "59595", "55555"),
    )


def test_a_merged_component_merges_again_at_the_same_level():
    check(draw("9.8.7.6", "5......", "5555555"), draw("9585756"), draw("9.8..7.6", ".5....5.", "..5555.."))
    check(draw("9.9.9.9.9.9.9.9", ".5.5.5.5.5.5.5."), draw("9..9", ".55.", ".55.", "9..9"))


def test_holes_merge():
    check(
        draw("99999", "91219", "99999"), draw("9999999", "9121319", "9999999"), draw("99999", "91919", "92229", "99999")
    )
    check(
        draw("999999", "915519", "999999", "913319", "999999"),
        draw("9999999", "9151519", "9555559", "9151519", "9999999"),
    )
    check(
        draw("99999", "91919", "99299", "91919", "99999"), draw("9999999", "9151639", "9951999", "9161599", "9999999")
    )


# 8. Plateaus, valleys, and the shapes that fill every buffer


def test_plateaus_valleys_zero_background_and_clipped_tops():
    check(
        draw("55555", "22222", "55555"), draw("00000", "99999", "00000"), draw("5.5.5", "5.5.5"), draw("2222", "2222")
    )
    check(draw("123454321", "123444321", "111111111"), draw("##9##", "#####", ".....", "##9##"), draw("543212345"))


@pytest.mark.parametrize("size", [2, 3, 8, 33])
def test_checkerboards_fill_the_tree_to_its_capacity(size):
    y, x = np.mgrid[:size, :size]
    board = ((y + x) % 2).astype(np.uint8)
    noise = np.random.default_rng(0).integers(1, 200, board.shape).astype(np.uint8)
    for grey in (
        255 * board,
        board,
        50 + 100 * board,
        noise + 50 * board,
        np.where(board, 255, noise).astype(np.uint8),
    ):
        boxes = [probe_boxes(grey, np.random.default_rng(i)) for i in range(2)]
        equal(as_scores(np.stack([grey, grey])), boxes)


@pytest.mark.parametrize("kind", ["spiral", "noise", "checkerboard", "rings", "islands", "comb", "diamonds", "binary"])
@pytest.mark.parametrize("size", [17, 48, (12, 130)])
def test_large_shapes_that_break_algorithms(kind, size):
    score_maps = adversarial_maps(kind, 2, size, seed=5)
    boxes = [probe_boxes(quantise(one), np.random.default_rng(i)) for i, one in enumerate(score_maps)]
    equal(score_maps, boxes)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "white224"])
def test_attribution_maps_of_the_papers_size(kind):
    score_maps = kind_maps(kind, 1 if kind == "gradlike" else 2, 224, seed=3)
    boxes = [np.array([[30.0, 40, 150, 190]]), np.array([[0.0, 0, 223, 223], [100, 100, 120, 140]])][: len(score_maps)]
    equal(score_maps, boxes)


def test_pixel_noise_of_the_papers_size():
    difference = first_difference(best_iou, kind_maps("white224", 1), [np.array([[60.0, 50, 170, 180]])])
    assert difference is None, difference


# 9. Ground truth


def test_ground_truth_of_every_kind():
    grey = quantise(adversarial_maps("islands", 1, 12, seed=1))[0]
    truths = [
        [[2, 3, 8, 9], [0, 0, 1, 1], [5, 5, 11, 11]],
        [[3, 3, 3, 3]],
        [[0, 0, 0, 0]],
        [[11, 11, 11, 11]],
        [[4, 2, 4, 9], [2, 4, 9, 4]],
        [[5, 5, 400, 300]],
        [[0, 0, 12, 12]],
        [[0, 0, 10_000, 10_000]],
        [[1, 1, 9, 9]] * 40,
    ]
    equal(as_scores(np.repeat(grey[None], len(truths), axis=0)), [np.array(truth, dtype=float) for truth in truths])


def test_fractions_of_a_pixel_in_ground_truth():
    random = np.random.default_rng(0)
    score_maps = adversarial_maps("blocks", 8, 10, seed=2)
    corners = np.sort(random.uniform(0, 9, (8, 2, 2)), axis=1).reshape(8, 1, 4)
    equal(score_maps, list(corners))
    equal(score_maps, list(np.round(4 * corners) / 4))


def test_iou_of_exactly_three_five_and_seven_tenths():
    score = np.zeros((1, 20, 20))
    score[0, 0:9, 0:9] = 1.0  # proposes 10 x 10 pixels
    for level, bottom in ((0.3, 2), (0.5, 4), (0.7, 6)):
        truth = np.array([[0.0, 0, 9, bottom]])
        equal(score, [truth])
        assert best_iou(score, [truth]).values[:, 0, :255].tolist() == [[level] * 255] * 2
        assert box_accuracy(score, [truth], [level], thresholds=[0.5]).hits.all()
        assert not box_accuracy(score, [truth], [np.nextafter(level, 1)], thresholds=[0.5]).hits.any()


def test_no_ground_truth_is_refused():
    with pytest.raises(DataError, match=r"image a\.jpg: no ground-truth box"):
        box_accuracy(np.zeros((1, 4, 4)), [np.zeros((0, 4))], image_ids=["a.jpg"])
