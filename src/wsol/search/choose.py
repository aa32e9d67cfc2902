"""Which draw wins, and the table of all of them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from wsol.search.trial import FINISHED, Trial, Value

OUTCOME = ("draw", "rank", "status", "epoch", "val_localisation", "val_accuracy", "reason")
"""The columns of the table that are no hyperparameter; the values stand before the reason."""


def best(trials: Sequence[Trial], least_accuracy: float | None = None) -> Trial | None:
    """The draw with the highest localisation on train-fullsup, the earliest of equals; None if none is eligible.

    With `least_accuracy`, a share in (0, 1], only draws that reach this share of the highest accuracy among them are.
    """
    ranked = [trial for trial in ranking(trials) if eligible(trial)]
    accuracy = {trial.draw: _rounded(trial.accuracy or 0.0) for trial in ranked}
    # Rounded anew: nine tenths of 66.6667 is to let 60 in.
    floor = _rounded(max(accuracy.values(), default=0.0) * (least_accuracy or 0.0))
    return next((trial for trial in ranked if accuracy[trial.draw] >= floor), None)


def ranking(trials: Sequence[Trial]) -> list[Trial]:
    """Best first: finished draws by localisation, then the others (no number is worse than any), ties by draw."""
    return sorted(trials, key=lambda trial: (*_height(trial), trial.draw))


def eligible(trial: Trial) -> bool:
    """Only what ran to its end, with a number, can win."""
    return trial.status == FINISHED and trial.localisation is not None and math.isfinite(trial.localisation)


def _height(trial: Trial) -> tuple[bool, float]:
    value = trial.localisation
    return (False, -_rounded(value)) if eligible(trial) and value is not None else (True, 0.0)


def _printed(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _rounded(value: float) -> float:
    """As the table prints it: the choice knows no finer difference, so that it can be made again from the table."""
    return float(_printed(value))


def _number(printed: str) -> float | None:
    return float(printed) if printed else None


def table(trials: Sequence[Trial]) -> str:
    """CSV, a line a draw in the order of the draws: rank, outcome, and the value of every hyperparameter."""
    place = {trial.draw: number for number, trial in enumerate(ranking(trials), start=1)}
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*OUTCOME[:-1], *names, OUTCOME[-1]])
    for trial in sorted(trials, key=lambda trial: trial.draw):
        numbers = [_printed(trial.localisation), _printed(trial.accuracy)]
        epoch = "" if trial.epoch is None else str(trial.epoch)
        values = [str(trial.values.get(name, "")) for name in names]
        writer.writerow([trial.draw, place[trial.draw], trial.status, epoch, *numbers, *values, trial.reason])
    return stream.getvalue()


def read_table(text: str) -> list[Trial]:
    """The trials that made a `table`, their values as it has them, as text. Raises ValueError for another table."""
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in OUTCOME if name not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f"it has no column {missing[0]!r}, so it is no table of draws")
    return [
        Trial(
            int(line["draw"]),
            line["status"],
            {name: value for name, value in line.items() if name not in OUTCOME},
            int(line["epoch"]) if line["epoch"] else None,
            _number(line["val_localisation"]),
            _number(line["val_accuracy"]),
            line["reason"],
        )
        for line in reader
    ]


def as_drawn(trials: Sequence[Trial], draws: Sequence[Mapping[str, Value]]) -> list[Trial]:
    """Trials that were read, with the values of draw 0, 1 … in their own types.

    Raises ValueError, with what differs, unless these are the values that were tried.
    """
    if [trial.draw for trial in trials] != list(range(len(draws))):
        raise ValueError(f"it has {len(trials)} draws, and the search has draws 0 to {len(draws) - 1}, each once")
    for trial, values in zip(trials, draws, strict=True):
        wanted = {name: str(value) for name, value in values.items()}
        if trial.values != wanted:
            raise ValueError(f"draw {trial.draw} tried {trial.values}, and would try {wanted} today")
    return [
        replace(trial, values={name: values[name] for name in trial.values})
        for trial, values in zip(trials, draws, strict=True)
    ]
