"""From a parameter file to manifests, and the parameter files themselves."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from wsol.data.manifest import TEST, TRAIN_FULLSUP, TRAIN_WEAKSUP, read_classes, read_manifest
from wsol.data.prepare import prepare, read_dataset, select_source, verify_hashes
from wsol.data.readers import available, get_reader, module_path
from wsol.data.released_checksums import SHA256
from wsol.errors import DataError, ParameterError
from wsol.files import sha256_bytes, sha256_file

DATASETS = sorted((Path(__file__).parents[2] / "params" / "datasets").glob("*.yaml"))
KEYS = {
    "name", "title", "stands_for", "reader", "source", "localisation", "headline_metric", "metrics", "supersets",
    "box_convention", "licence", "obtain", "counts", "sha256", "notes",
}  # fmt: skip


def pets(folder: Path) -> dict[str, Any]:
    """A miniature pet data set under `folder`, and its parameters."""
    root = folder / "pets"
    (root / "images").mkdir(parents=True)
    (root / "annotations/trimaps").mkdir(parents=True)
    for name, numbers in (("trainval", range(10)), ("test", range(10, 12))):
        (root / f"annotations/{name}.txt").write_text("".join(f"pug_{n} 1 2 1\n" for n in numbers))
    for n in range(12):
        Image.fromarray(np.full((4, 6, 3), n, dtype=np.uint8)).save(root / f"images/pug_{n}.jpg")
        Image.fromarray(np.ones((4, 6), dtype=np.uint8)).save(root / f"annotations/trimaps/pug_{n}.png")
    return {
        "name": "pets",
        "reader": "pets",
        "source": {"kind": "raw", "paths": ["absent.zip", "pets"], "metadata": None},
        "localisation": "masks",
        "counts": None,
        "sha256": {},
        "obtain": "Ask the owner.",
    }


@pytest.fixture
def parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("WSOL_DATA", str(tmp_path / "raw"))
    return pets(tmp_path / "raw")


def test_prepare_writes_three_manifests_and_the_class_table(parameters: dict[str, Any], tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    out = tmp_path / "out"
    done = prepare(parameters, out, threads=2, progress=lambda *step: seen.append(step))
    assert [path.name for path in done.files] == [f"{s}.parquet" for s in (TRAIN_WEAKSUP, TRAIN_FULLSUP, TEST)] + [
        "classes.json"
    ]
    assert done.source == "raw:pets"
    assert done.counts == {TRAIN_WEAKSUP: 8, TRAIN_FULLSUP: 2, TEST: 2}
    assert done.instances == {TRAIN_WEAKSUP: 0, TRAIN_FULLSUP: 2, TEST: 2}
    assert done.sha256 == {path.name: sha256_file(path) for path in done.files}
    assert read_manifest(out / "test.parquet").source == "raw:pets"
    assert [entry["name"] for entry in read_classes(out / "classes.json")] == ["pug"]
    assert seen[-1] == (TEST, 2, 2)
    assert len(seen) == 12


def test_the_same_data_give_the_same_bytes_whatever_the_threads(parameters: dict[str, Any], tmp_path: Path) -> None:
    assert (
        prepare(parameters, tmp_path / "a", threads=1).sha256 == prepare(parameters, tmp_path / "b", threads=4).sha256
    )


def test_a_changed_image_changes_its_manifest_alone(parameters: dict[str, Any], tmp_path: Path) -> None:
    before = prepare(parameters, tmp_path / "a").sha256
    Image.fromarray(np.full((4, 6, 3), 200, dtype=np.uint8)).save(tmp_path / "raw/pets/images/pug_11.jpg")
    after = prepare(parameters, tmp_path / "b").sha256
    assert [name for name in before if before[name] != after[name]] == ["test.parquet"]


def test_absent_data_say_where_and_how(parameters: dict[str, Any], tmp_path: Path) -> None:
    parameters["source"]["paths"] = ["one.zip", "two"]
    with pytest.raises(DataError, match=r"pets: .*one\.zip, .*two; WSOL_DATA is .*raw\)\. Ask the owner\."):
        prepare(parameters, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_counts_are_checked_before_anything_is_written(parameters: dict[str, Any], tmp_path: Path) -> None:
    parameters["counts"] = {TEST: 3}
    with pytest.raises(DataError, match="pets test: 2 images, expected 3"):
        prepare(parameters, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_hashes_of_metadata_and_source_are_compared(parameters: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "raw/meta").mkdir()
    (tmp_path / "raw/meta/list.txt").write_text("a")
    digest = sha256_file(tmp_path / "raw/meta/list.txt")
    parameters["source"]["metadata"] = "meta"
    parameters["sha256"] = {"meta/list.txt": digest[:16], "other.zip": "0" * 64}
    assert verify_hashes(parameters, "raw:pets") == ["meta/list.txt"]
    (tmp_path / "raw/meta/list.txt").write_text("b")
    with pytest.raises(DataError, match=r"list\.txt: sha256 .* expected"):
        verify_hashes(parameters, "raw:pets")
    parameters["sha256"] = {"meta/list.txt": sha256_file(tmp_path / "raw/meta/list.txt")[:4]}
    with pytest.raises(DataError, match="sha256"):
        verify_hashes(parameters, "raw:pets")
    parameters["sha256"] = {"meta/gone.txt": digest}
    with pytest.raises(DataError, match=r"gone\.txt: no such file; pets needs it\. Ask the owner\."):
        verify_hashes(parameters, "raw:pets")


def test_the_rendered_archive_is_the_source_of_a_synthetic_set() -> None:
    assert select_source({"name": "x", "source": {"kind": "synthetic"}}, "data/demo/x") == "data/demo/x/images.zip"


def test_readers_are_found_by_module_name() -> None:
    assert {"cub", "ilsvrc", "openimages", "pets", "synthetic", "tinyimagenet"} <= set(available())
    assert module_path("cub").is_file()
    assert callable(get_reader("cub").read)
    with pytest.raises(ParameterError, match="reader 'imagenet': no such reader; use one of cub"):
        get_reader("imagenet")


@pytest.mark.parametrize("path", DATASETS, ids=lambda path: path.stem)
def test_parameter_files_have_the_schema_and_name_a_reader(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    assert set(content) - {"proxy"} == KEYS
    assert content["name"] == path.stem
    assert content["reader"] in available()
    assert content["localisation"] in ("boxes", "masks")
    boxes = content["localisation"] == "boxes"
    assert content["headline_metric"] == ("MaxBoxAccV2" if boxes else "PxAP")
    assert content["metrics"] == ([*(["boxes", "localization"] if boxes else ["masks"]), "classification"])
    assert content["supersets"]["rule"] in ("all", "singletons", "hierarchy", "wordnet")
    assert content["source"]["kind"] == ("synthetic" if content["name"].startswith("synth") else "raw")
    for digest in content["sha256"].values():
        assert re.fullmatch(r"[0-9a-f]{16,64}", digest)


@pytest.mark.parametrize("name", ["CUB", "ILSVRC", "OpenImages30k"])
def test_real_metadata_have_the_hashes_of_the_parameter_files(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(os.environ.get("WSOL_DATA", "../shared/data"))
    if not root.is_dir():
        pytest.skip("set WSOL_DATA to the folder with wsol-metadata/")
    monkeypatch.setenv("WSOL_DATA", str(root))
    content = yaml.safe_load(next(path for path in DATASETS if path.stem == name).read_text())
    assert len(verify_hashes(content, "raw:absent")) == len(content["sha256"]) > 0


def test_counts_of_a_parameter_file_hold_for_the_real_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(os.environ.get("WSOL_DATA", "../shared/data"))
    if not root.is_dir():
        pytest.skip("set WSOL_DATA to the folder with wsol-metadata/")
    monkeypatch.setenv("WSOL_DATA", str(root))
    content = yaml.safe_load(next(path for path in DATASETS if path.stem == "CUB").read_text())
    splits = read_dataset(content, "raw:absent", require_images=False)
    assert {split: len(manifest) for split, manifest in splits.manifests.items()} == content["counts"]


@pytest.mark.parametrize(("name", "folder"), [("CUB", "CUB"), ("ILSVRC", "ILSVRC"), ("OpenImages30k", "OpenImages")])
def test_parameter_files_and_the_released_checksums_agree(name: str, folder: str) -> None:
    content = yaml.safe_load(next(path for path in DATASETS if path.stem == name).read_text())
    empty = sha256_bytes(b"")
    known = {
        f"wsol-metadata/{split}/{file}": digest
        for split, files in SHA256.items()
        if split.split("/")[0] == folder
        for file, digest in files.items()
        if digest != empty
    }
    assert content["sha256"] == known
