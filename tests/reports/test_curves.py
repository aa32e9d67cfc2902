"""Headline numbers, and what the curves' pictures show."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wsol.errors import DataError
from wsol.files import write_json
from wsol.reports import curves
from wsol.reports.cells import CELL_FIELDS
from wsol.reports.curves import draw_thresholds, draw_training, headline_numbers

Page = list[list[tuple[str, list[float], list[float], Any]]]


def history(path: Path, values: list[float]) -> Path:
    lines = ["epoch,learning_rate,loss,train_accuracy,val_accuracy,val_localisation"]
    lines += [
        f"{epoch},{0.1 if epoch else ''},{value if epoch else ''},,{value},{10 * value}"
        for epoch, value in enumerate(values)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def score(path: Path, dataset: str, **found: Any) -> Path:
    write_json(path, {"cell": {"dataset": dataset}, "curves": found})
    return path


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Page:
    """Label, x, y and look (colour and dash) of each line of each panel."""
    page: Page = []

    def capture(draw: Callable[[Any], None], rows: int, columns: int, out: Any, title: str) -> None:
        from matplotlib.figure import Figure

        axes = list(Figure().subplots(rows, columns, squeeze=False).flat)
        draw(axes)
        for axis in axes:
            lines = [
                (
                    str(line.get_label()),
                    np.asarray(line.get_xdata(), dtype=float).tolist(),
                    np.asarray(line.get_ydata(), dtype=float).tolist(),
                    (line.get_color(), line.get_linestyle()),
                )
                for line in axis.lines
            ]
            page.append(lines)

    monkeypatch.setattr(curves, "_page", capture)
    return page


def test_headline_numbers_are_the_measured_cells(tmp_path: Path) -> None:
    tidy = tmp_path / "tableB.cells.csv"
    rows = [("CAM", "a", "measured", "61.23456"), ("CAM", "b", "missing", ""), ("HaS", "a", "published-only", "")]
    rows += [("Center", "a", "measured", "0.0"), ("CAM", "c, d", "measured", "100.0")]
    with tidy.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, CELL_FIELDS, restval="")
        writer.writeheader()
        for row, column, status, value in rows:
            writer.writerow({"row": row, "column": column, "status": status, "value": value})
    empty = tmp_path / "tableC.cells.csv"
    empty.write_text(",".join(CELL_FIELDS) + "\n")
    numbers = headline_numbers({"tableB": tidy, "tableC": empty})
    assert numbers == {"tableB": {"CAM": {"a": 61.235, "c, d": 100.0}, "Center": {"a": 0.0}}}
    json.dumps(numbers, allow_nan=False)


def test_training_curves_hold_every_epoch_that_has_a_number(tmp_path: Path, drawn: Page) -> None:
    runs = {
        "synthbirds resnet50 cam s0": history(tmp_path / "a.csv", [3.0, 2.0, 1.0]),
        "synthnet resnet50 cam s0": history(tmp_path / "b.csv", [5.0, 4.0]),
    }
    draw_training(runs, tmp_path / "training.png", "scale demo")
    assert len(drawn) == 6, "three panels a data set"
    loss, accuracy, localisation = drawn[:3]
    assert [line[:3] for line in loss] == [("cam", [1, 2], [2, 1])], "the untrained network has no training loss"
    assert [line[1:3] for line in accuracy] == [([0, 1, 2], [3, 2, 1])]
    assert [line[1:3] for line in localisation] == [([0, 1, 2], [30, 20, 10])]
    assert [line[1:3] for line in drawn[4]] == [([0, 1], [5, 4])]
    assert len({line[3] for panel in drawn for line in panel}) == 1, "one legend serves all panels"


def test_a_dozen_methods_are_told_apart(tmp_path: Path, drawn: Page) -> None:
    run = history(tmp_path / "a.csv", [3.0, 2.0])
    draw_training({f"synthnet resnet50 method{index} s0": run for index in range(12)}, tmp_path / "x.png", "scale demo")
    assert len({line[3] for line in drawn[0]}) == 12


def test_threshold_curves_have_a_panel_a_data_set_and_one_colour_an_attribution(tmp_path: Path, drawn: Page) -> None:
    scores = {
        "synthnet resnet50 cam s0 cam": score(tmp_path / "1", "synthnet", **{"BoxAccV2@50": [10.0, 40.0, 30.0, 0.0]}),
        "synthnet none center s0 center": score(tmp_path / "2", "synthnet", **{"BoxAccV2@50": [5.0, 6.0, 7.0, 8.0]}),
        "synthbirds none center s0 center": score(tmp_path / "3", "synthbirds", **{"BoxAccV2@50": [1.0, 2.0]}),
        "synthobjects none center s0 center": score(
            tmp_path / "4", "synthobjects", PxAP={"recall": [0.0, 0.5, 1.0], "precision": [None, 0.75, 0.5]}
        ),
        "synthobjects resnet50 cam s0 cam": score(
            tmp_path / "5", "synthobjects", PxAP={"recall": [0.0, 1.0], "precision": [1.0, 0.25]}
        ),
    }
    draw_thresholds(scores, tmp_path / "thresholds.png", "scale demo")
    birds, net, objects = drawn
    assert [line[:3] for line in birds] == [("center: center", [0, 0.5], [1, 2])]
    assert [line[:3] for line in net] == [
        ("cam: cam", [0, 0.25, 0.5, 0.75], [10, 40, 30, 0]),
        ("center: center", [0, 0.25, 0.5, 0.75], [5, 6, 7, 8]),
    ]
    assert objects[0][1] == [0, 0.5, 1] and objects[0][2][1:] == [0.75, 0.5] and np.isnan(objects[0][2][0])
    colours = {(label, colour) for panel in drawn for label, _, _, colour in panel}
    assert len(colours) == len({label for label, _ in colours}) == 2, "one legend serves all panels"


def test_the_same_numbers_make_the_same_picture(tmp_path: Path) -> None:
    from PIL import Image

    runs = {"synthbirds resnet50 cam s0": history(tmp_path / "a.csv", [3.0, 2.0, 1.0])}
    scores = {"synthnet none center s0 center": score(tmp_path / "1", "synthnet", **{"BoxAccV2@50": [1.0, 2.0]})}
    for name in ("first", "second"):
        draw_training(runs, tmp_path / f"{name}/training.png", "scale demo")
        draw_thresholds(scores, tmp_path / f"{name}/thresholds.png", "scale demo")
    for picture in ("training.png", "thresholds.png"):
        first, second = (tmp_path / name / picture for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
        with Image.open(first) as image:
            assert image.format == "PNG" and image.width > 400 and len(image.getcolors(10**6) or []) > 10
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == ["thresholds.png", "training.png"]


def test_a_scale_without_networks_has_an_empty_page_of_training(tmp_path: Path) -> None:
    draw_training({}, tmp_path / "training.png", "scale demo")
    assert (tmp_path / "training.png").stat().st_size > 0


@pytest.mark.parametrize("text", ["", "epoch,loss\n", "epoch,loss,val_accuracy\n1,2,3\n"])
def test_a_history_without_its_columns_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(
        DataError, match=r"train\.csv: no column (loss|val_localisation); delete the file and train again"
    ):
        draw_training({"a": tmp_path / "train.csv"}, tmp_path / "out.png", "x")
