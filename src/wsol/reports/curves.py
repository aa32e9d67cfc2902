"""The runs at a glance: headline numbers as one JSON file, and curves of training and of thresholds as pictures."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsol.errors import DataError
from wsol.files import atomic_path, read_json

HISTORY = (("loss", "training loss"), ("val_accuracy", "accuracy, %"), ("val_localisation", "localisation, %"))


def headline_numbers(cell_tables: Mapping[str, str | Path]) -> dict[str, Any]:
    """{table: {row: {column: value}}} of the measured cells of tidy tables <table>.cells.csv."""
    numbers: dict[str, Any] = {}
    for table, path in cell_tables.items():
        with open(path, encoding="utf-8", newline="") as stream:
            for line in csv.DictReader(stream):
                if line["status"] == "measured":
                    row = numbers.setdefault(table, {}).setdefault(line["row"], {})
                    row[line["column"]] = round(float(line["value"]), 3)
    return numbers


def draw_training(histories: Mapping[str, str | Path], out: str | Path, title: str) -> None:
    """Loss, accuracy and localisation on train-fullsup against the epoch; one line a model (train.csv of each)."""
    runs = {name: _read_history(Path(path)) for name, path in histories.items()}

    def draw(axes: Sequence[Any]) -> None:
        for axis, (column, label) in zip(axes, HISTORY, strict=True):
            for name, run in runs.items():
                points = [(float(row["epoch"]), float(row[column])) for row in run if row[column] != ""]
                axis.plot(*zip(*points, strict=True), label=name, linewidth=1.5)
            axis.set_xlabel("epoch")
            axis.set_ylabel(label)

    _page(draw, len(HISTORY), out, f"{title}: training and train-fullsup")


def draw_thresholds(scores: Mapping[str, str | Path], out: str | Path, title: str) -> None:
    """Box accuracy at IoU 0.5 (all contours) against the threshold; a line an attribution, a panel a data set.

    A data set that is scored by masks has its precision-recall curve instead.
    """
    documents = {name: read_json(path) for name, path in scores.items()}
    datasets = sorted({document["cell"]["dataset"] for document in documents.values()})
    # By name and not by turn: a data set may lack an attribution that another has, and one legend serves both.
    labels = list(dict.fromkeys(name.partition(" ")[2] for name in documents))
    colours = {label: f"C{index}" for index, label in enumerate(labels)}

    def draw(axes: Sequence[Any]) -> None:
        for axis, dataset in zip(axes, datasets, strict=True):
            axis.set_title(dataset, fontsize=10)
            for name, document in documents.items():
                if document["cell"]["dataset"] == dataset:
                    label = name.partition(" ")[2]
                    _draw_score(axis, document, {"label": label, "color": colours[label], "linewidth": 1.5})

    _page(draw, len(datasets), out, f"{title}: threshold curves on the test split")


def _draw_score(axis: Any, document: Mapping[str, Any], line: Mapping[str, Any]) -> None:
    curves = document["curves"]
    if "BoxAccV2@50" in curves:
        curve = curves["BoxAccV2@50"]
        axis.plot([index / len(curve) for index in range(len(curve))], curve, **line)
        axis.set_xlabel("threshold, share of the map's maximum")
        axis.set_ylabel("images with IoU ≥ 0.5, %")
        return
    curve = curves["PxAP"]
    axis.plot(curve["recall"], curve["precision"], **line)
    axis.set_xlabel("recall over all pixels")
    axis.set_ylabel("precision")


def _read_history(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    lacking = [column for column, _ in HISTORY if not rows or column not in rows[0]]
    if lacking:
        raise DataError(f"{path}: no column {lacking[0]}; delete the file and train again")
    return rows


def _page(draw: Any, panels: int, out: str | Path, title: str) -> None:
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context(["default", "seaborn-v0_8-colorblind"]):
        figure = Figure(figsize=(4.2 * panels, 4.6), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        axes = list(figure.subplots(1, panels, squeeze=False)[0])
        draw(axes)
        for axis in axes:
            axis.grid(alpha=0.3)
        handles: dict[str, Any] = {}
        for axis in axes:
            for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
                handles.setdefault(label, handle)
        columns = max(1, min(4, panels + 1))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns, fontsize=8)
        figure.suptitle(title, fontsize=11)
        with atomic_path(out) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})
