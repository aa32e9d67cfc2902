"""One file stands for a job's code: as old as the last edit that mattered."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from wsol.files import sha256_file
from wsol.workflow.code import code_digest

LONG_AGO, LATER = 1_000_000_000, 1_100_000_000


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in which `job` imports `helper`, and `other` is nobody's."""
    folder = tmp_path / "source/package"
    folder.mkdir(parents=True)
    for name, text in {"__init__": "", "job": "from package import helper\n", "helper": "", "other": ""}.items():
        (folder / f"{name}.py").write_text(text)
        os.utime(folder / f"{name}.py", (LONG_AGO, LONG_AGO))
    os.utime(folder / "helper.py", (LATER, LATER))
    monkeypatch.chdir(tmp_path)
    return folder


def digest(folder: Path) -> Path:
    return Path(code_digest("package.job", package_root=folder.parent))


def test_it_holds_the_hashes_of_what_the_modules_reach(package: Path) -> None:
    files = json.loads(digest(package).read_text())["files"]
    assert files == {
        f"source/package/{name}.py": sha256_file(package / f"{name}.py") for name in ("__init__", "helper", "job")
    }


def test_a_missing_one_is_as_old_as_the_newest_file(package: Path) -> None:
    path = digest(package)
    assert path.stat().st_mtime == LATER
    path.unlink()
    assert digest(package).stat().st_mtime == LATER


def test_it_is_written_where_a_file_that_is_reached_says_something_else(package: Path) -> None:
    path = digest(package)
    for name in ("job", "other"):
        os.utime(package / f"{name}.py")
    (package / "other.py").write_text("changed = True\n")
    assert digest(package) == path
    assert path.stat().st_mtime == LATER, "neither a touch nor another module's edit counts"
    (package / "helper.py").write_text("changed = True\n")
    os.utime(package / "helper.py", (LONG_AGO, LONG_AGO))
    digest(package)
    assert path.stat().st_mtime > LATER, "an edit counts, however old its file says that it is"


def test_other_modules_have_another_file(package: Path) -> None:
    assert code_digest("package.other", package_root=package.parent) != digest(package).as_posix()
