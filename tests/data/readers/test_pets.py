"""Oxford-IIIT Pet: a miniature in the distributed layout, and the real subset."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsol.data.manifest import TEST, TRAIN_FULLSUP, TRAIN_WEAKSUP, validate
from wsol.data.masks import evaluation_mask, load_masks
from wsol.data.readers._common import ReadOptions
from wsol.data.readers.pets import read
from wsol.errors import DataError

OPTIONS = ReadOptions("pets", localisation="masks", threads=2)
TRIMAP = np.array([[1, 1, 3, 2], [1, 3, 2, 2]], dtype=np.uint8)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two breeds with 10 trainval and 2 test images each, and one with a single image, which is left out."""
    (tmp_path / "images").mkdir()
    (tmp_path / "annotations/trimaps").mkdir(parents=True)
    rows: dict[str, list[str]] = {"trainval": [], "test": []}
    for number, (breed, species, count) in enumerate((("Maine_Coon", 1, 12), ("boxer", 2, 12), ("pug", 2, 1)), 1):
        for n in range(count):
            rows["trainval" if n < 10 else "test"].append(f"{breed}_{n} {number} {species} 1")
            Image.fromarray(np.zeros((2, 4, 3), dtype=np.uint8)).save(tmp_path / f"images/{breed}_{n}.jpg")
            Image.fromarray(TRIMAP).save(tmp_path / f"annotations/trimaps/{breed}_{n}.png")
    for name, lines in rows.items():
        (tmp_path / f"annotations/{name}.txt").write_text("#comment\n" + "\n".join(lines) + "\n")
    return tmp_path


def test_miniature(tree: Path) -> None:
    splits = read(str(tree), OPTIONS)
    assert [(c["name"], c["path"]) for c in splits.classes] == [
        ("Maine Coon", ["pet", "cat"]),
        ("boxer", ["pet", "dog"]),
    ]
    assert {name: len(m) for name, m in splits.manifests.items()} == {TRAIN_WEAKSUP: 16, TRAIN_FULLSUP: 4, TEST: 4}
    for manifest in splits.manifests.values():
        validate(manifest, splits.classes)
    ids = [set(manifest.image_ids) for manifest in splits.manifests.values()]
    assert len(set.union(*ids)) == 24
    (pet,), border = load_masks(splits.manifests[TEST], 0)
    np.testing.assert_array_equal(pet, TRIMAP == 1)
    np.testing.assert_array_equal(border, TRIMAP == 3)


def test_a_broken_list_is_named(tree: Path) -> None:
    (tree / "annotations/test.txt").write_text("boxer_1 1\n")
    with pytest.raises(DataError, match=r"test\.txt: line 1 is 'boxer_1 1'"):
        read(str(tree), OPTIONS)


def test_real_subset() -> None:
    root = Path(os.environ.get("WSOL_DATA", "../shared/data"))
    if not root.is_dir():
        pytest.skip("set WSOL_DATA to the folder with oxford-pets.zip")
    splits = read(str(root / "oxford-pets.zip"), OPTIONS)
    assert [c["name"] for c in splits.classes] == ["Abyssinian", "Bengal", "american bulldog"]
    assert {name: len(m) for name, m in splits.manifests.items()} == {TRAIN_WEAKSUP: 322, TRAIN_FULLSUP: 78, TEST: 199}
    test = splits.manifests[TEST]
    for manifest in splits.manifests.values():
        validate(manifest, splits.classes)
    for index in (0, 100, 198):
        assert set(np.unique(evaluation_mask(test, index, 64)).tolist()) == {0, 1, 255}
