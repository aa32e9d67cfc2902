"""Which draw wins, and the table of all of them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from wsol.search.trial import FINISHED, Trial


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
    return (False, -value) if eligible(trial) and value is not None else (True, 0.0)


def table(trials: Sequence[Trial]) -> str:
    """CSV, a line a draw in the order of the draws: rank, outcome, and the value of every hyperparameter."""
    place = {trial.draw: number for number, trial in enumerate(ranking(trials), start=1)}
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["draw", "rank", "status", "epoch", "val_localisation", "val_accuracy", *names, "reason"])
    for trial in sorted(trials, key=lambda trial: trial.draw):
        numbers = ["" if value is None else f"{value:.6g}" for value in (trial.localisation, trial.accuracy)]
        epoch = "" if trial.epoch is None else str(trial.epoch)
        values = [str(trial.values.get(name, "")) for name in names]
        writer.writerow([trial.draw, place[trial.draw], trial.status, epoch, *numbers, *values, trial.reason])
    return stream.getvalue()
