from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from wsol import doctor
from wsol.cli import doctor as verb

CONTENT = b"photographs"
LABELS = b"0001.jpg,3\n"


def specification(name: str, digest: str = "", **source: Any) -> str:
    source = source or {"kind": "raw", "paths": [f"{name}.zip", name], "metadata": None}
    return json.dumps(
        {"name": name, "title": name.title(), "source": source, "obtain": "Ask.", "sha256": {f"{name}.zip": digest}}
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up project and WSOL_DATA: one data set in every state."""
    params = tmp_path / "params" / "datasets"
    params.mkdir(parents=True)
    data = tmp_path / "elsewhere"
    (data / "labels").mkdir(parents=True)
    digest, labels = hashlib.sha256(CONTENT).hexdigest(), hashlib.sha256(LABELS).hexdigest()
    for name in ("good", "bad", "unknown"):
        (data / f"{name}.zip").write_bytes(CONTENT)
    (data / "labels" / "ids.txt").write_bytes(LABELS)
    (params / "good.yaml").write_text(specification("good", digest))
    (params / "gone.yaml").write_text(specification("gone", digest))
    (params / "unknown.yaml").write_text(json.dumps({"source": {"kind": "raw", "paths": ["unknown.zip"]}}))
    (params / "synthbirds.yaml").write_text(json.dumps({"source": {"kind": "synthetic"}, "sha256": {}}))
    (params / "labelled.yaml").write_text(
        json.dumps(
            {
                "source": {"kind": "raw", "paths": ["labelled"], "metadata": "labels"},
                "sha256_prefix": {"labels/ids.txt": labels[:8], "other.zip": "00"},
            }
        )
    )
    (tmp_path / "params" / "config.yaml").write_text("scale: smoke\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WSOL_DATA", str(data))
    monkeypatch.setenv("WSOL_WORDNET", str(tmp_path / "data.noun"))
    return tmp_path


class FakeProbe:
    """Importing torch takes seconds; one test does it in earnest."""

    answer: dict[str, Any] = {"cuda_build": "13.0", "cuda_available": False, "cuda_devices": []}  # noqa: RUF012

    def result(self) -> dict[str, Any]:
        return self.answer


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TorchProbe", FakeProbe)


def states(findings: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["status"] for item in findings["data"]["sets"]}


def test_json_names_the_state_of_every_data_set(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = verb.main(["--json"])
    findings = json.loads(capsys.readouterr().out)
    assert code == 0, findings["problems"]
    assert states(findings) == {
        "good": "verified",
        "gone": "absent",
        "labelled": "labels only",
        "synthbirds": "rendered",
        "unknown": "present",
    }
    assert findings["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert findings["versions"]["torch"]
    assert "error" not in findings["torch"]
    assert findings["device"]["cores"] == len(os.sched_getaffinity(0))
    assert 0 < findings["device"]["memory_gib"] < 1e5
    assert findings["project"]["scale"] == "smoke"


def test_text_says_what_to_do_next(project: Path, quick: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb.main([]) == 0
    text = capsys.readouterr().out
    assert "snakemake --cores all reports/tableB.csv" in text
    assert "apt-get install wordnet-base" in text
    assert "get gone, labelled" in text
    assert "none of gone.zip, gone in" in text
    (project / "data.noun").write_text("")
    (project / "reports").mkdir()
    (project / "reports" / "tableB.csv").write_text("")
    assert verb.main([]) == 0
    text = capsys.readouterr().out
    assert "wsol trace reports/tableB.csv" in text
    assert "tableA.csv" in text
    assert "wordnet-base" not in text


def test_a_damaged_file_is_named_and_is_an_error(
    project: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "params" / "datasets" / "bad.yaml").write_text(specification("bad", "0" * 64))
    assert verb.main([]) == 1
    text = capsys.readouterr().out
    assert "bad.zip has another SHA-256" in text
    assert "mend what is broken" in text


def test_a_missing_label_file_is_an_error(project: Path, quick: None) -> None:
    (project / "elsewhere" / "labels" / "ids.txt").unlink()
    assert states(verb.examine(project))["labelled"] == "damaged"


def test_big_data_is_hashed_only_on_request(
    project: Path, quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "HASH_BUDGET", len(CONTENT) - 1)
    assert states(verb.examine(project))["good"] == "present"
    assert states(verb.examine(project, verify=True))["good"] == "verified"


def test_a_gpu_that_torch_cannot_use_is_a_warning(project: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_gpus", lambda: ["NVIDIA X, 8192 MiB"])
    monkeypatch.setattr(FakeProbe, "answer", {"cuda_build": None, "cuda_available": False, "cuda_devices": []})
    assert any("CPU build" in line for line in verb.examine(project)["warnings"])
    monkeypatch.setattr(FakeProbe, "answer", {"cuda_build": "13.0", "cuda_available": True, "cuda_devices": ["X"]})
    assert verb.examine(project)["warnings"] == []


def test_torch_that_does_not_import_is_a_problem(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_TORCH_PROBE", "raise ImportError('libcudart.so: no such file')")
    (problem,) = verb.examine(project)["problems"]
    assert "libcudart" in problem
    assert "make env" in problem


def test_requirements_that_are_not_met_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.unmet_requirements() == []
    original = doctor._version
    fake = {"numpy": "1.0.0", "dvc": None, "torch": "2.13.0"}
    monkeypatch.setattr(doctor, "_version", lambda name: fake.get(name, "absent") if name in fake else original(name))
    lines = "\n".join(doctor.unmet_requirements())
    assert "numpy is 1.0.0, wsol needs numpy" in lines
    assert "dvc is not installed" in lines
    assert "torchvision needs torch" in lines


def test_a_broken_parameter_file_is_a_problem_not_a_crash(project: Path, quick: None) -> None:
    (project / "params" / "datasets" / "good.yaml").write_text("a: [")
    (problem,) = verb.examine(project)["problems"]
    assert "good.yaml cannot be read" in problem
