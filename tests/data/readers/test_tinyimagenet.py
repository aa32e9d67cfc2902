"""Tiny ImageNet: a miniature in the distributed layout, and the real subset of 50 classes."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsol.data.manifest import TEST, TRAIN_FULLSUP, TRAIN_WEAKSUP, validate
from wsol.data.readers._common import ReadOptions
from wsol.data.readers.tinyimagenet import held_out_ids, read
from wsol.errors import DataError

OPTIONS = ReadOptions("tinyimagenet", threads=2)
PER_CLASS = 53


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two classes listed out of order, 53 training images each, 2 val images, and words of a class that is not used."""
    root = tmp_path / "tiny-imagenet-200"
    (root / "val/images").mkdir(parents=True)
    (root / "wnids.txt").write_text("n02\nn01\n")
    (root / "words.txt").write_text("n01\tgoldfish, Carassius auratus\nn02\tcrane\nn09\tunused, one\n")
    gray = Image.fromarray(np.zeros((64, 64), dtype=np.uint8))
    for wnid in ("n01", "n02"):
        (root / f"train/{wnid}/images").mkdir(parents=True)
        names = [f"{wnid}_{n}.JPEG" for n in range(PER_CLASS)]
        for name in names:
            gray.save(root / f"train/{wnid}/images/{name}")
        (root / f"train/{wnid}/{wnid}_boxes.txt").write_text("".join(f"{name}\t0\t1\t63\t62\n" for name in names))
    for n in (0, 1):
        gray.save(root / f"val/images/val_{n}.JPEG")
    (root / "val/val_annotations.txt").write_text("val_0.JPEG\tn02\t0\t32\t44\t62\nval_1.JPEG\tn01\t5\t5\t5\t9\n")
    return root


def test_miniature_folder(tree: Path) -> None:
    splits = read(str(tree), OPTIONS)
    assert [(c["index"], c["wnid"], c["name"]) for c in splits.classes] == [(0, "n01", "goldfish"), (1, "n02", "crane")]
    assert {name: len(m) for name, m in splits.manifests.items()} == {TRAIN_WEAKSUP: 6, TRAIN_FULLSUP: 100, TEST: 2}
    test = splits.manifests[TEST]
    assert test.labels.tolist() == [1, 0]
    assert [boxes.tolist() for boxes in test.boxes] == [[[0, 32, 44, 62]], [[5, 5, 5, 9]]]
    assert test.images == ["val/images/val_0.JPEG", "val/images/val_1.JPEG"]
    assert splits.manifests[TRAIN_FULLSUP].boxes[0].tolist() == [[0, 1, 63, 62]]
    assert all(len(boxes) == 0 for boxes in splits.manifests[TRAIN_WEAKSUP].boxes)
    for manifest in splits.manifests.values():
        validate(manifest, splits.classes)


def test_packed_and_unpacked_agree_but_for_the_top_folder(tree: Path) -> None:
    archive = shutil.make_archive(str(tree.parent / "packed"), "zip", tree.parent, tree.name)
    packed, unpacked = read(archive, OPTIONS), read(str(tree), OPTIONS)
    for split in (TRAIN_WEAKSUP, TRAIN_FULLSUP, TEST):
        one, other = packed.manifests[split], unpacked.manifests[split]
        assert one.image_ids == other.image_ids
        assert one.sha256 == other.sha256
        assert one.images == [f"tiny-imagenet-200/{name}" for name in other.images]


def test_the_held_out_images_are_those_of_smallest_hash() -> None:
    ids = [f"x{n}" for n in range(120)]
    held = held_out_ids(ids)
    assert len(held) == 50
    assert held == held_out_ids(ids[::-1])
    digest = {name: hashlib.sha256(name.encode()).hexdigest() for name in ids}
    assert max(digest[name] for name in held) < min(digest[name] for name in set(ids) - held)
    with pytest.raises(DataError, match="50 training images"):
        held_out_ids(ids[:50])


def test_broken_lists_are_named(tree: Path) -> None:
    annotations = tree / "val/val_annotations.txt"
    annotations.write_text("val_0.JPEG\tn77\t0\t0\t1\t1\n")
    with pytest.raises(DataError, match=r"val_annotations\.txt: image val_0\.JPEG has class 'n77'"):
        read(str(tree), OPTIONS)
    annotations.write_text("val_0.JPEG n01 0 0 1 1\n")
    with pytest.raises(DataError, match=r"val_annotations\.txt: line 1 has 1 fields, expected 6"):
        read(str(tree), OPTIONS)
    (tree / "wnids.txt").unlink()
    with pytest.raises(DataError, match="not laid out as tinyimagenet"):
        read(str(tree), OPTIONS)


def test_real_subset_of_50_classes() -> None:
    root = Path(os.environ.get("WSOL_DATA", "../shared/data"))
    if not root.is_dir():
        pytest.skip("set WSOL_DATA to the folder with tiny-imagenet-50.zip")
    path = root / "tiny-imagenet-50.zip"
    splits = read(str(path), OPTIONS)
    assert len(splits.classes) == 50
    assert splits.classes[0]["wnid"] == "n01774384"
    assert splits.classes[0]["name"] == "black widow"
    for split, per_class in ((TRAIN_WEAKSUP, 350), (TRAIN_FULLSUP, 50), (TEST, 50)):
        manifest = splits.manifests[split]
        validate(manifest, splits.classes)
        assert np.bincount(manifest.labels).tolist() == [per_class] * 50
        assert set(manifest.widths.tolist()) == set(manifest.heights.tolist()) == {64}
    for split in (TRAIN_FULLSUP, TEST):
        boxes = np.concatenate(splits.manifests[split].boxes)
        assert len(boxes) == 2500
        assert (boxes.min(), boxes.max()) == (0, 63)
    test = splits.manifests[TEST]
    with zipfile.ZipFile(path) as archive:
        for index in (0, 1234, 2499):
            assert hashlib.sha256(archive.read(test.images[index])).hexdigest() == test.sha256[index]
