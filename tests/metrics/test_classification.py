from __future__ import annotations

import itertools

import numpy as np
import pytest

from wsol.errors import DataError, ParameterError
from wsol.metrics.classification import check_ranks, topk_correct

RANKED = np.array([[3, 1, 2, 0, 4], [0, 4, 1, 2, 3], [1, 0, -1, -1, -1]])


def test_the_true_class_counts_from_its_rank_on():
    labels = [3, 2, 0]
    assert topk_correct(RANKED, labels, 1).tolist() == [True, False, False]
    assert topk_correct(RANKED, labels, 2).tolist() == [True, False, True]
    assert topk_correct(RANKED, labels, 4).tolist() == [True, True, True]


def test_more_ranks_never_lose_an_image():
    rng = np.random.default_rng(0)
    ranked = np.argsort(rng.random((50, 8)), axis=1)
    labels = rng.integers(0, 8, 50)
    correct = [topk_correct(ranked, labels, k) for k in range(1, 9)]
    assert all((less <= more).all() for less, more in itertools.pairwise(correct))
    assert correct[-1].all()


def test_too_few_columns_or_labels_are_refused():
    with pytest.raises(DataError, match="top-5 needs"):
        topk_correct(RANKED[:, :3], [0, 0, 0], 5)
    with pytest.raises(DataError, match="labels of shape"):
        topk_correct(RANKED, [0, 0], 1)


@pytest.mark.parametrize("ranks", [[], [0], [5, 1], [1, 1], [1.5], [True]])
def test_ranks_are_increasing_positive_integers(ranks):
    with pytest.raises(ParameterError, match="classification"):
        check_ranks(ranks, "classification.top")
