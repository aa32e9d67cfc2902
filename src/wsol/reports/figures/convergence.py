"""Figure F.9 of F-CAM: classification and localisation on train-fullsup over the epochs, and the epoch that is kept."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsol.config.curve_lines import line_cells
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
from wsol.training.kept import kept_epoch

SHOWN = (("val_accuracy", "classification"), ("val_localisation", "localisation"))


def convergence_page(settings: Mapping[str, Any], files: Sequence[Path]) -> CurvePage:
    """The page of train.csv files in the order of `wsol.config.curve_lines.line_files`, one method a panel."""
    left = iter(files)
    panels, numbers = [], []
    for described in settings["panels"]:
        lines = []
        for line in described["lines"]:
            kept: list[tuple[float, ...]] = []
            for _ in line_cells(settings, described, line):
                history = read_history(next(left))
                epoch = kept_epoch(history, line["checkpoint"])
                epochs = [row["epoch"] for row in history]
                for look, (column, label) in enumerate(SHOWN):
                    values = [row[column] for row in history]
                    lines.append(Line(epochs, values, label, look, marks=[epoch]))
                chosen = next(row for row in history if row["epoch"] == epoch)
                best = max(row["val_localisation"] for row in history)
                kept.append((epoch, chosen["val_accuracy"], chosen["val_localisation"], best))
            cell_columns = (described["dataset"], described["backbone"], line["method"], line["attribution"])
            names = ("selected_epoch", "selected_classification", "selected_localisation", "best_localisation")
            numbers += [
                Number(*cell_columns, name, each) for name, each in zip(names, zip(*kept, strict=True), strict=True)
            ]
        title = panel_title(settings, described)
        measured = f"top-1 and {metric_of(described)}, %"
        panels.append(Panel(title, "epoch", measured, lines, y_limits=(0, 100), whole_x=True))
    rules = {line["label"]: line["checkpoint"] for panel in settings["panels"] for line in panel["lines"]}
    rule = {
        "best": "of the highest localisation (the first of several)",
        "last": "the last, as its protocol has it",
    }
    caption = (
        "Top-1 classification, and localisation by the metric on the axis, after each epoch; epoch 0 is before "
        "the first. The red ring is the epoch whose weights are kept: "
        + "; ".join(f"{label}: {rule[checkpoint]}" for label, checkpoint in rules.items())
        + ". One line a seed."
    )
    return CurvePage(
        title_of_curves({**settings, "split": "train-fullsup"}),
        caption + left_out_sentence(settings),
        in_rows(settings, panels),
        numbers,
    )


def read_history(path: Path) -> list[dict[str, float]]:
    """Epoch, classification and localisation of each line of a train.csv. Raises DataError where one is lacking."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; train the network again")
    with open(path, encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    columns = ["epoch", *(column for column, _ in SHOWN)]
    if not lines or any(not line.get(column) for line in lines for column in columns):
        raise DataError(f"{path}: an epoch lacks one of {', '.join(columns)}; delete the file and train again")
    return [{column: float(line[column]) for column in columns} for line in lines]
