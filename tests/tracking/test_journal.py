from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from wsol.tracking import start_run
from wsol.tracking.reader import Journal, journals

CELL = {"scale": "demo", "dataset": "synthbirds", "backbone": "resnet50", "method": "cam", "seed": 0}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSOL_MLFLOW_DIR", str(tmp_path))
    monkeypatch.delenv("WSOL_TRACKING", raising=False)
    return tmp_path


def events(folder: Path) -> list[dict]:
    (journal,) = journals(folder / "journal")
    return journal.events()[0]


def test_round_trip(folder: Path) -> None:
    file = folder / "train.csv"
    file.write_text("epoch,loss\n")
    run = start_run("train", CELL, {"epochs": 2}, {"git.commit": "abc", "inputs": {"a": "1"}})
    run.metrics({"loss": np.float32(0.5), "accuracy": 1}, step=1)
    run.metrics({"loss": 0.25}, step=2)
    run.summary({"loss": 0.25, "images": 10})
    run.tag("note", "x")
    run.artifact(file)
    run.finish()
    start, first, second, summary, tag, artifact, finish = events(folder)
    assert (start["layer"], start["cell"], start["parameters"]) == ("train", CELL, {"epochs": 2})
    assert start["tags"] == {"git.commit": "abc", "inputs": {"a": "1"}}
    assert (first["step"], first["values"]) == (1, {"loss": 0.5, "accuracy": 1.0})
    assert (second["step"], second["values"]) == (2, {"loss": 0.25})
    assert summary["values"] == {"final/loss": 0.25, "images": 10.0}
    assert (tag["key"], tag["value"]) == ("note", "x")
    assert (artifact["name"], artifact["bytes"]) == ("train.csv", 11)
    assert finish["status"] == "FINISHED"
    assert [e["time"] for e in (start, first, finish)] == sorted(e["time"] for e in (start, first, finish))


def test_context_manager_tells_how_the_block_ended(folder: Path) -> None:
    for number, (error, status) in enumerate(
        [(None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
    ):
        os.environ["WSOL_MLFLOW_DIR"] = str(folder / str(number))
        try:
            with start_run("maps", CELL):
                if error:
                    raise error
        except (ValueError, KeyboardInterrupt) as caught:
            assert type(caught) is error
        assert events(folder / str(number))[-1]["status"] == status


def test_off_switch_writes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSOL_TRACKING", "off")
    with start_run("train", CELL) as run:
        run.metrics({"loss": 1.0}, step=1)
        run.artifact("no/such/file")
    assert run.id == ""
    assert list(folder.iterdir()) == []


def test_unusable_folder_is_one_warning_and_the_job_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = folder / "file"
    blocker.write_text("in the way")
    monkeypatch.setenv("WSOL_MLFLOW_DIR", str(blocker))
    with pytest.warns(UserWarning, match="the job goes on") as caught, start_run("train", CELL) as run:
        run.metrics({"loss": 1.0}, step=1)
        run.summary({"x": 1.0})
    assert len(caught) == 1


def test_a_disk_that_fills_up_is_one_warning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start_run("train", CELL)

    def full(descriptor: int, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.warns(UserWarning, match="No space left") as caught:
        run.metrics({"loss": 1.0}, step=1)
        run.metrics({"loss": 1.0}, step=2)
        run.finish()
    assert len(caught) == 1


def test_what_is_no_number_is_left_out_with_a_warning(folder: Path) -> None:
    with start_run("train", CELL) as run, pytest.warns(UserWarning, match="'name' is no number"):
        run.metrics({"name": "cam", "loss": float("nan")}, step=1)
    values = events(folder)[1]["values"]
    assert list(values) == ["loss"]
    assert np.isnan(values["loss"])


def test_a_missing_artifact_is_a_warning_and_the_rest_is_kept(folder: Path) -> None:
    with start_run("train", CELL) as run:
        with pytest.warns(UserWarning, match="not recorded"):
            run.artifact(folder / "missing.csv")
        run.summary({"images": 1})
    assert [e["event"] for e in events(folder)] == ["start", "summary", "finish"]


def test_lock_tells_a_living_job_from_a_finished_one(folder: Path) -> None:
    run = start_run("train", CELL)
    (journal,) = journals(folder / "journal")
    assert journal.alive() is True
    run.finish()
    assert journal.alive() is False


def test_lock_tells_a_killed_job(folder: Path) -> None:
    code = f"import os; from wsol.tracking import start_run; r = start_run('train', {CELL!r}); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    (journal,) = journals(folder / "journal")
    assert journal.alive() is False


def test_half_a_line_waits_and_a_broken_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    good = json.dumps({"event": "tag", "time": 1, "key": "a", "value": 1}) + "\n"
    path.write_text(good + good[:10])
    found, offset = Journal(path).events()
    assert (len(found), offset) == (1, len(good))
    path.write_text(good + "{broken\n" + good)
    with pytest.warns(UserWarning, match="no event"):
        found, offset = Journal(path).events()
    assert (len(found), offset) == (2, path.stat().st_size)


def test_importing_the_package_is_light() -> None:
    code = "import sys, wsol.tracking; print([m for m in ('mlflow', 'torch', 'pandas', 'numpy') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_random_streams_are_untouched(folder: Path) -> None:
    import random

    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start_run("train", CELL).finish()
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
