"""The verb `wsol supersets`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from wsol.cli.supersets import main
from wsol.errors import DataError, ParameterError

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    path = tmp_path / "classes.json"
    entries = [
        {"index": i, "name": name, "wnid": None, "path": ["root", name[0]]} for i, name in enumerate(["ab", "ac", "d"])
    ]
    path.write_text(json.dumps({"dataset": "letters", "classes": entries}))
    return path


def test_map_by_flags(tmp_path: Path, classes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "supersets.json"
    assert main(["map", "--classes", str(classes), "--rule", "hierarchy", "--out", str(out)]) == 0
    assert json.loads(out.read_text())["classes"] == {"0": [0, 1], "1": [0, 1], "2": [2]}
    assert capsys.readouterr().out == f"wrote {out}: 3 classes in 2 supersets, 1 of them singletons (hierarchy)\n"


def test_map_by_settings_with_sidecar(tmp_path: Path, classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps({"dataset": "letters", "rule": "all", "mode": "paper"}))
    arguments = ["--classes", "classes.json", "--settings", "settings.json", "--out", "supersets.json"]
    assert main(["map", *arguments, "--sidecar", "supersets.prov.json"]) == 0
    sidecar = json.loads((tmp_path / "supersets.prov.json").read_text())
    assert set(sidecar["inputs"]) == {"classes.json", "settings.json"}
    assert set(sidecar["outputs"]) == {"supersets.json"}
    with pytest.raises(ParameterError, match="--rule singletons"):
        main(["map", *arguments, "--rule", "singletons"])


def test_map_needs_a_rule(tmp_path: Path, classes: Path) -> None:
    with pytest.raises(ParameterError, match="--rule"):
        main(["map", "--classes", str(classes), "--out", str(tmp_path / "supersets.json")])


def test_table_without_wordnet_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="apt-get install wordnet-base"):
        main(["table-a", "--data-noun", str(tmp_path / "data.noun"), "--out", str(tmp_path / "tableA.csv")])


def test_table_from_the_real_wordnet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data_noun = Path(os.environ.get("WSOL_WORDNET", "/usr/share/wordnet/data.noun"))
    if not data_noun.exists():
        pytest.skip("install Debian's wordnet-base, or set WSOL_WORDNET to WordNet 3.0's data.noun")
    monkeypatch.chdir(REPO)
    out = tmp_path / "tableA.csv"
    assert (
        main(["table-a", "--data-noun", str(data_noun), "--out", str(out), "--markdown", str(tmp_path / "a.md")]) == 0
    )
    said = capsys.readouterr().out
    assert "119 of 120 counts as published (mode paper)" in said
    assert "446 supersets of 1000 classes, 330 of them singletons" in said
    assert len(out.read_text().splitlines()) == 121
