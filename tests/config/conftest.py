"""A working directory with parameters that a test may edit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsol.testing.parameters import forget

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the parameters, without what searches found: no test depends on what was adopted last."""
    shutil.copytree(REPO / "params", tmp_path / "params", ignore=shutil.ignore_patterns("searched"))
    (tmp_path / "workflow").symlink_to(REPO / "workflow")
    monkeypatch.chdir(tmp_path)
    forget()
    yield tmp_path
    forget()
