"""The progress of a job as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsol import progress
from wsol.progress import ProgressFile


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_nothing_happens_where_nobody_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSOL_PROGRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    ProgressFile("train/demo/a")(0.5)
    assert list(tmp_path.iterdir()) == []


def test_a_number_is_written_at_most_once_a_second_but_the_end_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    monkeypatch.setenv("WSOL_PROGRESS", str(tmp_path / "progress"))
    show = ProgressFile("train/demo/synthbirds/resnet50")
    file = tmp_path / "progress/train__demo__synthbirds__resnet50"
    show(0.25, "epoch 1 of 4")
    assert file.read_text() == "0.2500 epoch 1 of 4\n"
    clock[0] += 0.5
    show(0.5)
    assert file.read_text() == "0.2500 epoch 1 of 4\n"
    clock[0] += 0.5
    show(0.75)
    assert file.read_text() == "0.7500 \n"
    show(1.0)
    assert file.read_text() == "1.0000 \n"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_the_first_number_is_written_right_after_the_machine_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    clock[0] = 0.3  # seconds since boot: a container's clock may start at nought
    monkeypatch.setenv("WSOL_PROGRESS", str(tmp_path))
    ProgressFile("data/a")(0.1)
    assert (tmp_path / "data__a").exists()


def test_a_folder_that_cannot_be_written_costs_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WSOL_PROGRESS", str(tmp_path / "file/below"))
    show = ProgressFile("train/demo")
    show(0.5)
    show(1.0)
