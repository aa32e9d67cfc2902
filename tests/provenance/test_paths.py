from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from wsol.errors import ParameterError
from wsol.provenance.paths import hash_path, hash_path_quickly, logical_path, physical_path, repo_root


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "checkout"
    (root / "results/demo").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    monkeypatch.chdir(root)
    monkeypatch.delenv("WSOL_DATA", raising=False)
    return root


def test_root_is_found_from_below(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout / "results/demo")
    assert repo_root() == checkout
    assert logical_path("model.safetensors") == "results/demo/model.safetensors"


def test_paths_below_the_root_are_relative_however_they_are_written(checkout: Path) -> None:
    for written in (
        "results/a.json",
        "./results/../results/a.json",
        checkout / "results/a.json",
        Path("results/a.json"),
    ):
        assert logical_path(written) == "results/a.json"
    assert physical_path("results/a.json") == checkout / "results/a.json"


def test_raw_data_are_named_alike_wherever_they_lie(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert logical_path("data/raw/CUB/images.zip") == "raw:CUB/images.zip"
    elsewhere = checkout.parent / "sets"
    monkeypatch.setenv("WSOL_DATA", "../sets")
    assert logical_path(elsewhere / "CUB/images.zip") == "raw:CUB/images.zip"
    assert logical_path("../sets/CUB/images.zip") == "raw:CUB/images.zip"
    assert physical_path("raw:CUB/images.zip").resolve() == elsewhere / "CUB/images.zip"


def test_a_link_in_the_repository_keeps_its_own_name(checkout: Path) -> None:
    (checkout.parent / "big").mkdir()
    (checkout / "results/linked").symlink_to(checkout.parent / "big")
    assert logical_path("results/linked/a.bin") == "results/linked/a.bin"


def test_a_data_folder_around_the_repository_does_not_swallow_it(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSOL_DATA", str(checkout.parent))
    assert logical_path("results/a.json") == "results/a.json"


def test_other_absolute_paths_are_refused_unless_marked(checkout: Path) -> None:
    with pytest.raises(ParameterError, match="WSOL_DATA"):
        logical_path(checkout.parent / "stray.bin")
    assert logical_path("/usr/share/wordnet/data.noun") == "system:/usr/share/wordnet/data.noun"
    marked = f"system:{checkout.parent}/stray.bin"
    assert logical_path(marked) == marked
    assert physical_path(marked) == checkout.parent / "stray.bin"


def test_folder_hash_is_over_sorted_names_and_contents(checkout: Path) -> None:
    folder = checkout / "data/set"
    (folder / "b").mkdir(parents=True)
    (folder / "b/two").write_bytes(b"2")
    (folder / "a").write_bytes(b"1")
    lines = "".join(f"{name} {hashlib.sha256(text).hexdigest()}\n" for name, text in (("a", b"1"), ("b/two", b"2")))
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert hash_path(folder) == expected
    (folder / "images.prov.json").write_text("{}")
    (folder / ".cache").mkdir()
    (folder / ".cache/x").write_text("hidden")
    assert hash_path(folder) == expected
    (folder / "b/two").rename(folder / "b/three")
    assert hash_path(folder) != expected


def test_quick_hash_of_a_big_file_sees_an_edit_behind_an_old_time_stamp(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsol.provenance.paths._LARGE", 1)
    file = checkout / "big.bin"
    file.write_bytes(b"old")
    before = file.stat()
    assert hash_path_quickly(file) == hashlib.sha256(b"old").hexdigest()
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # the kernel's clock moves in steps of some milliseconds
        file.write_bytes(b"new")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert hash_path_quickly(file) == hashlib.sha256(b"new").hexdigest()
