from __future__ import annotations

from pathlib import Path

import pytest

from wsol import locations


def test_the_raw_data_root_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSOL_DATA", raising=False)
    assert locations.raw_data_root() == Path("data/raw")
    monkeypatch.setenv("WSOL_DATA", "/somewhere")
    assert locations.raw_data_root() == Path("/somewhere")
    monkeypatch.setenv("WSOL_DATA", "")
    assert locations.raw_data_root() == Path("data/raw"), "an empty variable is no folder"


def test_wordnet_may_be_named_by_its_file_or_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data.noun").touch()
    monkeypatch.setenv("WSOL_WORDNET", str(tmp_path))
    assert locations.wordnet_nouns() == tmp_path / "data.noun"
    monkeypatch.setenv("WSOL_WORDNET", str(tmp_path / "data.noun"))
    assert locations.wordnet_nouns() == tmp_path / "data.noun"
