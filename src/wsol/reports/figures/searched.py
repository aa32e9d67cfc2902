"""Figure D.2 of F-CAM: localisation on train-fullsup of the draws of a search, against the one option drawn."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from wsol.errors import DataError
from wsol.reports.figures.curve_page import (
    CurvePage,
    Line,
    Number,
    Panel,
    in_rows,
    left_out_sentence,
    metric_of,
    panel_title,
    title_of_curves,
)
from wsol.reports.figures.draws import read_finished
from wsol.search.choose import OUTCOME

MEASURE = "val_localisation"


def search_page(settings: Mapping[str, Any], files: Sequence[Path]) -> CurvePage:
    """The page of draws.csv files in the order of `wsol.config.curve_lines.line_files`."""
    option, symbol = settings["option"], settings["symbol"] or settings["option"].removeprefix("options.")
    every = [read_draws(path, option) for path in files]
    left = iter(every)
    tried = [value for runs in every for value, _ in runs]
    margin = 0.05 * (max(tried) - min(tried)) or 0.05
    panels, numbers = [], []
    for described in settings["panels"]:
        lines = []
        for line in described["lines"]:
            runs = next(left)
            by_value: dict[float, list[float]] = {}
            for value, localisation in sorted(runs):
                by_value.setdefault(value, []).append(localisation)
            lines.append(Line([value for value, _ in runs], [each for _, each in runs], "a run", 2, dots=True))
            means: list[float | None] = [fmean(each) for each in by_value.values()]
            lines.append(Line(list(by_value), means, "mean of the runs of a value", 1))
            cell_columns = (described["dataset"], described["backbone"], line["method"], line["attribution"])
            numbers += [Number(*cell_columns, MEASURE, each, at=f"{value:g}") for value, each in by_value.items()]
        panels.append(
            Panel(
                panel_title(settings, described),
                symbol,
                f"{metric_of(described)}, %",
                lines,
                x_limits=(min(tried) - margin, max(tried) + margin),
                y_limits=(0, 100),
            )
        )
    caption = (
        f"Draws of a random search of {symbol} alone, all else fixed: localisation on train-fullsup by the metric on "
        "the axis, of the epoch whose weights each draw would keep. Draws that failed or were stopped early are left "
        "out."
    )
    page_settings = {**settings, "split": "train-fullsup"}
    return CurvePage(
        title_of_curves(page_settings), caption + left_out_sentence(settings), in_rows(settings, panels), numbers
    )


def read_draws(path: Path, option: str) -> list[tuple[float, float]]:
    """(value of the option, localisation in per cent) of every finished draw. DataError where something else varies."""
    with open(path, encoding="utf-8", newline="") as stream:
        searched = [name for name in next(csv.reader(stream), []) if name not in OUTCOME]
    if searched != [option]:
        raise DataError(f"{path}: draws of {', '.join(searched) or 'nothing'}; the figure needs {option} and no other")
    return [(float(trial.values[option]), trial.localisation or 0.0) for trial in read_finished(path, option)]
