"""CUB, ILSVRC and OpenImages30k: miniature trees in the released layout, and the real metadata without images."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsol.data.manifest import TEST, TRAIN_FULLSUP, TRAIN_WEAKSUP, validate
from wsol.data.readers import get_reader
from wsol.data.readers._common import ReadOptions
from wsol.errors import DataError
from wsol.files import sha256_file


def image(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def mask(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.eye(height, width, dtype=np.uint8) * 255).convert("1").save(path)


def lists(folder: Path, ids: list[str], labels: list[int], sizes: list[str], localisation: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "image_ids": ids,
        "class_labels": [f"{name},{label}" for name, label in zip(ids, labels, strict=True)],
        "image_sizes": sizes,
        "localization": localisation,
    }
    for name, lines in contents.items():
        (folder / f"{name}.txt").write_text("\n".join(lines))  # no newline at the end, as released


@pytest.fixture
def cub(tmp_path: Path) -> tuple[Path, ReadOptions]:
    metadata = tmp_path / "metadata"
    for split, numbers in (("train", (1, 2)), ("val", (3,)), ("test", (4, 5))):
        ids = [f"00{label + 1}.Big_Bird{label}/{n}.jpg" for label in (0, 1) for n in numbers]
        for name in ids:
            image(tmp_path / "CUB" / name, 30, 20)
        boxes = [f"{name},1,2,29,19" for name in ids]
        lists(metadata / split, ids, [0] * len(numbers) + [1] * len(numbers), [f"{name},30,20" for name in ids], boxes)
    return tmp_path / "CUB", ReadOptions("CUB", metadata=metadata, threads=2)


def test_cub_miniature(cub: tuple[Path, ReadOptions]) -> None:
    folder, options = cub
    splits = get_reader("cub").read(str(folder), options)
    assert [entry["name"] for entry in splits.classes] == ["Big Bird0", "Big Bird1"]
    counts = {split: len(manifest) for split, manifest in splits.manifests.items()}
    assert counts == {TRAIN_WEAKSUP: 4, TRAIN_FULLSUP: 2, TEST: 4}
    for manifest in splits.manifests.values():
        validate(manifest, splits.classes)
    row = splits.manifests[TEST].row(3)
    assert (row.image_id, row.class_index, row.width, row.height) == ("002.Big_Bird1/5.jpg", 1, 30, 20)
    assert row.boxes.tolist() == [[1, 2, 29, 19]]
    assert row.sha256 == sha256_file(folder / row.image)
    assert all(len(boxes) == 0 for boxes in splits.manifests[TRAIN_WEAKSUP].boxes)


def test_cub_as_the_official_archives_unpack(cub: tuple[Path, ReadOptions], tmp_path: Path) -> None:
    folder, options = cub
    apart = tmp_path / "apart"
    for path in folder.glob("*/*.jpg"):
        top = "CUBV2" if path.stem == "3" else "CUB_200_2011/images"
        target = apart / top / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    splits = get_reader("cub").read(str(apart), options)
    assert splits.manifests[TRAIN_FULLSUP].images[0] == "CUBV2/001.Big_Bird0/3.jpg"
    assert splits.manifests[TEST].image_ids[0] == "001.Big_Bird0/4.jpg"
    assert splits.manifests[TEST].images[0] == "CUB_200_2011/images/001.Big_Bird0/4.jpg"


def test_cub_another_photograph_under_the_name_is_refused(cub: tuple[Path, ReadOptions]) -> None:
    folder, options = cub
    image(folder / "002.Big_Bird1/3.jpg", 31, 20)
    with pytest.raises(DataError, match=r"002\.Big_Bird1/3\.jpg is 31×20.*say 30×20 \(1 of 2 .*copy CUBV2 again"):
        get_reader("cub").read(str(folder), options)


def test_cub_missing_and_broken_images_are_counted_and_named(cub: tuple[Path, ReadOptions]) -> None:
    folder, options = cub
    (folder / "002.Big_Bird1/4.jpg").unlink()
    (folder / "002.Big_Bird1/5.jpg").unlink()
    with pytest.raises(DataError, match=r"2 of 4 images of CUB test are missing, the first is '002\.Big_Bird1/4\.jpg'"):
        get_reader("cub").read(str(folder), options)
    (folder / "001.Big_Bird0/1.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"001\.Big_Bird0/1\.jpg: not a readable image"):
        get_reader("cub").read(str(folder), options)


def test_metadata_that_do_not_fit_are_named(cub: tuple[Path, ReadOptions], tmp_path: Path) -> None:
    folder, options = cub
    sizes = options.metadata / "test" / "image_sizes.txt"
    sizes.write_text(sizes.read_text() + "\nnobody.jpg,3,4")
    with pytest.raises(DataError, match=r"image_sizes\.txt: line 5 is about nobody\.jpg"):
        get_reader("cub").read(str(folder), options)
    sizes.write_text("a.jpg,3")
    with pytest.raises(DataError, match=r"image_sizes\.txt: line 1 is 'a\.jpg,3'; expected 3 fields"):
        get_reader("cub").read(str(folder), options)
    (options.metadata / "val" / "image_ids.txt").unlink()
    with pytest.raises(DataError, match=r"val/image_ids\.txt: no such file"):
        get_reader("cub").read(str(folder), options)
    with pytest.raises(DataError, match="no such folder of metadata for CUB"):
        get_reader("cub").read(str(folder), ReadOptions("CUB", metadata=tmp_path / "none"))
    with pytest.raises(DataError, match="names no metadata folder"):
        get_reader("cub").read(str(folder), ReadOptions("CUB"))


@pytest.fixture
def ilsvrc(tmp_path: Path) -> tuple[Path, ReadOptions]:
    root, metadata = tmp_path / "ILSVRC", tmp_path / "metadata"
    for wnid in ("n02", "n01"):
        for n in (1, 2, 3):
            image(root / "train" / wnid / f"{wnid}_{n}.JPEG", 10 + n, 12)
    (root / "train" / "n01" / "notes.txt").write_text("not an image")
    val = ["val2/0/0.jpeg", "val2/1/0.jpeg"]
    test = ["val/ILSVRC2012_val_00000001.JPEG", "val/ILSVRC2012_val_00000002.JPEG"]
    for name in val + test:
        image(root / name, 16, 9)
    many = [f"{val[0]},0,0,15,8", f"{val[1]},1,1,2,2", f"{val[1]},3,3,3,3", f"{val[1]},1,1,2,2"]
    lists(metadata / "val", val, [0, 1], [f"{name},16,9" for name in val], many)
    lists(metadata / "test", test, [1, 0], [f"{name},16,9" for name in test], [f"{name},0,0,15,8" for name in test])
    return root, ReadOptions("ILSVRC", metadata=metadata, threads=2)


def test_ilsvrc_miniature(ilsvrc: tuple[Path, ReadOptions]) -> None:
    root, options = ilsvrc
    splits = get_reader("ilsvrc").read(str(root), options)
    assert [(entry["index"], entry["wnid"]) for entry in splits.classes] == [(0, "n01"), (1, "n02")]
    train = splits.manifests[TRAIN_WEAKSUP]
    assert train.image_ids == [f"train/{w}/{w}_{n}.JPEG" for w in ("n01", "n02") for n in (1, 2, 3)]
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert train.widths.tolist() == [11, 12, 13, 11, 12, 13]
    val = splits.manifests[TRAIN_FULLSUP]
    assert [boxes.tolist() for boxes in val.boxes] == [[[0, 0, 15, 8]], [[1, 1, 2, 2], [3, 3, 3, 3], [1, 1, 2, 2]]]
    assert splits.manifests[TEST].class_names == ["n02", "n01"]
    for manifest in splits.manifests.values():
        validate(manifest, splits.classes)


def test_ilsvrc_renamed_imagenetv2_is_refused(ilsvrc: tuple[Path, ReadOptions]) -> None:
    root, options = ilsvrc
    image(root / "val2/1/0.jpeg", 17, 9)
    with pytest.raises(DataError, match=r"val2/1/0\.jpeg is 17×9.*ImageNetV2's files were renamed"):
        get_reader("ilsvrc").read(str(root), options)


def test_ilsvrc_a_missing_class_folder_is_refused(ilsvrc: tuple[Path, ReadOptions]) -> None:
    root, options = ilsvrc
    for path in (root / "train/n02").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"train/ has 1 class folders, but the metadata have 2 classes"):
        get_reader("ilsvrc").read(str(root), options)


@pytest.fixture
def openimages(tmp_path: Path) -> tuple[Path, ReadOptions]:
    root, metadata = tmp_path / "OpenImages", tmp_path / "metadata"
    for split in ("train", "val", "test"):
        ids = [f"{split}/0{c}x/{c}.jpg" for c in "ab"]
        for name in ids:
            image(root / name, 20, 14)
        rows = []
        if split != "train":
            stems = [name[:-4] for name in ids]
            rows = [
                f"{ids[0]},{stems[0]}_m0ax_1.png,{stems[0]}_ignore.png",
                f"{ids[0]},{stems[0]}_m0ax_2.png,",
                f"{ids[1]},{stems[1]}_m0bx_1.png,",
            ]
            for name in (f"{stems[0]}_m0ax_1", f"{stems[0]}_m0ax_2", f"{stems[0]}_ignore", f"{stems[1]}_m0bx_1"):
                mask(root / f"{name}.png", 20, 14)
        lists(metadata / split, ids, [0, 1], [], rows)
    return root, ReadOptions("OpenImages30k", localisation="masks", metadata=metadata, threads=2)


def test_openimages_miniature(openimages: tuple[Path, ReadOptions]) -> None:
    root, options = openimages
    splits = get_reader("openimages").read(str(root), options)
    assert [entry["name"] for entry in splits.classes] == ["0ax", "0bx"]
    test = splits.manifests[TEST]
    assert test.masks == [("test/0ax/a_m0ax_1.png", "test/0ax/a_m0ax_2.png"), ("test/0bx/b_m0bx_1.png",)]
    assert test.ignore == ["test/0ax/a_ignore.png", None]
    assert (test.widths.tolist(), test.heights.tolist()) == ([20, 20], [14, 14])
    for manifest in splits.manifests.values():
        validate(manifest, splits.classes)


def test_openimages_missing_masks_are_counted_and_named(openimages: tuple[Path, ReadOptions]) -> None:
    root, options = openimages
    (root / "val/0ax/a_ignore.png").unlink()
    with pytest.raises(DataError, match=r"1 of 4 masks of OpenImages30k train-fullsup are missing.*a_ignore\.png"):
        get_reader("openimages").read(str(root), options)


def real_metadata(name: str) -> Path:
    root = Path(os.environ.get("WSOL_DATA", "../shared/data"))
    if not root.is_dir():
        pytest.skip("set WSOL_DATA to the folder with wsol-metadata/")
    return root / "wsol-metadata" / name


# Counts as published with the release of Choe et al. (2020): images, boxes or masks, and the most in one image.
REAL = {
    ("cub", "CUB", "boxes"): (200, {TRAIN_WEAKSUP: 5994, TRAIN_FULLSUP: (1000, 1000, 1), TEST: (5794, 5794, 1)}),
    ("ilsvrc", "ILSVRC", "boxes"): (1000, {TRAIN_FULLSUP: (10000, 18532, 259), TEST: (50000, 80477, 20)}),
    ("openimages", "OpenImages", "masks"): (
        100,
        {TRAIN_WEAKSUP: 29819, TRAIN_FULLSUP: (2500, 3854, 25), TEST: (5000, 7632, 62)},
    ),
}


@pytest.mark.parametrize(("reader", "name", "localisation"), list(REAL))
def test_real_metadata_read_whole_without_images(reader: str, name: str, localisation: str) -> None:
    num_classes, wanted = REAL[reader, name, localisation]
    options = ReadOptions(name, localisation, metadata=real_metadata(name), require_images=False)
    splits = get_reader(reader).read("raw:absent", options)
    assert len(splits.classes) == num_classes
    got: dict[str, object] = {}
    for split, manifest in splits.manifests.items():
        validate(manifest, splits.classes, require_images=False)
        instances = manifest.instances_per_image()
        weak = split == TRAIN_WEAKSUP
        got[split] = len(manifest) if weak else (len(manifest), int(instances.sum()), int(instances.max()))
    assert got == wanted


def test_real_cub_first_rows_and_class_sizes() -> None:
    options = ReadOptions("CUB", metadata=real_metadata("CUB"), require_images=False)
    splits = get_reader("cub").read("raw:absent", options)
    row = splits.manifests[TEST].row(0)
    assert row.image_id == "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg"
    assert (row.class_name, row.width, row.height) == ("Black footed Albatross", 500, 335)
    assert row.boxes.tolist() == [[60, 27, 385, 331]]
    per_class = np.bincount(splits.manifests[TRAIN_FULLSUP].labels)
    assert dict(zip(*np.unique(per_class, return_counts=True), strict=True)) == {3: 1, 5: 197, 6: 2}
