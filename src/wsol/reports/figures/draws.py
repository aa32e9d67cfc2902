"""What searches of hyperparameters tried: localisation and classification of every draw, against one hyperparameter."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wsol.errors import DataError
from wsol.reports.figures.curve_page import (
    CurvePage,
    Line,
    Number,
    Panel,
    left_out_sentence,
    metric_of,
    title_of_curves,
)
from wsol.search.choose import best, eligible, read_table
from wsol.search.trial import Trial


def draws_page(settings: Mapping[str, Any], files: Sequence[Path]) -> CurvePage:
    """The page of draws.csv files in the order of `wsol.config.curve_lines.line_files`; a row is a method's."""
    option, least_accuracy = settings["option"], settings["least_accuracy"]
    searches = [read_finished(path, option) for path in files]
    tried = [value for found in searches for value in values_of(found, option)]
    limits = (min(tried) / 1.3, max(tried) * 1.3)
    rows: dict[str, list[Panel]] = {}
    numbers: list[Number] = []
    for described, found in zip(settings["panels"], searches, strict=True):
        values = values_of(found, option)
        chosen = best(found, least_accuracy)
        marks = [] if chosen is None else values_of([chosen], option)
        lines = [
            Line(values, [trial.accuracy for trial in found], "top-1 classification", 0, marks=marks, dots=True),
            Line(values, [trial.localisation for trial in found], "localisation", 1, marks=marks, dots=True),
        ]
        # The panels are too low for the metric beside them.
        title = f"{described['row']}, {described['dataset']} ({metric_of(described)})"
        rows.setdefault(described["row"], []).append(
            Panel(title, "", "%", lines, x_limits=limits, y_limits=(0, 100), logarithmic_x=True)
        )
        numbers += _numbers(described, found, chosen, option)
    last = list(rows)[-1]
    rows[last] = [replace(panel, x_label=option.replace("_", " ")) for panel in rows[last]]
    condition = (
        f" with at least {least_accuracy:g} of the highest classification among the draws" if least_accuracy else ""
    )
    caption = (
        "A point is a network: a draw of a random search, in which the method's own options vary as well, or the "
        "values that the method had before, where these compete. "
        "Localisation by the data set's headline metric, and top-1 classification, both on train-fullsup. Ringed: the "
        f"draw that the search chose, by localisation{condition}. Draws that failed or were stopped early are left out."
    )
    page_settings = {**settings, "split": "train-fullsup"}
    return CurvePage(
        title_of_curves(page_settings), caption + left_out_sentence(settings), list(rows.values()), numbers
    )


def values_of(trials: Sequence[Trial], option: str) -> list[float]:
    return [float(trial.values[option]) for trial in trials]


def read_finished(path: Path, option: str) -> list[Trial]:
    """The finished draws of a draws.csv, with the one value asked for. DataError where that was not searched."""
    try:
        trials = read_table(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    searched = list(trials[0].values) if trials else []
    if option not in searched:
        raise DataError(f"{path}: {option} was not searched; there is {', '.join(searched) or 'no draw'}")
    found = [replace(trial, values={option: float(trial.values[option])}) for trial in trials if eligible(trial)]
    if not found or not all(math.isfinite(float(trial.values[option])) for trial in found):
        raise DataError(f"{path}: no draw finished; see the column `reason`")
    return found


def _numbers(described: Mapping[str, Any], found: Sequence[Trial], chosen: Trial | None, option: str) -> list[Number]:
    line = described["lines"][0]
    cell = (described["dataset"], described["backbone"], line["method"], line["attribution"])
    alone = best(found)
    median = statistics.median(trial.localisation or 0.0 for trial in found)
    numbers = [Number(*cell, "median_localisation", [median])]
    for name, trial in (("chosen", chosen), ("highest", alone)):
        if trial is not None:
            at = f"{trial.values[option]:g}"
            numbers.append(Number(*cell, f"{name}_localisation", [trial.localisation], at=at))
            numbers.append(Number(*cell, f"{name}_accuracy", [trial.accuracy], at=at))
    return numbers
