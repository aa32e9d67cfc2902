from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from wsol.data.manifest import write_manifest
from wsol.errors import DataError, ParameterError
from wsol.scoring import GroundTruth
from wsol.standalone.truth import read_truth

sys.path.insert(0, str(Path(__file__).parent))
from miniature import write_boxes, write_masks


def test_boxes_of_the_released_layout(tmp_path: Path) -> None:
    ids = write_boxes(tmp_path)
    truth = read_truth(tmp_path, "CUB", "test", None, None)
    assert (truth.manifest.image_ids, truth.manifest.num_classes) == (ids, 3)
    assert (truth.manifest.dataset, truth.manifest.split, truth.manifest.localisation) == ("CUB", "test", "boxes")
    assert truth.origin["files"]["localization.txt"] == "not the released file"
    assert len(truth.warnings) == 4 and "localization.txt: not the released file; numbers do" in truth.warnings[3]


def test_training_images_keep_their_boxes_and_unknown_files_are_told(tmp_path: Path) -> None:
    write_boxes(tmp_path, "Own", "train")
    for split in ("train", "train-weaksup"):
        truth = read_truth(tmp_path, "Own", split, None, None)
        assert truth.manifest.instances_per_image().min() >= 1
        (warning,) = truth.warnings
        assert "no checksums are known" in warning


def test_masks_of_the_released_layout(tmp_path: Path) -> None:
    ids, masks = write_masks(tmp_path)
    truth = read_truth(tmp_path, "OpenImages30k", "test", None, masks)
    assert (truth.manifest.dataset, truth.manifest.localisation) == ("OpenImages30k", "masks")
    found = GroundTruth(truth.manifest).masks(0, len(ids), 20)
    assert found is not None and found.shape == (6, 20, 20) and set(np.unique(found)) == {0, 1, 255}
    with pytest.raises(DataError, match=r"holds test/m0/0_0\.png with --masks"):
        read_truth(tmp_path, "OpenImages", "test", None, None)
    with pytest.raises(DataError, match="no such folder"):
        read_truth(tmp_path, "OpenImages", "test", None, tmp_path / "elsewhere")
    (masks / "test/m0/0_ignore.png").unlink()
    with pytest.raises(DataError, match=r"no mask test/m0/0_ignore\.png of image test/m0/0\.jpg"):
        read_truth(tmp_path, "OpenImages", "test", None, masks)


def test_a_manifest_gives_the_same(tmp_path: Path) -> None:
    write_boxes(tmp_path)
    released = read_truth(tmp_path, "CUB", "test", None, None)
    write_manifest(tmp_path / "test.parquet", released.manifest)
    truth = read_truth(None, None, None, tmp_path / "test.parquet", None)
    assert truth.manifest.image_ids == released.manifest.image_ids and truth.warnings == []
    assert all(map(np.array_equal, truth.manifest.boxes, released.manifest.boxes))
    with pytest.raises(ParameterError, match="is of CUB, but --dataset is ILSVRC"):
        read_truth(None, "ILSVRC", None, tmp_path / "test.parquet", None)
    with pytest.raises(ParameterError, match="not both"):
        read_truth(tmp_path, "CUB", "test", tmp_path / "test.parquet", None)


def test_a_manifest_of_masks_may_have_them_moved(tmp_path: Path) -> None:
    _, masks = write_masks(tmp_path)
    released = read_truth(tmp_path, "OpenImages", "test", None, masks)
    write_manifest(tmp_path / "test.parquet", released.manifest)
    moved = masks.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="OpenImages-masks: no such folder"):
        read_truth(None, None, None, tmp_path / "test.parquet", None)
    assert read_truth(None, None, None, tmp_path / "test.parquet", moved).manifest.masks == released.manifest.masks


@pytest.mark.parametrize("given", [(None, "CUB", "test"), ("m", None, "test"), ("m", "CUB", None)])
def test_a_ground_truth_must_be_named(given: tuple[str | None, ...]) -> None:
    with pytest.raises(ParameterError, match="--metadata DIR --dataset NAME --split NAME"):
        read_truth(*given, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("localization.txt", lambda text: "", "has neither boxes nor masks"),
        ("localization.txt", lambda text: "\n".join(text.splitlines()[-1:]), r"test_0\.jpg has no boxes"),
        ("image_sizes.txt", lambda text: "", r"size of image 000\.Class/test_0\.jpg is not known"),
        ("image_ids.txt", lambda text: text.replace("test_0", "test_00"), "class_labels.txt: line 1"),
    ],
)
def test_what_cannot_be_scored_is_named(file: str, change, message: str, tmp_path: Path) -> None:
    write_boxes(tmp_path)
    path = tmp_path / "CUB/test" / file
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message):
        read_truth(tmp_path, "CUB", "test", None, None)


def test_a_box_that_begins_outside_its_image_is_named(tmp_path: Path) -> None:
    write_boxes(tmp_path)
    path = tmp_path / "CUB/test/localization.txt"
    first, rest = path.read_text().split("\n", 1)
    size = (tmp_path / "CUB/test/image_sizes.txt").read_text().splitlines()[0].split(",")
    path.write_text(f"{first.split(',')[0]},{size[1]},0,{size[1]},5\n{rest}")
    with pytest.raises(DataError, match=r"of image 000\.Class/test_0\.jpg is not x0 y0 x1 y1 within"):
        read_truth(tmp_path, "CUB", "test", None, None)
