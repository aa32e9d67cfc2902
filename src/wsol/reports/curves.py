"""The runs at a glance: headline numbers as one JSON file, and curves of training and of thresholds as pictures."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsol.errors import DataError
from wsol.files import atomic_path, read_json

COLOURS = 6
"""Of the colour-blind style's cycle."""
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
    """Loss, accuracy and localisation on train-fullsup against the epoch, a line of panels a data set.

    histories: "dataset backbone method seed" → its train.csv. Networks of one method look alike, in every panel.
    """
    runs = {name: _read_history(Path(path)) for name, path in histories.items()}
    datasets = list(dict.fromkeys(name.split(" ")[0] for name in runs)) or [""]
    looks = _looks([_method(name) for name in runs])

    def draw(axes: Sequence[Any]) -> None:
        for row, dataset in enumerate(datasets):
            panels = axes[row * len(HISTORY) : (row + 1) * len(HISTORY)]
            for axis, (column, label) in zip(panels, HISTORY, strict=True):
                for name, run in runs.items():
                    points = [(float(line["epoch"]), float(line[column])) for line in run if line[column] != ""]
                    if name.split(" ")[0] == dataset and points:
                        # A single epoch is a point, and a line of one point is invisible.
                        mark = "o" if len(points) == 1 else ""
                        look = looks[_method(name)]
                        axis.plot(*zip(*points, strict=True), label=_method(name), marker=mark, markersize=4, **look)
                axis.set_xlabel("epoch")
                axis.set_ylabel(label)
                axis.set_title(dataset, fontsize=10)

    _page(draw, len(datasets), len(HISTORY), out, f"{title}: training and train-fullsup")


def draw_thresholds(scores: Mapping[str, str | Path], out: str | Path, title: str) -> None:
    """Box accuracy at IoU 0.5 (all contours) against the threshold; a line an attribution, a panel a data set.

    A data set that is scored by masks has its precision-recall curve instead. scores: "dataset backbone method seed
    attribution" → its score file; lines of one method and attribution look alike.
    """
    documents = {name: read_json(path) for name, path in scores.items()}
    datasets = sorted({document["cell"]["dataset"] for document in documents.values()})
    looks = _looks([_attribution(name) for name in documents])

    def draw(axes: Sequence[Any]) -> None:
        for axis, dataset in zip(axes, datasets, strict=True):
            axis.set_title(dataset, fontsize=10)
            for name, document in documents.items():
                if document["cell"]["dataset"] == dataset:
                    label = _attribution(name)
                    _draw_score(axis, document, {"label": label, **looks[label]})

    _page(draw, 1, len(datasets), out, f"{title}: threshold curves on the test split")


def _method(name: str) -> str:
    return " ".join(name.split(" ")[2:3]) or name


def _attribution(name: str) -> str:
    parts = name.split(" ")
    return f"{parts[2]}: {parts[4]}" if len(parts) > 4 else name


def _looks(labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """A colour and a dash for each label: by name and not by turn, so that one legend serves all panels."""
    looks = [(f"C{colour}", dash) for dash in ("-", "--", ":", "-.") for colour in range(COLOURS)]
    each = dict.fromkeys(labels)
    return {
        label: {"color": colour, "linestyle": dash, "linewidth": 1.5}
        for label, (colour, dash) in zip(each, itertools.cycle(looks), strict=False)
    }


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


def _page(draw: Any, rows: int, columns: int, out: str | Path, title: str) -> None:
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context(["default", "seaborn-v0_8-colorblind"]):
        figure = Figure(figsize=(4.2 * columns, 1.0 + 3.4 * rows), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        axes = list(figure.subplots(rows, columns, squeeze=False).flat)
        draw(axes)
        for axis in axes:
            axis.grid(alpha=0.3)
        handles: dict[str, Any] = {}
        for axis in axes:
            for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
                handles.setdefault(label, handle)
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=min(6, columns + 2), fontsize=8
        )
        figure.suptitle(title, fontsize=11)
        with atomic_path(out) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})
