from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsol.errors import DataError
from wsol.metrics.classification import topk_correct
from wsol.metrics.localization import topk_hits


@settings(deadline=None, max_examples=40)
@given(arrays(bool, (6, 2, 4)), st.integers(0, 2**31))
def test_right_box_and_right_class(hits, seed):
    rng = np.random.default_rng(seed)
    ranked, labels = np.argsort(rng.random((6, 7)), axis=1)[:, :5], rng.integers(0, 7, 6)
    curves = {}
    for k in (1, 5):
        found = topk_hits(hits, ranked, labels, k)
        correct = topk_correct(ranked, labels, k)
        for image in range(6):
            assert (found[image] == (hits[image] if labels[image] in ranked[image, :k] else False)).all()
        curves[k] = found.mean(axis=0)
        assert (curves[k] <= np.minimum(correct.mean(), hits.mean(axis=0)) + 1e-15).all()
    assert (curves[1] <= curves[5]).all()


def test_perfect_classification_leaves_box_accuracy():
    hits = np.random.default_rng(0).random((4, 3, 10)) > 0.5
    labels = np.arange(4)
    assert (topk_hits(hits, np.repeat(labels[:, None], 5, axis=1), labels, 1) == hits).all()


def test_the_best_threshold_may_differ_from_that_of_the_boxes():
    hits = np.array([[[True, False]], [[True, False]], [[False, True]]])
    wrong, right = [1, 2, 3, 4, 5], [0, 2, 3, 4, 5]
    found = topk_hits(hits, [wrong, wrong, right], [0, 0, 0], 1)
    assert hits.mean(axis=0).argmax() == 0
    assert found.mean(axis=0).argmax() == 1


def test_shapes_must_fit():
    with pytest.raises(DataError, match="box hits"):
        topk_hits(np.zeros((2, 3), dtype=bool), np.zeros((2, 5)), [0, 0], 1)
