"""Contact sheets: the layout, and that each kind of ground truth leaves its mark."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from wsol.data.preview import Example, annotated, archive_examples, contact_sheet, example_of, preview_archive
from wsol.data.synthetic import render, write_archive
from wsol.errors import DataError


def grey(**truth: object) -> Example:
    return Example(np.full((50, 50, 3), 128, dtype=np.uint8), "thing", **truth)  # type: ignore[arg-type]


def changed(example: Example) -> np.ndarray:
    return (annotated(example, 100) != 128).any(axis=2)


def test_nothing_known_changes_nothing() -> None:
    assert not changed(grey()).any()


def test_a_box_is_a_frame_at_its_place() -> None:
    marks = changed(grey(boxes=[[10, 20, 30, 40]]))
    rows, columns = np.flatnonzero(marks.any(axis=1)), np.flatnonzero(marks.any(axis=0))
    assert (columns[0], columns[-1], rows[0], rows[-1]) == (20, 60, 40, 80)
    assert not marks[50:70, 30:50].any()


def test_masks_parts_ignore_and_keypoints_leave_marks() -> None:
    mask = np.zeros((50, 50), dtype=bool)
    mask[10:20, 10:20] = True
    outline = changed(grey(masks=[mask]))
    assert outline[20, 20:40].all() and not outline[24:36, 24:36].any()
    filled = changed(grey(parts=mask.astype(np.uint8)))
    assert np.array_equal(filled, np.kron(mask, np.ones((2, 2), dtype=bool)))
    assert changed(grey(ignore=mask))[20:40, 20:40].all()
    assert changed(grey(keypoints=[("eye", 25.0, 25.0, True)]))[50, 50]
    assert not changed(grey(keypoints=[("eye", 25.0, 25.0, False)])).any()


def test_sheet_has_a_heading_and_rows_a_class() -> None:
    examples = [Example(grey().image, name) for name in ("a", "b", "a", "a")]
    sheet = contact_sheet(examples, per_row=2, tile=60)
    assert sheet.shape == (2 * 22 + 3 * 64, 2 * 124 + 4, 3)
    with pytest.raises(DataError, match="at least one example"):
        contact_sheet([])


def test_archive_preview_matches_the_renderer(tmp_path: Path) -> None:
    archive = tmp_path / "images.zip"
    write_archive(archive, "synthbirds", 0, 48, {"test": 2}, 3)
    examples = archive_examples(archive, "test", 1)
    assert len(examples) == 3 and len({example.class_name for example in examples}) == 3
    direct = example_of(render("synthbirds", 0, 0, 48, split="test", num_classes=3), examples[0].class_name)
    assert np.array_equal(annotated(examples[0], 96), annotated(direct, 96))
    written = preview_archive(archive, "test", tmp_path / "sheet.png", per_class=2, tile=80)
    assert cv2.imread(str(written)).shape == (3 * (22 + 84), 2 * 164 + 4, 3)


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.zip: no such file"):
        archive_examples(tmp_path / "nowhere.zip", "test", 1)
    (tmp_path / "bad.zip").write_bytes(b"not a zip")
    with pytest.raises(DataError, match=r"bad\.zip: not an archive"):
        archive_examples(tmp_path / "bad.zip", "test", 1)
    write_archive(tmp_path / "images.zip", "synthnet", 0, 48, {"test": 1}, 2)
    with pytest.raises(DataError, match="no split 'train-weaksup'"):
        archive_examples(tmp_path / "images.zip", "train-weaksup", 1)
