from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from wsol.data.released import OTHER, RELEASED, UNKNOWN, read_released, released_checksums
from wsol.errors import DataError

FILES = {
    "image_ids.txt": "a/1.jpg\na/2.jpg\nb/3.jpg",
    "class_labels.txt": "a/1.jpg,0\na/2.jpg,0\nb/3.jpg,1",
    "image_sizes.txt": "a/1.jpg,500,335\na/2.jpg,100,80\nb/3.jpg,64,64",
    "localization.txt": "a/1.jpg,60,27,385,331\nb/3.jpg,0,0,63,63\na/2.jpg,10,20,30,40\nb/3.jpg,5,6,7,8",
}


@pytest.fixture
def folder(tmp_path) -> Path:
    result = tmp_path / "CUB" / "val"
    result.mkdir(parents=True)
    for name, content in FILES.items():
        (result / name).write_text(content)
    return result


def test_boxes_are_sorted_by_image_and_keep_their_order_within_one(folder):
    truth = read_released(folder.parents[1], "CUB", "val")
    assert truth.image_ids == ["a/1.jpg", "a/2.jpg", "b/3.jpg"]
    assert truth.labels.tolist() == [0, 0, 1]
    assert truth.sizes.tolist() == [[500, 335], [100, 80], [64, 64]]
    assert truth.owners.tolist() == [0, 1, 2, 2]
    assert truth.boxes_of(0).tolist() == [[60, 27, 385, 331]]
    assert truth.boxes_of(2).tolist() == [[0, 0, 63, 63], [5, 6, 7, 8]]


def test_splits_go_by_either_name_and_a_last_newline_is_allowed(folder):
    for name, content in FILES.items():
        (folder / name).write_text(content + "\n")
    ours, theirs = (read_released(folder.parents[1], "CUB", split) for split in ("train-fullsup", "val"))
    assert ours.image_ids == theirs.image_ids
    assert (ours.boxes == theirs.boxes).all()


def test_labels_are_read_only_if_wanted(folder):
    (folder / "class_labels.txt").unlink()
    assert read_released(folder.parents[1], "CUB", "val", with_labels=False).labels is None
    with pytest.raises(DataError, match=r"class_labels\.txt: no such file"):
        read_released(folder.parents[1], "CUB", "val")


def test_masks_and_the_one_ignore_mask_of_an_image(folder):
    (folder / "image_sizes.txt").write_text("")
    (folder / "localization.txt").write_text("a/1.jpg,m1.png,ig.png\na/1.jpg,m2.png,\nb/3.jpg,m3.png,")
    truth = read_released(folder.parents[1], "CUB", "val")
    assert truth.sizes is None
    assert truth.boxes.shape == (0, 4)
    assert truth.masks == [["m1.png", "m2.png"], [], ["m3.png"]]
    assert truth.ignore == ["ig.png", None, None]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("image_ids.txt", "a/1.jpg\na/1.jpg\nb/3.jpg", "twice"),
        ("class_labels.txt", "a/2.jpg,0\na/1.jpg,0\nb/3.jpg,1", r"class_labels\.txt: line 1 is about a/2\.jpg"),
        ("class_labels.txt", "a/1.jpg,0\na/2.jpg,0", "after 2 of 3"),
        ("class_labels.txt", FILES["class_labels.txt"] + "\nc/4.jpg,1", "the end of the file"),
        ("class_labels.txt", "a/1.jpg,zero\na/2.jpg,0\nb/3.jpg,1", "expected integers"),
        ("class_labels.txt", "a/1.jpg\na/2.jpg,0\nb/3.jpg,1", "line 1 is 'a/1.jpg'; expected 2 fields"),
        ("image_sizes.txt", "a/1.jpg,500,0\na/2.jpg,100,80\nb/3.jpg,64,64", r"of a/1\.jpg is not positive"),
        ("localization.txt", "c/4.jpg,0,0,1,1", r"line 1 is about c/4\.jpg"),
        ("localization.txt", "a/1.jpg,9,0,1,1", "x0,y0,x1,y1"),
        ("localization.txt", "a/1.jpg,-1,0,1,1", "x0,y0,x1,y1"),
        ("localization.txt", "a/1.jpg,a,0,1,1", "four numbers"),
        ("localization.txt", "a/1.jpg,0,0,501,1", "500 x 335"),
        ("localization.txt", "a/1.jpg,0,0,1", "expected 3 or 5 fields"),
    ],
)
def test_broken_files_are_refused_with_file_and_line(folder, file, content, message):
    (folder / file).write_text(content)
    with pytest.raises(DataError, match=message):
        read_released(folder.parents[1], "CUB", "val")


def test_a_missing_folder_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="WSOL_DATA"):
        read_released(tmp_path, "CUB", "test")


def test_changed_and_unknown_files_are_told_from_released_ones(folder, tmp_path):
    assert released_checksums(folder.parents[1], "CUB", "val") == dict.fromkeys(sorted(FILES), OTHER)
    (tmp_path / "Own" / "test").mkdir(parents=True)
    (tmp_path / "Own" / "test" / "image_ids.txt").write_text("1.jpg")
    assert released_checksums(tmp_path, "Own", "test") == {"image_ids.txt": UNKNOWN}


@pytest.mark.parametrize(
    ("dataset", "split", "images", "boxes", "masks"),
    [
        ("CUB", "train-weaksup", 5994, 5994, 0),
        ("CUB", "train-fullsup", 1000, 1000, 0),
        ("CUB", "test", 5794, 5794, 0),
        ("ILSVRC", "train-fullsup", 10000, 18532, 0),
        ("ILSVRC", "test", 50000, 80477, 0),
        ("OpenImages", "train-fullsup", 2500, 0, 3854),
        ("OpenImages", "test", 5000, 0, 7632),
    ],
)
def test_real_files_have_the_published_counts(dataset, split, images, boxes, masks):
    root = Path(os.environ.get("WSOL_DATA", "../shared/data")) / "wsol-metadata"
    if not root.is_dir():
        pytest.skip("set WSOL_DATA to the folder with wsol-metadata")
    truth = read_released(root, dataset, split)
    assert len(truth.image_ids) == images
    assert len(truth.boxes) == boxes
    assert sum(map(len, truth.masks)) == masks
    assert np.unique(truth.labels).size == {"CUB": 200, "ILSVRC": 1000, "OpenImages": 100}[dataset]
    assert set(released_checksums(root, dataset, split).values()) == {RELEASED}
