from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from wsol.errors import DataError, ParameterError
from wsol.provenance.sidecar import (
    Record,
    Sidecars,
    environment,
    git_state,
    portable_command,
    read_record,
    write_record,
)


def make_record(outputs: dict[str, str]) -> Record:
    return Record(
        layer="train",
        cell={"scale": "demo", "seed": 0},
        outputs=outputs,
        inputs={"data/demo/x/images.zip": "1" * 64},
        code={"src/wsol/files.py": "2" * 64},
        code_roots=["wsol.files"],
        environment={"python": "3.11.0"},
        device="cpu",
        threads=2,
        git={"commit": None, "dirty": None},
        command=["wsol", "train"],
    )


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WSOL_DATA", raising=False)
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, "-C", str(root), *arguments], check=True, capture_output=True)


def test_round_trip_and_fixed_layout(checkout: Path) -> None:
    record = make_record({"b": "3" * 64, "a": "4" * 64})
    write_record("one.prov.json", record)
    write_record("two.prov.json", make_record({"a": "4" * 64, "b": "3" * 64}))
    assert read_record("one.prov.json") == record
    assert Path("one.prov.json").read_bytes() == Path("two.prov.json").read_bytes()
    value = json.loads(Path("one.prov.json").read_text())
    assert value["format"] == 1
    assert set(value) == {
        "format",
        "layer",
        "cell",
        "outputs",
        "inputs",
        "code",
        "code_roots",
        "environment",
        "device",
        "threads",
        "git",
        "command",
    }


def test_wrong_names_and_broken_files_are_refused(checkout: Path) -> None:
    with pytest.raises(ParameterError, match=r"must end in \.prov\.json"):
        write_record("train.json", make_record({}))
    for text, message in (("[]", "format 1"), ('{"format": 2}', "format 1"), ('{"format": 1}', "broken")):
        Path("x.prov.json").write_text(text)
        with pytest.raises(DataError, match=message):
            read_record("x.prov.json")


def test_environment_knows_import_names_and_skips_what_is_absent() -> None:
    assert environment(["PIL", "numpy", "no_such_package"]) == {
        "python": platform.python_version(),
        "pillow": metadata.version("pillow"),
        "numpy": metadata.version("numpy"),
    }


def test_git_state_is_null_outside_a_checkout(checkout: Path) -> None:
    assert git_state(["a.py"], checkout) == {"commit": None, "dirty": None}


def test_git_state_concerns_only_the_files_of_the_job(checkout: Path) -> None:
    git(checkout, "init", "-q")
    for name in ("a.py", "table.csv"):
        (checkout / name).write_text("1")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "first")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True).stdout.strip()
    paths = ["a.py", "raw:CUB/images.zip", "system:/usr/share/x"]
    assert git_state(paths, checkout) == {"commit": head, "dirty": False}
    (checkout / "table.csv").write_text("2")
    assert git_state(paths, checkout) == {"commit": head, "dirty": False}
    (checkout / "a.py").write_text("2")
    assert git_state(paths, checkout) == {"commit": head, "dirty": True}
    (checkout / "a.py").write_text("1")
    (checkout / "new.py").touch()
    assert git_state([*paths, "new.py"], checkout)["dirty"] is True


def test_commands_hold_no_path_of_this_machine(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSOL_DATA", str(checkout.parent / "sets"))
    given = ["wsol", str(checkout / "results/a"), f"--raw={checkout.parent}/sets/b", "/home/somebody/c", "--seed", "3"]
    assert portable_command(given) == ["wsol", "results/a", "--raw=raw:b", "c", "--seed", "3"]
    assert portable_command(["../sets/d", "../other/e", "params/f.yaml"]) == ["raw:d", "e", "params/f.yaml"]


def test_producer_is_found_beside_above_and_elsewhere_in_the_scale(checkout: Path) -> None:
    artefacts = {
        "results/demo/scores/x/s0/cam.json": "results/demo/scores/x/s0/cam.prov.json",
        "results/demo/maps/x/s0/cam.bin": "results/demo/maps/x/all.prov.json",
        "results/demo/checkpoints/x/model.bin": "results/demo/sidecars/train.prov.json",
    }
    for artefact, sidecar in artefacts.items():
        write_record(sidecar, make_record({artefact: "5" * 64}))
    sidecars = Sidecars(checkout)
    assert {artefact: sidecars.producer(artefact) for artefact in artefacts} == artefacts
    assert sidecars.producer("results/demo/scores/x/s0/other.json") is None
    assert sidecars.producer("raw:CUB/images.zip") is None


def test_a_scale_is_searched_once_however_many_files_nothing_explains(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record("results/demo/scores/x/cam.prov.json", make_record({"results/demo/scores/x/cam.json": "5" * 64}))
    walked: list[Path] = []
    walk = os.walk

    def counted(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        walked.append(folder)
        return walk(folder)

    monkeypatch.setattr(os, "walk", counted)
    sidecars = Sidecars(checkout)
    assert [sidecars.producer(f"results/demo/params/{number}.json") for number in range(5)] == [None] * 5
    assert walked == [checkout / "results" / "demo"]
