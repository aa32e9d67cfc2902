"""The proxy subset: which rows it keeps, and lists that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wsol.data.manifest import Manifest, Row, validate
from wsol.data.proxy import proxy_subset, read_proxy
from wsol.errors import DataError

IDS = [f"train/n0{label}/n0{label}_{number}.JPEG" for label in (0, 1) for number in range(3)]


@pytest.fixture
def weak() -> Manifest:
    rows = [
        Row(name, index // 3, f"n0{index // 3}", 10 + index, 20, name, sha256=f"{index:064x}")
        for index, name in enumerate(IDS)
    ]
    return Manifest.from_rows("ILSVRC", "train-weaksup", "raw:ILSVRC", 2, "boxes", rows)


def written(folder: Path, lines: list[str]) -> Path:
    path = folder / "image_ids_proxy.txt"
    path.write_text("\n".join(lines))  # no newline at the end, as released
    return path


@pytest.mark.parametrize("prefix", ["train/", ""])
def test_the_rows_of_the_list_are_kept_in_the_order_of_the_manifest(
    weak: Manifest, tmp_path: Path, prefix: str
) -> None:
    named = [prefix + IDS[index].removeprefix("train/") for index in (4, 0, 5)]
    ids = read_proxy(written(tmp_path, named))
    assert ids == named
    subset = proxy_subset(weak, ids, "list")
    assert subset.image_ids == [IDS[index] for index in (0, 4, 5)]
    assert subset.labels.tolist() == [0, 1, 1]
    assert subset.sha256 == [weak.sha256[index] for index in (0, 4, 5)]
    assert subset.widths.tolist() == [10, 14, 15]
    assert subset.header == weak.header
    validate(subset)
    assert len(weak) == 6 and np.array_equal(weak.labels, [0, 0, 0, 1, 1, 1])


def test_ids_that_are_no_training_images_are_counted_and_named(weak: Manifest) -> None:
    with pytest.raises(
        DataError, match=r"list: val/1\.JPEG is no image of ILSVRC train-weaksup \(2 of 3 ids are not\)"
    ):
        proxy_subset(weak, [IDS[0], "val/1.JPEG", "val/2.JPEG"], "list")


def test_a_class_without_an_image_is_refused(weak: Manifest) -> None:
    with pytest.raises(DataError, match=r"list: ILSVRC train-weaksup: no image of class 1"):
        proxy_subset(weak, IDS[:3], "list")


def test_one_image_in_both_spellings_is_refused(weak: Manifest) -> None:
    with pytest.raises(DataError, match=rf"list: {IDS[3]} stands there twice"):
        proxy_subset(weak, [*IDS, IDS[3].removeprefix("train/")], "list")


def test_another_split_is_refused() -> None:
    row = Row("a", 0, "n00", 10, 10, "a", boxes=np.array([[0.0, 0, 1, 1]]))
    full = Manifest.from_rows("ILSVRC", "train-fullsup", "raw:ILSVRC", 1, "boxes", [row])
    with pytest.raises(DataError, match="a part of train-weaksup, not of train-fullsup"):
        proxy_subset(full, ["a"], "list")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "lists no image"),
        (["a.JPEG", "", "b.JPEG"], "line 2 is ''"),
        (["a.JPEG,3"], "line 1 is 'a.JPEG,3', not an image id"),
        (["a.JPEG", "b.JPEG", "a.JPEG"], "line 3: a.JPEG stands there twice"),
    ],
)
def test_broken_lists_are_named_with_their_line(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_proxy(written(tmp_path, lines))


def test_an_absent_list_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"image_ids_proxy\.txt: no such file; .*proxy: null"):
        read_proxy(tmp_path / "image_ids_proxy.txt")
    (tmp_path / "image_ids_proxy.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8 text"):
        read_proxy(tmp_path / "image_ids_proxy.txt")
