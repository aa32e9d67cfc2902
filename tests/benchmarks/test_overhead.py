"""The arithmetic of benchmarks/overhead.py on logs made here."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SCRIPT = Path(__file__).parents[2] / "benchmarks/overhead.py"
START = 1_700_000_000.0


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("overhead", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["overhead"] = module
    spec.loader.exec_module(module)
    return module


overhead = load()


def write_job(path: Path, seconds: float, end: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t1.0\n", encoding="utf-8")
    os.utime(path, (START + end, START + end))


def test_shares_of_a_run_made_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """20 s: rendering 0-4, training 4-10 and 5-11 side by side, maps 11-13, scores 12-14, a table 15-16."""
    write_job(tmp_path / "smoke/data/birds.render.tsv", 4, 4)
    write_job(tmp_path / "smoke/train/birds/vgg16/cam/s0.tsv", 6, 10)
    write_job(tmp_path / "smoke/train/birds/resnet50/cam/s0.tsv", 6, 11)
    write_job(tmp_path / "smoke/maps/birds/vgg16/cam/s0/cam.tsv", 2, 13)
    write_job(tmp_path / "smoke/scores/birds/vgg16/cam/s0/cam.tsv", 2, 14)
    write_job(tmp_path / "reports/tableB.tsv", 1, 16)
    jobs = overhead.read_jobs(tmp_path)
    assert [job.layer for job in sorted(jobs, key=lambda job: job.end)] == [
        "data",
        "train",
        "train",
        "maps",
        "scores",
        "reports",
    ]
    assert overhead.report(jobs, 20.0) == 1
    said = capsys.readouterr().out
    assert "at work during 10.0 s" in said
    assert "share outside training, mapping and scoring: 50.0%" in said
    assert overhead.report(jobs, 13.0) == 0


def test_no_logs_are_no_success(tmp_path: Path) -> None:
    assert overhead.report(overhead.read_jobs(tmp_path), 1.0) == 2


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("Elapsed time: 0:04:17.778010", 257.77801),
        ("Elapsed time: 1:00:00", 3600),
        ("Elapsed time: 1 day, 0:00:01", 86401),
    ],
)
def test_elapsed_time_of_the_last_run(tmp_path: Path, line: str, seconds: float) -> None:
    log = tmp_path / "run.log"
    log.write_text(f"Elapsed time: 9:00:00.000001\nother words\n{line}\n", encoding="utf-8")
    assert overhead.elapsed(log) == pytest.approx(seconds)


def test_a_log_without_an_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no 'Elapsed time'"):
        overhead.elapsed(tmp_path / "run.log")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=8))
def test_union_counts_each_second_once(spans: list[tuple[int, int]]) -> None:
    covered = {second for start, length in spans for second in range(start, start + length)}
    assert overhead.union((start, start + length) for start, length in spans) == len(covered)
