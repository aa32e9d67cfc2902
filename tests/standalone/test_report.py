from __future__ import annotations

import copy
import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsol.standalone.picture import write_pictures
from wsol.standalone.report import COLUMNS, Scores, curves_csv, rows, table

BOXES: dict[str, Any] = {
    "dataset": "CUB",
    "split": "test",
    "n_images": 4,
    "image_size": 224,
    "parameters": {"boxes": {"thresholds": 4}},
    "values": {"MaxBoxAcc": 75.0, "MaxBoxAccV2": 62.5},
    "thresholds": {"MaxBoxAcc": 0.25},
    "threshold_index": {"MaxBoxAcc": 1},
    "curves": {"MaxBoxAcc": [50.0, 75.0, 25.0, 0.0]},
    "counts": {"nan_maps": 1, "constant_maps": 2, "empty_maps": 3},
    "not_as_in_the_papers": ["boxes.thresholds: 4 instead of 1000"],
    "intervals": {"values": {"MaxBoxAcc": [50.0, 100.0]}, "fixed": {"MaxBoxAcc": [1 / 3, 2.0]}},
    "fixed": {"threshold": 0.5, "thresholds": {"MaxBoxAcc": 0.5}, "values": {"MaxBoxAcc": 25.0}},
    "breakdown": {
        "sizes": {
            "names": ["small", "large"],
            "edges": [0.0, 0.25, 1.0],
            "n": [0, 4],
            "values": {"MaxBoxAcc": {"value": [None, 75.0]}},
        }
    },
}
PIXELS: dict[str, Any] = {
    **{key: BOXES[key] for key in ("dataset", "split", "n_images", "image_size", "counts")},
    "parameters": {"masks": {"thresholds": 2}},
    "values": {"PxAP": 60.0},
    "thresholds": {},
    "curves": {"PxAP": {"thresholds": [0.0, 0.5, 1.0], "precision": [0.5, 0.75, None], "recall": [1.0, 0.6, 0.0]}},
    "not_as_in_the_papers": [],
}


def test_the_table_can_be_read() -> None:
    assert table(BOXES).splitlines() == [
        "CUB test: 4 maps, scored at 224 x 224",
        "",
        "at the best threshold on these images",
        "metric       value    95 % interval  threshold  n",
        "MaxBoxAcc    75.00  50.00 to 100.00       0.25  4",
        "MaxBoxAccV2  62.50                              4",
        "",
        "at the fixed threshold 0.5",
        "metric     value  95 % interval  threshold  n",
        "MaxBoxAcc  25.00   0.33 to 2.00        0.5  4",
        "",
        "by size of the object      small      large",
        "share of the frame     0 to 0.25  0.25 to 1",
        "MaxBoxAcc                             75.00",
        "n                              0          4",
        "",
        "maps with NaN: 1, constant: 2, empty: 3",
        "not as in the papers: boxes.thresholds: 4 instead of 1000",
    ]
    assert table(PIXELS).splitlines()[2:5] == [
        "over all thresholds",
        "metric  value  threshold  n",
        "PxAP    60.00             4",
    ]


def test_rows_and_files_keep_every_digit(tmp_path: Path) -> None:
    document = copy.deepcopy(BOXES)
    document["values"]["MaxBoxAcc"] = 100 / 3
    assert [tuple(row) for row in rows(document)] == [COLUMNS] * 3
    Scores(document, {}).write(tmp_path / "x")
    with open(tmp_path / "x.csv", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert float(lines[0]["value"]) == 100 / 3
    assert lines[1] == {
        "policy": "best",
        "metric": "MaxBoxAccV2",
        "value": "62.5",
        "low": "",
        "high": "",
        "threshold": "",
        "n": "4",
    }
    assert (lines[2]["policy"], lines[2]["low"]) == ("fixed", repr(1 / 3))


def test_curves_have_a_line_a_threshold() -> None:
    assert list(csv.reader(io.StringIO(curves_csv(BOXES))))[:3] == [
        ["threshold", "MaxBoxAcc"],
        ["0.0", "50.0"],
        ["0.25", "75.0"],
    ]
    assert list(csv.reader(io.StringIO(curves_csv(PIXELS))))[-1] == ["1.0", "", "0.0"]


@pytest.mark.parametrize("document", [BOXES, PIXELS], ids=["boxes", "masks"])
def test_pictures_have_the_same_bytes_each_time_and_are_drawn(document: dict[str, Any], tmp_path: Path) -> None:
    first, second = ([tmp_path / f"{name}{suffix}" for suffix in (".png", ".pdf")] for name in ("a", "b"))
    write_pictures(first, document)
    write_pictures(second, document)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert first[1].read_bytes().startswith(b"%PDF")
    colours = np.unique(np.asarray(Image.open(first[0]).convert("RGB")).reshape(-1, 3), axis=0)
    assert [0, 114, 178] in colours.tolist()


def test_a_single_threshold_can_be_drawn(tmp_path: Path) -> None:
    document = copy.deepcopy(BOXES)
    document["parameters"]["boxes"]["thresholds"] = [0.25]
    document["curves"]["MaxBoxAcc"] = [75.0]
    write_pictures([tmp_path / "one.png"], document)
    assert (tmp_path / "one.png").stat().st_size > 0
