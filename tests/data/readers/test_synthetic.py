"""The reader of rendered archives, on an archive made here."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsol.data.images import load_images
from wsol.data.manifest import SPLITS, TEST, TRAIN_WEAKSUP, Keypoint, validate
from wsol.data.masks import load_masks, load_parts
from wsol.data.readers._common import ReadOptions
from wsol.data.readers.synthetic import read
from wsol.errors import DataError

OPTIONS = ReadOptions("synthbirds", threads=1)
CLASSES = {
    "dataset": "synthbirds",
    "classes": [
        {"index": index, "name": name, "wnid": None, "path": ["bird"], "attributes": {"beak": "long"}}
        for index, name in enumerate(("red wren", "blue wren"))
    ],
}


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def archive(path: Path, **changes: Any) -> str:
    """Two images a split, of one class each; `changes` replace fields of every image."""
    annotations: dict[str, Any] = {"dataset": "synthbirds", "seed": 0, "size": 8, "splits": {}}
    with zipfile.ZipFile(path / "images.zip", "w") as stream:
        for split in SPLITS:
            listed = []
            for label in (0, 1):
                name = f"{split}/%s/{label:05d}.png"
                stream.writestr(name % "images", png(np.full((8, 8, 3), 40 * label, dtype=np.uint8)))
                instance = np.zeros((8, 8), dtype=np.uint8)
                instance[2:5, 1:8] = 255
                stream.writestr(name % "masks", png(instance))
                stream.writestr(name % "parts", png(instance // 85))
                listed.append(
                    {
                        "image_id": f"{split}/{label:05d}",
                        "class_index": label,
                        "width": 8,
                        "height": 8,
                        "image": name % "images",
                        "boxes": [[1, 2, 7, 5]],
                        "masks": [name % "masks"],
                        "ignore": None,
                        "parts": name % "parts",
                        "keypoints": [{"name": "left eye", "x": 1.25, "y": 2.0, "visible": True}],
                        **changes,
                    }
                )
            annotations["splits"][split] = listed
        stream.writestr("annotations.json", json.dumps(annotations))
        stream.writestr("classes.json", json.dumps(CLASSES))
    return str(path / "images.zip")


def test_an_archive_reads_whole(tmp_path: Path) -> None:
    splits = read(archive(tmp_path), OPTIONS)
    assert splits.classes == CLASSES["classes"]
    assert list(splits.manifests) == list(SPLITS)
    for manifest in splits.manifests.values():
        validate(manifest, splits.classes)
    test = splits.manifests[TEST]
    assert test.class_names == ["red wren", "blue wren"]
    assert test.boxes[0].tolist() == [[1, 2, 7, 5]]
    assert test.keypoints[0] == (Keypoint("left eye", 1.25, 2.0, True),)
    assert load_images(test, [1], 4).tolist() == np.full((1, 4, 4, 3), 40).tolist()
    (instance,), ignore = load_masks(test, 0)
    assert ignore is None
    ys, xs = np.nonzero(instance)
    assert [xs.min(), ys.min(), min(xs.max() + 1, 7), min(ys.max() + 1, 7)] == test.boxes[0][0].tolist()
    parts = load_parts(test, 0)
    assert parts is not None
    np.testing.assert_array_equal(parts, 3 * instance)
    assert load_parts(splits.manifests[TRAIN_WEAKSUP], 0) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 9}, r"is 8×8, but the metadata of synthbirds train-weaksup say 9×8 .*render it again"),
        ({"class_index": None}, r"annotations\.json: image 'train-weaksup/00000' is malformed"),
        ({"boxes": [[1, 2, 3]]}, r"is malformed"),
        ({"image": "none.png"}, r"2 of 2 images of synthbirds train-weaksup are missing"),
    ],
)
def test_an_archive_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(archive(tmp_path, **changes), OPTIONS)


def test_the_archive_of_another_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds data set 'synthbirds', not 'synthnet'"):
        read(archive(tmp_path), ReadOptions("synthnet"))
