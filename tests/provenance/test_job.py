from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from wsol.errors import DataError, ParameterError
from wsol.provenance.job import Job
from wsol.provenance.sidecar import read_record

CELL = {"scale": "demo", "dataset": "synthnet", "seed": 0}
SIDECAR = "results/demo/train.prov.json"
MODEL = "results/demo/model.bin"


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WSOL_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "wsol.tracking", None)  # importing it raises ImportError
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "src/toy").mkdir(parents=True)
    (tmp_path / "src/toy/train.py").write_text("import numpy\n")
    (tmp_path / "data.csv").write_text("1,2,3\n")
    (tmp_path / "settings.json").write_text('{"lr": 0.1}\n')
    return tmp_path


def job(**changes: Any) -> Job:
    options: dict[str, Any] = {
        "layer": "train",
        "cell": CELL,
        "sidecar": SIDECAR,
        "inputs": {"train": "data.csv", "settings": Path("settings.json")},
        "code_roots": ["toy.train"],
        "package_root": "src",
        "command": ["wsol", "train"],
    }
    return Job(**(options | changes))


def left_behind(root: Path) -> list[str]:
    folder = root / "results"
    return sorted(path.relative_to(root).as_posix() for path in folder.rglob("*") if path.is_file())


def test_outputs_appear_at_the_end_and_the_sidecar_describes_them(checkout: Path) -> None:
    with job(threads=2) as running:
        with running.output(MODEL) as temporary:
            temporary.write_bytes(b"weights")
        assert temporary.suffix == ".bin" and temporary.parent == Path(MODEL).absolute().parent
        running.output_path("results/demo/train.csv").write_text("epoch\n")
        assert not Path(MODEL).exists() and not Path(SIDECAR).exists()
    assert Path(MODEL).read_bytes() == b"weights"
    assert left_behind(checkout) == [MODEL, "results/demo/train.csv", SIDECAR]
    record = read_record(SIDECAR)
    assert record.outputs[MODEL] == hashlib.sha256(b"weights").hexdigest()
    assert record.inputs == {
        name: hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in ("data.csv", "settings.json")
    }
    assert list(record.code) == ["src/toy/train.py"]
    assert set(record.environment) == {"python", "numpy"}
    assert (record.cell, record.threads, record.device) == (CELL, 2, "cpu")


def test_running_twice_gives_the_same_bytes(checkout: Path) -> None:
    texts = []
    for _ in range(2):
        with job() as running:
            running.output_path(MODEL).write_bytes(b"weights")
        texts.append(Path(SIDECAR).read_bytes())
    assert texts[0] == texts[1]
    assert str(checkout).encode() not in texts[0]


def test_a_new_file_has_the_permissions_of_any_other(checkout: Path) -> None:
    with job() as running:
        running.output_path(MODEL).write_bytes(b"weights")
    assert Path(MODEL).stat().st_mode == (checkout / "data.csv").stat().st_mode


def test_an_exception_leaves_nothing(checkout: Path) -> None:
    with pytest.raises(ZeroDivisionError), job() as running:
        running.output_path("results/demo/train.csv").write_text("epoch\n")
        with running.output(MODEL) as temporary:
            temporary.write_bytes(b"half")
            raise ZeroDivisionError
    assert left_behind(checkout) == []


def test_an_output_that_was_promised_but_not_written_publishes_nothing(checkout: Path) -> None:
    with pytest.raises(DataError, match=r"model\.bin: the job promised"), job() as running:
        running.output_path("results/demo/train.csv").write_text("epoch\n")
        running.output_path(MODEL)
    assert left_behind(checkout) == []


def test_a_failed_rename_takes_back_the_others(checkout: Path) -> None:
    (checkout / "results/demo/occupied").mkdir(parents=True)
    with pytest.raises(OSError), job() as running:
        running.output_path(MODEL).write_bytes(b"weights")
        running.output_path("results/demo/occupied").write_bytes(b"cannot replace a folder")
    assert left_behind(checkout) == []


@pytest.mark.parametrize("name", ["data.csv", "src/toy/train.py"])
def test_an_edit_during_the_job_publishes_nothing(checkout: Path, name: str) -> None:
    before = Path(name).stat()
    with pytest.raises(DataError, match=name), job() as running:
        running.output_path(MODEL).write_bytes(b"weights")
        Path(name).write_text("edit".ljust(before.st_size, "#"))
        os.utime(name, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert left_behind(checkout) == []


def test_an_input_that_vanishes_during_the_job_publishes_nothing(checkout: Path) -> None:
    with pytest.raises(DataError, match=r"data\.csv: changed"), job() as running:
        running.output_path(MODEL).write_bytes(b"weights")
        Path("data.csv").unlink()
    assert left_behind(checkout) == []


def test_a_missing_input_is_named_with_its_role() -> None:
    with (
        pytest.raises(DataError, match=r"raw:CUB\.zip: input 'images' does not exist .*WSOL_DATA"),
        job(inputs={"images": "raw:CUB.zip"}),
    ):
        pass


def test_a_wrong_sidecar_name_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"\.prov\.json"):
        job(sidecar="results/train.json")


