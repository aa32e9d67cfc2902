from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.errors import DataError
from wsol.metrics.iou import check_boxes, iou_matrix


@st.composite
def integer_boxes(draw, count=3, side=12):
    corners = st.integers(0, side - 1)
    boxes = [sorted((draw(corners), draw(corners))) + sorted((draw(corners), draw(corners))) for _ in range(count)]
    return np.array([[x0, y0, x1, y1] for x0, x1, y0, y1 in boxes])


def test_worked_example_of_the_protocol():
    assert iou_matrix([[2, 3, 9, 12]], [[5, 1, 11, 10]])[0, 0] == pytest.approx(0.363636, abs=1e-6)


def test_identical_point_boxes_overlap_fully_and_touching_boxes_share_a_pixel_row():
    assert iou_matrix([[4, 4, 4, 4]], [[4, 4, 4, 4]])[0, 0] == 1
    assert iou_matrix([[0, 0, 3, 3]], [[3, 0, 6, 3]])[0, 0] == pytest.approx(4 / 28)
    assert iou_matrix([[0, 0, 3, 3]], [[4, 0, 6, 3]])[0, 0] == 0


@settings(deadline=None, max_examples=40)
@given(integer_boxes(), integer_boxes(count=2))
def test_iou_is_that_of_the_sets_of_pixels(first, second):
    expected = np.empty((len(first), len(second)))
    for row, a in enumerate(first):
        for column, b in enumerate(second):
            masks = []
            for x0, y0, x1, y1 in (a, b):
                mask = np.zeros((12, 12), dtype=bool)
                mask[y0 : y1 + 1, x0 : x1 + 1] = True
                masks.append(mask)
            expected[row, column] = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    np.testing.assert_allclose(iou_matrix(first, second), expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([], "no ground-truth box"),
        (np.zeros((0, 4)), "no ground-truth box"),
        ([[1, 2, 3]], "shape"),
        ([1, 2, 3, 4], "shape"),
        ([[5, 0, 4, 9]], "x0 <= x1"),
        ([[0, 5, 9, 4]], "y0 <= y1"),
        ([[-1, 0, 4, 9]], "0 <= x0"),
        ([[0, 0, np.nan, 9]], "0 <= x0"),
        ([["a", 0, 4, 9]], "not numbers"),
    ],
)
def test_invalid_boxes_are_refused_with_the_image_named(boxes, message):
    with pytest.raises(DataError, match=f"bird.jpg.*{message}"):
        check_boxes(boxes, "bird.jpg")
