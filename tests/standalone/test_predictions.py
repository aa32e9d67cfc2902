from __future__ import annotations

from pathlib import Path

import pytest

from wsol.errors import DataError
from wsol.standalone.predictions import read_predictions

IDS = ["a/1.jpg", "a/2.jpg", "b/3.jpg"]


@pytest.mark.parametrize("head", ["", "image_id,first,second\n"])
def test_lines_may_come_in_any_order(head: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text(head + "b/3.jpg,2,0\na/1.jpg,1,2\na/2.jpg,0,1\n")
    assert read_predictions(path, IDS, IDS).tolist() == [[1, 2], [0, 1], [2, 0]]
    assert read_predictions(path, IDS[1:], IDS).tolist() == [[0, 1], [2, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a/1.jpg,1\na/2.jpg,0\n", r"no line for image b/3\.jpg \(1 of 3"),
        ("a/1.jpg,1\na/1.jpg,0\n", r"line 2: a/1\.jpg stands there twice"),
        ("c/4.jpg,1\n", r"line 1: c/4\.jpg is no image of this split"),
        ("a/1.jpg,cat\n", "line 1: 'cat' is not a list of class indices"),
        ("a/1.jpg,-1\n", "line 1: '-1' is not"),
        ("a/1.jpg\n", "line 1: '' is not"),
        ("a/1.jpg,1\na/2.jpg,0,2\n", "line 2: 2 classes, but the lines above"),
    ],
)
def test_errors_name_the_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_predictions(path, IDS, IDS)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file of predictions"):
        read_predictions(tmp_path / "none.csv", IDS, IDS)