def test_inputs_may_be_lists_folders_and_found_late(checkout: Path) -> None:
    (checkout / "images").mkdir()
    (checkout / "images/a.png").write_bytes(b"a")
    with job(inputs={"all": ["data.csv", "settings.json"], "folder": "images"}) as running:
        assert running.input("src/toy/train.py") == checkout / "src/toy/train.py"
        running.output_path(MODEL).write_bytes(b"weights")
    assert set(read_record(SIDECAR).inputs) == {"data.csv", "settings.json", "images", "src/toy/train.py"}


def test_key_changes_with_whatever_can_change_the_outputs_only(checkout: Path) -> None:
    def key(**changes: Any) -> str:
        with job(**changes) as running:
            return running.key

    first = key()
    assert key(command=["wsol", "other"]) == first
    assert key(parameters={"note": 1}) == first
    different = [key(threads=2), key(device="cuda"), key(cell={**CELL, "seed": 1})]
    Path("data.csv").write_text("1,2,4\n")
    different.append(key())
    Path("src/toy/train.py").write_text("import numpy  # edited\n")
    different.append(key())
    assert len({first, *different}) == 6


def test_killed_job_publishes_nothing_and_the_next_one_cleans_up(checkout: Path) -> None:
    script = f"""
import os, signal, sys
sys.modules["wsol.tracking"] = None
from wsol.provenance.job import Job
with Job(layer="train", cell={{}}, sidecar={SIDECAR!r}, inputs={{"train": "data.csv"}},
         code_roots=["toy.train"], package_root="src") as job:
    job.output_path("results/demo/train.csv").write_text("epoch")
    with job.output({MODEL!r}) as temporary:
        temporary.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    leftovers = left_behind(checkout)
    assert leftovers and all(Path(name).name.startswith(".") for name in leftovers)
    with job() as running:
        running.output_path(MODEL).write_bytes(b"weights")
        running.output_path("results/demo/train.csv").write_text("epoch")
    assert left_behind(checkout) == [MODEL, "results/demo/train.csv", SIDECAR]


def test_temporaries_of_a_living_process_are_left_alone(checkout: Path) -> None:
    other = checkout / f"results/demo/.model.{os.getppid()}.partial.bin"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"being written")
    with job() as running:
        running.output_path(MODEL).write_bytes(b"weights")
    assert other.exists()


class FakeTracking(types.ModuleType):
    """Stands in for wsol.tracking; `broken` names the calls that raise."""

    def __init__(self, broken: tuple[str, ...] = ()) -> None:
        super().__init__("wsol.tracking")
        self.calls: list[tuple[Any, ...]] = []
        self._broken = broken

    def start_run(self, *arguments: Any) -> Any:
        return self._note("start_run", *arguments)

    def _note(self, name: str, *arguments: Any, **options: Any) -> Any:
        self.calls.append((name, *arguments, *options.values()))
        if name in self._broken:
            raise RuntimeError("database is locked")
        run = types.SimpleNamespace()
        for method in ("metrics", "summary", "artifact", "tag", "finish"):
            setattr(run, method, lambda *a, _m=method, **o: self._note(_m, *a, **o))
        return run


def test_tracking_hears_of_the_whole_job(monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = FakeTracking()
    monkeypatch.setitem(sys.modules, "wsol.tracking", tracking)
    with job(parameters={"lr": 0.1}) as running:
        running.output_path(MODEL).write_bytes(b"weights")
        running.run.metrics({"loss": 1.0}, step=3)
        running.run.artifact(MODEL)
        key = running.key
    name, layer, cell, parameters, tags = tracking.calls[0]
    assert (name, layer, cell, parameters) == ("start_run", "train", CELL, {"lr": 0.1})
    assert tags == {"git.commit": "None", "git.dirty": "None", "inputs.digest": key}
    assert tracking.calls[1:] == [
        ("metrics", {"loss": 1.0}, 3),
        ("tag", "target", MODEL),
        ("tag", f"sha256.{MODEL}", hashlib.sha256(b"weights").hexdigest()),
        ("artifact", MODEL),
        ("finish", "FINISHED"),
    ]


def test_tracking_hears_of_failure_and_stores_no_file_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = FakeTracking()
    monkeypatch.setitem(sys.modules, "wsol.tracking", tracking)
    with pytest.raises(ZeroDivisionError), job() as running:
        running.run.artifact(MODEL)
        raise ZeroDivisionError
    assert tracking.calls[1:] == [("finish", "FAILED")]


@pytest.mark.parametrize("broken", ["start_run", "metrics", "tag", "finish"])
def test_broken_tracking_never_fails_a_job(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    monkeypatch.setitem(sys.modules, "wsol.tracking", FakeTracking((broken,)))
    with job() as running:
        running.run.metrics({"loss": 1.0}, step=0)
        running.run.summary({"loss": 1.0})
        running.output_path(MODEL).write_bytes(b"weights")
    assert json.loads(Path(SIDECAR).read_text())["outputs"]
