"""Which draw wins, and the table of all of them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence

from wsol.search.trial import FINISHED, Trial, Value

OUTCOME = ("draw", "rank", "status", "epoch", "val_localisation", "val_accuracy", "reason")
"""The columns of the table that are no hyperparameter; the values stand before the reason."""


def best(trials: Sequence[Trial], least_accuracy: float | None = None) -> Trial | None:
    """The draw with the highest localisation on train-fullsup, the earliest of equals; None if none is eligible.

    With `least_accuracy`, a share in (0, 1], only draws that reach this share of the highest accuracy among them are.
    """
    ranked = [trial for trial in ranking(trials) if eligible(trial)]
    highest = max((trial.accuracy or 0.0 for trial in ranked), default=0.0)
    floor = highest * least_accuracy if least_accuracy is not None else -math.inf
    return next((trial for trial in ranked if (trial.accuracy or 0.0) >= floor), None)


def ranking(trials: Sequence[Trial]) -> list[Trial]:
    """Best first: finished draws by localisation, then the others (no number is worse than any), ties by draw."""
    return sorted(trials, key=lambda trial: (*_height(trial), trial.draw))


def eligible(trial: Trial) -> bool:
    """Only what ran to its end, with a number, can win."""
    return trial.status == FINISHED and trial.localisation is not None and math.isfinite(trial.localisation)


def _height(trial: Trial) -> tuple[bool, float]:
    value = trial.localisation
    return (False, -float(printed(value))) if eligible(trial) and value is not None else (True, 0.0)


def printed(value: float | None) -> str:
    """As the table has it. Ranks know no finer difference, so that the choice can be made again from the table."""
    return "" if value is None else f"{value:.6g}"


def table(trials: Sequence[Trial]) -> str:
    """CSV, a line a draw in the order of the draws: rank, outcome, and the value of every hyperparameter."""
    place = {trial.draw: number for number, trial in enumerate(ranking(trials), start=1)}
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*OUTCOME[:-1], *names, OUTCOME[-1]])
    for trial in sorted(trials, key=lambda trial: trial.draw):
        numbers = [printed(trial.localisation), printed(trial.accuracy)]
        epoch = "" if trial.epoch is None else str(trial.epoch)
        values = [str(trial.values.get(name, "")) for name in names]
        writer.writerow([trial.draw, place[trial.draw], trial.status, epoch, *numbers, *values, trial.reason])
    return stream.getvalue()


def read_table(text: str, draws: Sequence[Mapping[str, Value]]) -> list[Trial]:
    """The trials of a `table`, whose draws must have tried exactly the values of `draws`, of number 0, 1 …

    Raises ValueError with the draw and what differs.
    """
    lines = list(csv.DictReader(io.StringIO(text)))
    if [line.get("draw") for line in lines] != [str(number) for number in range(len(draws))]:
        raise ValueError(f"it has {len(lines)} draws, and the search has draws 0 to {len(draws) - 1}, each once")
    trials = []
    for number, (line, wanted) in enumerate(zip(lines, draws, strict=True)):
        tried = {name: value for name, value in line.items() if name not in OUTCOME}
        expected = {name: str(value) for name, value in wanted.items()}
        if tried != expected:
            raise ValueError(f"draw {number} tried {tried}, and would try {expected} today")
        epoch = int(line["epoch"]) if line["epoch"] else None
        localisation, accuracy = (float(line[name]) if line[name] else None for name in OUTCOME[4:6])
        values = {name: wanted[name] for name in tried}
        trials.append(Trial(number, line["status"], values, epoch, localisation, accuracy, line["reason"]))
    return trials
