"""Values of draws: their distributions, what they do not depend on, and ranges that are refused."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest

from wsol.errors import ParameterError
from wsol.search.draws import check_range, combinations, draw_values, rounded_down, uniform_of, value_at

CELL = ("demo", "synthbirds", "resnet50", "has")
RATE = {"distribution": "log_uniform", "low": 1e-5, "high": 1}
SHARE = {"distribution": "uniform", "low": 0, "high": 1}
UNIFORM_MANY = 600


def many(ranges: dict[str, Any], name: str, cell: tuple[str, ...] = CELL, seed: int = 0) -> np.ndarray:
    return np.array([draw_values(ranges, seed, cell, draw)[name] for draw in range(UNIFORM_MANY)])


def distance(values: np.ndarray) -> float:
    """Kolmogorov–Smirnov distance between values in (0, 1) and the uniform distribution."""
    ordered, steps = np.sort(values), np.arange(len(values) + 1) / len(values)
    return float(np.maximum(np.abs(ordered - steps[1:]), np.abs(ordered - steps[:-1])).max())


LIMIT = 1.63 / math.sqrt(UNIFORM_MANY)
"""Exceeded by one uniform sample in a hundred; the samples are fixed by their seeds."""


def test_values_are_distributed_as_their_ranges_say() -> None:
    inverse = {"distribution": "inverse_uniform", "low": 0, "high": 2, "shift": 0.5}
    ranges = {"rate": RATE, "share": SHARE, "beta": inverse}
    assert distance((np.log10(many(ranges, "rate")) + 5) / 5) < LIMIT
    assert distance(many(ranges, "share")) < LIMIT
    beta = many(ranges, "beta")
    assert distance(1 / (beta + 0.5) / 2) < LIMIT
    assert beta.min() > 0


def test_the_upper_of_two_lies_uniformly_between_the_lower_and_the_end() -> None:
    upper = {"distribution": "uniform", "above": "low", "high": 1}
    for ranges in ({"low": SHARE, "up": upper}, {"up": upper, "low": SHARE}):
        low, high = many(ranges, "low"), many(ranges, "up")
        assert (low <= high).all() and (high <= 1).all()
        assert distance(low) < LIMIT
        assert distance((high - low) / (1 - low)) < LIMIT


def test_choices_are_all_alike() -> None:
    values = many({"size": {"distribution": "choice", "values": [14, 28, 56]}}, "size")
    assert set(values) == {14, 28, 56}
    assert all(abs((values == size).mean() - 1 / 3) < 0.06 for size in (14, 28, 56))


def test_of_choices_alone_every_combination_is_tried_before_one_is_tried_again() -> None:
    ranges = {
        "size": {"distribution": "choice", "values": [14, 28, 56]},
        "share": {"distribution": "choice", "values": [0.1, 0.2]},
    }
    assert combinations(ranges) == 6 and combinations(ranges | {"rate": RATE}) is None
    tried = [tuple(draw_values(ranges, 0, CELL, draw).values()) for draw in range(12)]
    assert sorted(tried[:6]) == sorted(product([14, 28, 56], [0.1, 0.2])) == sorted(tried[6:])
    assert tried[:6] != sorted(tried[:6]), "in random order: a search of fewer draws favours no value"
    other = [tuple(draw_values(ranges, 1, CELL, draw).values()) for draw in range(6)]
    assert other != tried[:6]


def test_a_draw_depends_on_its_number_cell_seed_and_name_alone() -> None:
    both = {"rate": RATE, "share": SHARE}
    fourth = draw_values(both, 0, CELL, 3)
    assert draw_values({"share": SHARE}, 0, CELL, 3)["share"] == fourth["share"]
    assert draw_values(dict(reversed(both.items())), 0, CELL, 3) == fourth
    others = [
        draw_values(both, 1, CELL, 3),
        draw_values(both, 0, CELL, 4),
        *(draw_values(both, 0, tuple(["x" if i == at else v for i, v in enumerate(CELL)]), 3) for at in range(4)),
    ]
    assert len({other["rate"] for other in others} | {fourth["rate"]}) == 7
    # The very values: they stand in parameter files, and another way to draw would leave those unexplained.
    assert fourth == {"rate": GOLDEN[0], "share": GOLDEN[1]}


GOLDEN = (0.000231822, 0.494974)


def test_different_names_are_independent() -> None:
    ranges = {"a": SHARE, "b": SHARE}
    assert abs(np.corrcoef(many(ranges, "a"), many(ranges, "b"))[0, 1]) < 0.1


@pytest.mark.parametrize("share", [2**-53, 0.3, 0.5, 1 - 2**-53])
def test_values_at_a_share(share: float) -> None:
    assert value_at(share, SHARE) == pytest.approx(share, rel=1e-5)
    assert 0 <= value_at(share, SHARE) < 1, "a patch of 1 would be one pixel, not the whole side"
    assert value_at(share, RATE) == pytest.approx(10 ** (-5 + 5 * share), rel=1e-5)
    assert 1e-5 <= value_at(share, RATE) < 1
    assert value_at(share, {"distribution": "choice", "values": ["a", "b"]}) == ("a" if share < 0.5 else "b")


def test_numbers_are_cut_off_downwards_after_six_digits() -> None:
    assert rounded_down(0.12345678) == 0.123456
    assert rounded_down(0.9999999) == 0.999999
    assert rounded_down(3.9999999e-5) == 3.99999e-5
    assert rounded_down(0.25) == 0.25
    assert rounded_down(0.0) == 0.0
    assert rounded_down(-0.12345678) == -0.123457


def test_uniform_of_never_is_an_end() -> None:
    for seed in (0, 1, 2**52 - 1, 2**52, 2**63 - 1):
        assert 0.0 < uniform_of(seed) < 1.0


@pytest.mark.parametrize(
    ("distribution", "message"),
    [
        ({"distribution": "uniform", "low": 0}, "lacks 'high'"),
        ({"distribution": "log_uniform", "low": 0, "high": 1}, "logarithm needs one above 0"),
        ({"distribution": "uniform", "low": 1, "high": 1}, "low must be below high"),
        ({"distribution": "inverse_uniform", "low": -1, "high": 1}, "needs u above 0"),
        ({"distribution": "choice", "low": 0, "high": 1}, "lacks 'values'"),
        ({"distribution": "uniform", "low": 0, "high": 1, "shift": 1}, "has 'shift'"),
        ({"distribution": "uniform", "low": 0, "above": "a", "high": 1}, "has 'low'"),
        ({"distribution": "log_uniform", "above": "a", "high": 1}, "goes with distribution uniform"),
    ],
)
def test_ranges_that_are_refused(distribution: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=rf"m\.yaml: search\.x: .*{message}"):
        check_range("x", distribution, "m.yaml")


def test_ranges_above_nothing_or_themselves_are_refused() -> None:
    above = {"distribution": "uniform", "high": 1}
    with pytest.raises(ParameterError, match="above 'b', which is not drawn"):
        draw_values({"a": {**above, "above": "b"}}, 0, CELL, 0)
    with pytest.raises(ParameterError, match="a above b above a: a range cannot lie above itself"):
        draw_values({"a": {**above, "above": "b"}, "b": {**above, "above": "a"}}, 0, CELL, 0)
    with pytest.raises(ParameterError, match=r"b was drawn as 0\.\d+, above high 1e-06"):
        draw_values({"a": {**above, "above": "b", "high": 0.000001}, "b": SHARE}, 0, CELL, 0)
