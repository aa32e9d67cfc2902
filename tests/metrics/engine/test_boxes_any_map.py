"""The engine against the oracle, bit for bit: any map, any box, any type, layout and number of threads."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsol.errors import DataError
from wsol.metrics.boxes import box_accuracy
from wsol.metrics.engine import best_iou
from wsol.metrics.levels import quantise
from wsol.metrics.oracle import boxes_above
from wsol.testing.map_kinds import ADVERSARIAL, adversarial_maps, as_scores
from wsol.testing.parity import RULES, first_difference, probe_boxes

CORNERS = ("exclusive", "inclusive")


def equal(score_maps: np.ndarray, boxes: Sequence[np.ndarray]) -> None:
    """Fails with the smallest reproducer unless engine and oracle agree under all rules and both corners."""
    for corners in CORNERS:
        difference = first_difference(best_iou, score_maps, boxes, RULES, corners)
        assert difference is None, difference


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -1e-6, 1 + 1e-6, 2.0, -300.0])
def test_values_out_of_range_are_refused_before_any_cast(wrong, dtype):
    score_maps = np.zeros((3, 4, 5), dtype=dtype)
    score_maps[1, 2, 3] = wrong
    with warnings.catch_warnings(), pytest.raises(DataError, match=r"image b: "):
        warnings.simplefilter("error")
        box_accuracy(score_maps, [[[0, 0, 1, 1]]] * 3, image_ids=["a", "b", "c"])


def test_float32_maps_give_the_levels_of_their_float64_product():
    """Values on, next to and between the boundaries k / 255, in both types."""
    single = (np.arange(256) / 255).astype(np.float32)
    near = np.concatenate([single, np.nextafter(single, np.float32(0)), np.nextafter(single, np.float32(1))])
    near = np.concatenate([near, np.random.default_rng(0).random(256).astype(np.float32)]).reshape(1, 32, 32)
    boxes = [np.array([[3.0, 4, 20, 25]])]
    equal(near, boxes)
    for first, second in zip(
        best_iou(near, boxes, RULES), best_iou(near.astype(np.float64), boxes, RULES), strict=True
    ):
        assert np.array_equal(first, second)


def test_float64_maps_are_not_rounded_to_float32():
    below = np.nextafter(np.arange(1, 256) / 255, 0)  # each quantises to one level less than its float32 may
    maps = np.concatenate([below, np.arange(1, 256) / 255, [0, 1]]).reshape(1, 16, 32)
    equal(maps, [np.array([[2.0, 2, 9, 9]])])


def test_layouts_and_types_change_nothing():
    maps = adversarial_maps("few_levels", 6, (9, 13), seed=4)
    boxes = [probe_boxes(quantise(one), np.random.default_rng(i)) for i, one in enumerate(maps)]
    expected = best_iou(maps, boxes, RULES)
    wide = np.zeros((12, 18, 26))
    wide[::2, ::2, ::2] = maps
    read_only = maps.copy()
    read_only.setflags(write=False)
    layouts = {
        "Fortran": np.asfortranarray(maps),
        "strided": wide[::2, ::2, ::2],
        "reversed": maps[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
        "moved": np.moveaxis(np.moveaxis(maps, 0, 2).copy(), 2, 0),
        "read-only": read_only,
        "big-endian": maps.astype(">f8"),
        "float32": maps.astype(np.float32),
        "int boxes": maps,
        "strided boxes": maps,
    }
    for name, other in layouts.items():
        truth = [box.astype(int) for box in boxes] if name == "int boxes" else boxes
        truth = [np.repeat(box, 2, axis=1)[:, ::2] for box in boxes] if name == "strided boxes" else truth
        before = other.copy()
        found = best_iou(other, truth, RULES)
        assert np.array_equal(found.values, expected.values) and np.array_equal(found.maximum, expected.maximum), name
        assert np.array_equal(other, before), f"{name}: input was changed"


def test_one_map_repeated_without_memory_of_its_own():
    one = adversarial_maps("plateaus", 1, 8)
    boxes = [np.array([[i, 1.0, 6, 7]]) for i in range(5)]
    equal(np.broadcast_to(one, (5, 8, 8)), boxes)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_threads_change_nothing(count):
    maps = adversarial_maps("quantised", count, (20, 24), seed=6)
    boxes = [np.array([[i, 2.0, 15 + i, 18]]) for i in range(count)]
    for corners in CORNERS:
        one = best_iou(maps, boxes, RULES, corners, threads=1)
        assert one.values.shape == (3, count, 256) and one.maximum.shape == (count,)
        for threads in (2, 3, 16):
            more = best_iou(maps, boxes, RULES, corners, threads=threads)
            assert np.array_equal(one.values, more.values) and np.array_equal(one.maximum, more.maximum)


def test_rules_in_any_choice_and_order_give_the_same_rows():
    maps = adversarial_maps("islands", 3, 14, seed=8)
    boxes = [probe_boxes(quantise(one), np.random.default_rng(i)) for i, one in enumerate(maps)]
    expected = dict(zip(RULES, best_iou(maps, boxes, RULES).values, strict=True))
    for choice in (
        ("all", "largest"),
        ("largest",),
        ("external",),
        ("external", "all"),
        ("largest", "external", "all"),
    ):
        found = best_iou(maps, boxes, choice).values
        assert all(np.array_equal(row, expected[rule]) for row, rule in zip(found, choice, strict=True)), choice
    assert np.array_equal(best_iou(maps, boxes).values, [expected["all"], expected["largest"]])


def test_maps_of_a_batch_do_not_see_each_other():
    """The same map at both ends of a batch, between maps that leave large or small trees behind."""
    size = (24, 24)
    kinds = ["noise", "zero", "checkerboard", "smooth", "spiral", "constant", "binary"]
    between = [adversarial_maps(kind, 1, size, seed=1)[0] for kind in kinds]
    same = adversarial_maps("blocks", 1, size, seed=2)[0]
    batch = np.stack([same, *[one for other in between for one in (other, same)]])
    boxes = [np.array([[4.0, 5, 18, 20]])] * len(batch)
    equal(batch, boxes)
    values, _ = best_iou(batch, boxes, RULES)
    assert (values[:, ::2] == values[:, :1]).all()


# Any map and any boxes

sides = st.one_of(st.integers(1, 4), st.integers(1, 10), st.integers(5, 24), st.integers(1, 70), st.integers(1, 256))
shapes = st.tuples(sides, sides).filter(lambda shape: shape[0] * shape[1] <= 6_000)


@st.composite
def boxes_for(draw_: st.DrawFn, height: int, width: int) -> np.ndarray:
    """1-4 boxes that begin in the map, some a point, some reaching beyond its right and bottom edges."""
    result = []
    for _ in range(draw_(st.integers(1, 4))):
        x0, y0 = draw_(st.integers(0, width - 1)), draw_(st.integers(0, height - 1))
        x1 = draw_(st.one_of(st.just(x0), st.integers(x0, max(x0, width - 1)), st.integers(x0, width + 40)))
        y1 = draw_(st.one_of(st.just(y0), st.integers(y0, max(y0, height - 1)), st.integers(y0, height + 40)))
        result.append([x0, y0, x1, y1])
    return np.array(result, dtype=np.float64)


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(ADVERSARIAL), shapes, st.integers(0, 2**32), st.data())
def test_any_made_up_map(kind, shape, seed, data):
    score_maps = adversarial_maps(kind, 2, shape, seed)
    random = np.random.default_rng(seed)
    boxes = [probe_boxes(quantise(score_maps[0]), random), data.draw(boxes_for(*score_maps.shape[1:]))]
    equal(score_maps, boxes)


@settings(deadline=None, max_examples=200)
@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
        lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 3, 100, 101, 254, 255]))
    ),
    st.data(),
)
def test_any_small_map_pixel_by_pixel(grey, data):
    boxes = [data.draw(boxes_for(*grey.shape)), probe_boxes(grey, np.random.default_rng(grey.size))]
    equal(as_scores(np.stack([grey, grey])), boxes)


@settings(deadline=None, max_examples=60)
@given(
    arrays(np.float32, st.tuples(st.just(2), st.integers(1, 6), st.integers(1, 6)), elements=st.floats(0, 1, width=32)),
    st.data(),
)
def test_any_scores_of_both_types(scores, data):
    boxes = [data.draw(boxes_for(*scores.shape[1:])) for _ in scores]
    equal(scores, boxes)
    double = best_iou(scores.astype(np.float64), boxes, RULES)
    assert np.array_equal(best_iou(scores, boxes, RULES).values, double.values)


def test_many_small_maps_in_one_batch():
    """Thousands of maps of one small shape: rare combinations that no named case thinks of."""
    random = np.random.default_rng(7)
    for shape in ((3, 3), (4, 5), (6, 6)):
        grey = random.choice(np.array([0, 1, 2, 200, 255], dtype=np.uint8), (250, *shape))
        boxes = [probe_boxes(one, random) for one in grey]
        equal(as_scores(grey), boxes)


def test_a_difference_is_cut_down_to_a_small_map():
    """The checker itself: an engine that forgets holes is caught, with the map that shows it."""

    def no_holes(score_maps, boxes, contours, corners):
        found = best_iou(score_maps, boxes, ["external" if rule == "all" else rule for rule in contours], corners)
        return found.values, found.maximum

    ring, truth = np.zeros((12, 15), dtype=np.uint8), np.array([[5.0, 3, 9, 7]])
    ring[2:9, 3:12], ring[4:7, 6:9] = 200, 0
    difference = first_difference(no_holes, as_scores(ring)[None], [truth])
    assert difference is not None
    assert "rule 'all'" in difference and "grey level 0" in difference
    shown = difference[difference.index("grey = np.array(") + len("grey = np.array(") :].split(", dtype")[0]
    smallest = np.array(ast.literal_eval(shown), dtype=np.uint8)
    assert smallest.size < 60 and np.count_nonzero(smallest) <= 10
    assert len(boxes_above(smallest, 0).all) > 1  # a hole is left
    assert first_difference(best_iou, as_scores(ring)[None], [truth]) is None
