"""Average precision with every distinct score as a threshold, at once and in bounded memory."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsol.errors import DataError
from wsol.metrics.exact_ap import exact_average_precision, exact_average_precision_of
from wsol.metrics.masks import pixel_average_precision


def written_out(scores: np.ndarray, masks: np.ndarray) -> float:
    """The definition: a threshold at every distinct score, in whole numbers and fractions."""
    total, before, area = int((masks == 1).sum()), 0, Fraction(0)
    for threshold in sorted(set(scores.ravel().tolist()), reverse=True):
        above = scores >= threshold
        true, false = int((above & (masks == 1)).sum()), int((above & (masks == 0)).sum())
        if true + false:
            area += Fraction(true, true + false) * Fraction(true - before, total)
        before = true
    return float(area)


score = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1), st.floats(0, 1, width=32))
images = arrays(np.float64, (4, 3, 5), elements=score)
labels = arrays(np.uint8, (4, 3, 5), elements=st.sampled_from([0, 1, 255]))


@settings(deadline=None, max_examples=150)
@given(images, labels, st.sampled_from([1, 7, 1000]), st.sampled_from([1, 3, 4]))
def test_equals_the_written_out_definition(scores, masks, budget, each):
    masks[0, 0, 0] = 1
    expected = written_out(scores, masks)
    assert exact_average_precision(scores, masks) == pytest.approx(expected, rel=1e-12)
    blocks = [(scores[start : start + each], masks[start : start + each]) for start in range(0, 4, each)]
    assert exact_average_precision_of(lambda: iter(blocks), budget) == pytest.approx(expected, rel=1e-12)


def test_closed_forms():
    masks = np.array([[[1, 0, 0, 0], [1, 1, 0, 255]]], dtype=np.uint8)
    assert exact_average_precision(np.full((1, 2, 4), 0.3), masks) == pytest.approx(3 / 7)
    assert exact_average_precision((masks == 1).astype(np.float32), masks) == 1.0
    ordered = np.linspace(1, 0, 6)[None, None]
    assert exact_average_precision(ordered, np.array([[[1, 0, 1, 0, 0, 1]]])) == pytest.approx((1 + 2 / 3 + 3 / 6) / 3)


def test_is_what_bins_tend_to():
    rng = np.random.default_rng(0)
    masks = rng.choice([0, 1, 255], (6, 40, 40)).astype(np.uint8)
    scores = np.where(masks == 1, rng.beta(3, 2, masks.shape), rng.beta(2, 3, masks.shape))
    exact = exact_average_precision(scores, masks)
    errors = [abs(pixel_average_precision(scores, masks, bins).ap - exact) for bins in (10, 100, 1000, 100_000)]
    assert errors == sorted(errors, reverse=True) and errors[0] > 1e-3 and errors[-1] < 1e-5
    grid = scores.round(2)  # no finer than the bins, so that they lose nothing
    edges = np.unique(grid[grid < 1])
    assert pixel_average_precision(grid, masks, edges).ap == pytest.approx(exact_average_precision(grid, masks))


def test_a_small_budget_means_more_passes_with_fewer_pixels_each():
    rng = np.random.default_rng(1)
    scores, masks = rng.random((8, 20, 20)), rng.integers(0, 2, (8, 20, 20)).astype(np.uint8)
    for budget, passes in ((10_000, 1), (1600, 2), (500, 7)):
        calls = []

        def blocks(calls=calls):
            calls.append(0)
            return zip(scores[:, None], masks[:, None], strict=True)

        assert exact_average_precision_of(blocks, budget) == pytest.approx(exact_average_precision(scores, masks))
        assert passes <= len(calls) - 1 <= passes + 1


def test_many_equal_scores_need_no_memory_of_their_own():
    scores, masks = np.zeros((50, 20, 20)), np.zeros((50, 20, 20), dtype=np.uint8)
    masks[:, :5], scores[:, :2] = 1, 0.7
    blocks = list(zip(scores[:, None], masks[:, None], strict=True))
    expected = 2 / 5 + 3 / 5 * (1 / 4)
    assert exact_average_precision(scores, masks) == pytest.approx(expected)
    assert exact_average_precision_of(lambda: blocks, 1000) == pytest.approx(expected)


def test_bad_input_is_refused():
    score = np.zeros((1, 2, 2))
    for compute in (exact_average_precision, lambda *block: exact_average_precision_of(lambda: [block])):
        with pytest.raises(DataError, match="no pixel"):
            compute(score, np.zeros((1, 2, 2), np.uint8))
        with pytest.raises(DataError, match="image 0: its score map holds nan"):
            compute(np.full((1, 2, 2), np.nan), np.ones((1, 2, 2), np.uint8))
        with pytest.raises(DataError, match="image 0: its mask holds 2"):
            compute(score, np.full((1, 2, 2), 2))
        with pytest.raises(DataError, match="resolve_mask"):
            compute(score, np.zeros((1, 3, 3)))
