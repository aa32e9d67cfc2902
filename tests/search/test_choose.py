"""The choice between draws: ties, failures, and the table."""

from __future__ import annotations

import csv
import io
import math

import pytest

from wsol.search.choose import as_drawn, best, ranking, read_table, table
from wsol.search.trial import FAILED, FINISHED, STOPPED, Trial, draw_name


def trial(draw: int, localisation: float | None, status: str = FINISHED, accuracy: float = 50.0) -> Trial:
    reason = "" if status == FINISHED else "why"
    return Trial(draw, status, {"learning_rate": 0.1 + draw}, 2, localisation, accuracy, reason)


def test_the_highest_wins_and_the_earliest_of_equals() -> None:
    trials = [trial(0, 40.0), trial(1, 55.0), trial(2, 55.0), trial(3, 54.9)]
    for order in (trials, trials[::-1]):
        found = best(order)
        assert found is not None and found.draw == 1
        assert [each.draw for each in ranking(order)] == [1, 2, 3, 0]


def test_what_the_table_does_not_tell_apart_is_equal() -> None:
    trials = [trial(0, 55.5551), trial(1, 55.55511)]
    for some in (trials, read_table(table(trials))):
        found = best(some)
        assert found is not None and found.draw == 0


def test_what_did_not_finish_is_worse_than_any_number() -> None:
    trials = [trial(0, None, FAILED), trial(1, math.nan), trial(2, 0.0), trial(3, 99.0, STOPPED), trial(4, math.inf)]
    found = best(trials)
    assert found is not None and found.draw == 2
    assert [each.draw for each in ranking(trials)] == [2, 0, 1, 3, 4]


@pytest.mark.parametrize(("share", "winner"), [(None, 0), (0.25, 0), (0.5, 2), (0.9, 2), (0.91, 3), (1, 3)])
def test_draws_that_hardly_classify_can_be_left_out(share: float | None, winner: int) -> None:
    trials = [
        trial(0, 75.0, accuracy=25.0),
        trial(1, 99.0, STOPPED, accuracy=100.0),  # counts for nothing
        trial(2, 55.0, accuracy=81.0),
        trial(3, 50.0, accuracy=90.0),
        trial(4, 45.0, accuracy=90.0),
    ]
    found = best(trials, share)
    assert found is not None and found.draw == winner


@pytest.mark.parametrize("trials", [[], [trial(0, None, FAILED)], [trial(0, math.nan), trial(1, 9.0, STOPPED)]])
def test_there_may_be_no_winner(trials: list[Trial]) -> None:
    assert best(trials) is None and best(trials, 0.9) is None


def test_the_table_has_a_line_a_draw_with_its_rank_values_and_reason() -> None:
    trials = [trial(2, None, FAILED), trial(0, 41.25), trial(1, 60.0)]
    rows = list(csv.DictReader(io.StringIO(table(trials))))
    assert [row["draw"] for row in rows] == ["0", "1", "2"]
    assert [row["rank"] for row in rows] == ["2", "1", "3"]
    assert [row["val_localisation"] for row in rows] == ["41.25", "60", ""]
    assert [float(row["learning_rate"]) for row in rows] == [0.1, 1.1, 2.1]
    assert [row["reason"] for row in rows] == ["", "", "why"]


def test_draws_are_named_by_two_digits_or_more() -> None:
    assert [draw_name(draw) for draw in (0, 9, 10, 100)] == ["d00", "d09", "d10", "d100"]


def test_a_table_is_read_back_as_the_trials_that_made_it() -> None:
    trials = [trial(0, 41.25), trial(1, None, FAILED), trial(2, 60.0)]
    read = read_table(table(trials))
    assert [each.values for each in read] == [
        {"learning_rate": "0.1"},
        {"learning_rate": "1.1"},
        {"learning_rate": "2.1"},
    ]
    assert as_drawn(read, [each.values for each in trials]) == trials


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ([0.1, 1.1], "it has 3 draws, and the search has draws 0 to 1"),
        ([0.1, 1.1, 2.1, 3.1], "it has 3 draws, and the search has draws 0 to 3"),
        ([0.1, 1.2, 2.1], r"draw 1 tried .*'1\.1'.*, and would try .*'1\.2'"),
    ],
)
def test_a_table_of_other_draws_is_refused(rates: list[float], said: str) -> None:
    trials = read_table(table([trial(number, 50.0) for number in range(3)]))
    with pytest.raises(ValueError, match=said):
        as_drawn(trials, [{"learning_rate": rate} for rate in rates])


def test_another_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no column 'draw', so it is no table of draws"):
        read_table("epoch,loss\n0,1.5\n")


def test_a_share_of_the_highest_accuracy_is_reached_by_as_many_images() -> None:
    """100 of 150 images and 90 are 66.66… and 60 per cent, and .9 of the former is above 60 in binary numbers."""
    trials = [trial(0, 70.0, accuracy=100 * 90 / 150), trial(1, 60.0, accuracy=100 * 100 / 150)]
    assert 100 * 90 / 150 < 0.9 * (100 * 100 / 150)
    for some in (trials, read_table(table(trials))):
        assert (best(some, 0.9) or trials[1]).draw == 0
