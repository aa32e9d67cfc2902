from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from wsol.cli import track
from wsol.tracking import start_run
from wsol.tracking import sync as sync_module
from wsol.tracking.names import flatten
from wsol.tracking.places import database, local_uri
from wsol.tracking.sync import Busy, load_state, pending, sync, sync_lock

CELL = {"scale": "smoke", "dataset": "synthbirds", "backbone": "resnet50", "method": "cam", "seed": 0}
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store with its tables, to copy: making one takes seconds."""
    from wsol.tracking.mlflow_store import Store

    folder = tmp_path_factory.mktemp("template")
    Store(folder, local_uri(folder))
    return database(folder)


@pytest.fixture
def folder(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSOL_MLFLOW_DIR", str(tmp_path))
    monkeypatch.delenv("WSOL_TRACKING", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copyfile(empty_store, database(tmp_path))
    return tmp_path


def client(folder: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=local_uri(folder))


def runs(folder: Path, layer: str = "train") -> list[Any]:
    store = client(folder)
    experiment = store.get_experiment_by_name(f"wsol/{layer}")
    return store.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]) if experiment else []


def rows(folder: Path) -> dict[str, list[Any]]:
    """Everything that the store holds, to compare before and after."""
    import sqlite3

    with sqlite3.connect(database(folder)) as connection:
        tables = ("runs", "params", "metrics", "latest_metrics", "tags", "experiments", "experiment_tags")
        return {table: sorted(map(repr, connection.execute(f"select * from {table}"))) for table in tables}


def finished(seed: int = 0, **metrics: float) -> None:
    with start_run("train", {**CELL, "seed": seed}) as run:
        run.metrics(metrics or {"loss": 1.0}, step=1)


def abandoned() -> None:
    """A job of another process that dies without a word."""
    code = (
        "import os; from wsol.tracking import start_run; "
        f"run = start_run('train', {CELL!r}); run.metrics({{'loss': 3.0}}, step=1); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)


def test_the_store_holds_what_was_logged(folder: Path) -> None:
    small, big = folder / "train.csv", folder / "weights.bin"
    small.write_text("epoch,loss\n1,2\n")
    big.write_bytes(b"\0" * (5 * 2**20 + 1))
    parameters = {"epochs": 2, "optimizer": {"lr": 0.05, "nesterov": True}, "names": ["a", "b"], "long": "x" * 7000}
    many = {f"class {n:03d} @ IoU": n / 7 for n in range(1100)}
    with start_run("train", CELL, parameters, {"inputs": {"test.parquet": "ab12"}, "repro.key": "mine"}) as run:
        for epoch in range(1, 4):
            run.metrics({"loss": 1 / epoch, "nan": float("nan")}, step=epoch)
        run.metrics(many, step=1)
        run.summary({"loss": 0.5, "images": 10})
        run.artifact(small, "tables/train.csv")
        run.artifact(big)
        run.tag("note", {"a": 1})
    outcome = sync(folder, local_uri(folder))
    assert (outcome.new, outcome.problems) == (1, [])
    (found,) = runs(folder)
    assert (found.info.run_name, found.info.status) == ("smoke · synthbirds · resnet50 · cam · s0", "FINISHED")
    logged = found.data.params
    assert logged.pop("long").startswith("xxx")
    assert logged == {
        **{name: str(value) for name, value in CELL.items()},
        "epochs": "2",
        "optimizer.lr": "0.05",
        "optimizer.nesterov": "true",
        "names": '["a", "b"]',
    }
    assert found.data.metrics["final/loss"] == 0.5
    assert {name: value for name, value in found.data.metrics.items() if name.startswith("class")} == {
        name.replace("@", "_"): value for name, value in many.items()
    }
    history = client(folder).get_metric_history(found.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    tags = found.data.tags
    assert tags["inputs.test.parquet"] == "ab12"
    assert tags["repro.key"] == "train/smoke/synthbirds/resnet50/cam/s0"
    assert (tags["job.repro.key"], tags["note.a"], tags["superseded"]) == ("mine", "1", "false")
    assert "sha256" in tags["artifact.weights.bin"]
    copied = folder / "artifacts/wsol/train" / found.info.run_id / "artifacts/tables/train.csv"
    assert copied.read_text() == small.read_text()
    assert not copied.with_name("weights.bin").exists()
    events = [json.loads(line) for line in (folder / "journal" / f"{tags['wsol.journal']}.jsonl").open()]
    assert (found.info.start_time, found.info.end_time) == (events[0]["time"], events[-1]["time"])


def test_syncing_again_adds_nothing_even_where_the_state_is_lost(folder: Path) -> None:
    finished(0)
    finished(1, loss=1.0, accuracy=2.0)
    sync(folder, local_uri(folder))
    before = rows(folder)
    again = sync(folder, local_uri(folder))
    assert (again.new, again.events) == (0, 0)
    assert rows(folder) == before
    (folder / "journal" / "sync.json").unlink()
    assert sync(folder, local_uri(folder)).new == 0
    assert sync(folder, local_uri(folder), full=True).new == 0
    assert rows(folder) == before


@pytest.mark.parametrize("method", ["create", "log", "supersede", "close"])
def test_a_sync_cut_short_leaves_no_duplicates(folder: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    from wsol.tracking.mlflow_store import Store

    finished(0)
    original = getattr(Store, method)

    def cut(self: Store, *arguments: Any, **options: Any) -> Any:
        original(self, *arguments, **options)
        raise SystemExit("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(Store, method, cut)
        # As after SIGKILL: the work is done up to here, and the state was not written.
        patch.setattr(sync_module.State, "save", lambda self: None)
        with pytest.raises(SystemExit):
            sync(folder, local_uri(folder))
    assert sync(folder, local_uri(folder)).problems == []
    (found,) = runs(folder)
    assert (found.info.status, found.data.metrics, found.data.tags["superseded"]) == (
        "FINISHED",
        {"loss": 1.0},
        "false",
    )
    assert len(client(folder).get_metric_history(found.info.run_id, "loss")) == 1


def test_a_growing_journal_is_continued(folder: Path) -> None:
    run = start_run("train", CELL)
    for epoch in (1, 2):
        run.metrics({"loss": float(epoch)}, step=epoch)
        outcome = sync(folder, local_uri(folder))
        (found,) = runs(folder)
        assert (found.info.status, outcome.running) == ("RUNNING", 1)
        assert len(client(folder).get_metric_history(found.info.run_id, "loss")) == epoch
    run.finish()
    sync(folder, local_uri(folder))
    (found,) = runs(folder)
    assert found.info.status == "FINISHED"


def test_a_rerun_marks_the_older_run(folder: Path) -> None:
    finished(0, loss=1.0)
    time.sleep(0.002)
    sync(folder, local_uri(folder))
    finished(1)
    finished(0, loss=2.0)
    sync(folder, local_uri(folder))
    state = {(r.data.tags["seed"], r.data.metrics["loss"]): r.data.tags["superseded"] for r in runs(folder)}
    assert state == {("0", 1.0): "true", ("1", 1.0): "false", ("0", 2.0): "false"}


def test_a_killed_run_is_closed_and_its_successor_takes_over(folder: Path) -> None:
    abandoned()
    outcome = sync(folder, local_uri(folder))
    (killed,) = runs(folder)
    assert (outcome.killed, killed.info.status, killed.data.metrics) == (1, "KILLED", {"loss": 3.0})
    assert killed.info.end_time >= killed.info.start_time
    finished(0)
    sync(folder, local_uri(folder))
    assert [(r.info.status, r.data.tags["superseded"]) for r in runs(folder)] == [
        ("KILLED", "true"),
        ("FINISHED", "false"),
    ]


def foreign(folder: Path, age: float = 0.0) -> Path:
    """The journal of a job without a usable lock, as on some network disks."""
    abandoned()
    (path,) = (folder / "journal").glob("*.jsonl")
    lines = [json.loads(line) for line in path.open()]
    lines[0]["locked"] = False
    lines = [{**line, "time": line["time"] - int(age * 1000)} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_run_that_cannot_be_asked_is_closed_by_its_successor(folder: Path) -> None:
    foreign(folder)
    sync(folder, local_uri(folder))
    assert [r.info.status for r in runs(folder)] == ["RUNNING"]
    finished(0)
    sync(folder, local_uri(folder))
    assert [r.info.status for r in runs(folder)] == ["KILLED", "FINISHED"]


def test_a_run_closed_too_early_goes_on(folder: Path) -> None:
    path = foreign(folder)
    sync(folder, local_uri(folder))
    finished(0)
    sync(folder, local_uri(folder))
    with path.open("a") as stream:
        stream.write(json.dumps({"event": "metrics", "time": 2**41, "step": 2, "values": {"loss": 4.0}}) + "\n")
    sync(folder, local_uri(folder))
    first = next(r for r in runs(folder) if r.data.tags["wsol.journal"] == path.stem)
    assert (first.info.status, first.data.metrics["loss"]) == ("RUNNING", 4.0)


def test_tidy_closes_silent_runs_and_prunes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign(folder, age=7200)
    finished(1)
    assert track.main(["tidy"]) == 0
    assert "0 runs closed" in capsys.readouterr().out
    assert track.main(["tidy", "--hours", "1", "--prune"]) == 0
    assert "1 runs closed as killed, 2 journals deleted" in capsys.readouterr().out
    assert sorted(r.info.status for r in runs(folder)) == ["FINISHED", "KILLED"]
    assert list((folder / "journal").glob("*.jsonl")) == []


def test_a_job_on_another_host_is_believed_alive_for_a_while(folder: Path) -> None:
    abandoned()
    (path,) = (folder / "journal").glob("*.jsonl")
    path.write_text(path.read_text().replace(f'"host": "{socket.gethostname()}"', '"host": "elsewhere"'))
    sync(folder, local_uri(folder))
    assert runs(folder)[0].info.status == "RUNNING"
    os.utime(path, (0, 0))
    sync(folder, local_uri(folder))
    assert runs(folder)[0].info.status == "KILLED"


def test_a_run_deleted_in_the_ui_stays_deleted(folder: Path) -> None:
    finished(0)
    sync(folder, local_uri(folder))
    client(folder).delete_run(runs(folder)[0].info.run_id)
    assert sync(folder, local_uri(folder), full=True).problems == []
    assert runs(folder) == []


def test_another_store_gets_everything_again(folder: Path, empty_store: Path, tmp_path: Path) -> None:
    finished(0)
    sync(folder, local_uri(folder))
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.copytree(folder / "journal", moved / "journal")
    shutil.copyfile(empty_store, database(moved))
    assert sync(moved, local_uri(moved)).new == 1
    assert len(runs(moved)) == 1


def test_a_moved_store_is_recognised(folder: Path, tmp_path: Path) -> None:
    finished(0)
    sync(folder, local_uri(folder))
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.copytree(folder / "journal", moved / "journal")
    shutil.copyfile(database(folder), database(moved))
    assert sync(moved, local_uri(moved)).new == 0
    assert len(runs(moved)) == 1


def test_without_its_database_all_journals_are_pending(folder: Path) -> None:
    finished(0)
    sync(folder, local_uri(folder))
    assert pending(folder, load_state(folder, local_uri(folder))) == []
    database(folder).unlink()
    assert len(pending(folder, load_state(folder, local_uri(folder)))) == 1


def test_experiments_explain_themselves(folder: Path) -> None:
    with start_run("scores", {**CELL, "attribution": "cam"}) as run:
        run.summary({"test/MaxBoxAccV2": 61.0, "seconds": 3.0})
    sync(folder, local_uri(folder))
    tags = client(folder).get_experiment_by_name("wsol/scores").tags
    assert "wsol trace" in tags["mlflow.note.content"]
    view = json.loads(tags["mlflow.sharedViewState.wsol"])
    assert view["selectedColumns"] == ["attributes.`Duration`", "metrics.`test/MaxBoxAccV2`", "metrics.`seconds`"]
    assert tags["mlflow.experiment.primaryMetric.name"] == "test/MaxBoxAccV2"
    with start_run("scores", {**CELL, "attribution": "other"}) as run:
        run.summary({"test/PxAP": 61.0})
    sync(folder, local_uri(folder))
    view = json.loads(client(folder).get_experiment_by_name("wsol/scores").tags["mlflow.sharedViewState.wsol"])
    assert view["selectedColumns"][1:3] == ["metrics.`test/MaxBoxAccV2`", "metrics.`test/PxAP`"]
    assert "mean over IoU" in runs(folder, "scores")[0].data.tags["mlflow.note.content"]


def test_a_journal_that_cannot_be_imported_is_named_and_the_others_go_in(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished(0)
    finished(1)
    first = min((folder / "journal").glob("*.jsonl"), key=lambda path: '"seed": 1' in path.read_text())
    first.write_text(first.read_text().replace('"step": 1', '"step": "one"'))
    assert track.main(["sync"]) == 1
    assert first.name in capsys.readouterr().err
    assert [r.data.metrics for r in runs(folder) if r.info.status == "FINISHED"] == [{"loss": 1.0}]


def test_a_busy_lock_is_reported(folder: Path) -> None:
    finished(0)
    with sync_lock(folder, 0), pytest.raises(Busy, match="another sync"):
        sync(folder, local_uri(folder), wait=0)


def test_nothing_to_do_needs_no_mlflow(folder: Path) -> None:
    finished(0)
    sync(folder, local_uri(folder))
    code = "import sys; from wsol.cli import track; track.main(['sync']); print('mlflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()[-1] == "False"


def _write(number: int) -> None:
    with start_run("train", {**CELL, "seed": number}, {"n": number}) as run:
        for epoch in range(20):
            run.metrics({"loss": number + epoch / 100}, step=epoch)
            time.sleep(0.02)


def _sync_often(folder: str) -> None:
    for _ in range(4):
        outcome = sync(Path(folder), local_uri(Path(folder)), wait=300)
        assert not outcome.problems, outcome.problems
        time.sleep(0.1)


@pytest.mark.system
def test_parallel_jobs_and_parallel_syncs_on_a_store_that_does_not_exist_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSOL_MLFLOW_DIR", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    processes = [SPAWN.Process(target=_write, args=(n,)) for n in range(8)]
    processes += [SPAWN.Process(target=_sync_often, args=(str(tmp_path),)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0] * 10
    sync(tmp_path, local_uri(tmp_path))
    found = runs(tmp_path)
    assert sorted(int(r.data.params["n"]) for r in found) == list(range(8))
    assert {r.info.status for r in found} == {"FINISHED"}
    for run in found:
        history = client(tmp_path).get_metric_history(run.info.run_id, "loss")
        assert [p.value for p in history] == [int(run.data.params["n"]) + e / 100 for e in range(20)]


def test_flattened_parameters_named_as_the_cell_get_a_prefix(folder: Path) -> None:
    start_run("train", CELL, flatten({"dataset": {"classes": 3}, "seed": 5})).finish()
    sync(folder, local_uri(folder))
    (found,) = runs(folder)
    assert (found.data.params["seed"], found.data.params["parameters.seed"]) == ("0", "5")
    assert found.data.params["dataset.classes"] == "3"
