"""benchmarks/metrics.py at toy sizes: it runs, measures every part, and times nothing that is wrong."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks/metrics.py"
TINY = ["--quick", "--maps", "2", "--size", "28", "--stored", "70", "--gpu-maps", "8", "--kinds", "smooth"]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=ROOT, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], list[dict[str, str]]]:
    table = tmp_path_factory.mktemp("benchmark") / "figures.csv"
    done = run(str(SCRIPT), *TINY, "--out", str(table))
    assert done.returncode in (0, 1), done.stderr  # 1: a target is missed, as toy sizes on a busy machine may
    with table.open(newline="", encoding="utf-8") as stream:
        return done, list(csv.DictReader(stream))


@pytest.mark.system
def test_every_part_is_measured_and_compared(finished):
    _, rows = finished
    by_section = {row["section"]: [r for r in rows if r["section"] == row["section"]] for row in rows}
    assert {"boxes", "odd maps", "PxAP", "end to end"} <= set(by_section)
    methods = {row["method"]: row for row in by_section["boxes"] if row["threads"] == "1"}
    released, engine = methods["released algorithm"], methods["CPU engine, to the counters"]
    assert released["maps"] == engine["maps"] == "2"
    assert float(engine["speedup"]) == pytest.approx(float(released["cpu_ms"]) / float(engine["cpu_ms"]))
    assert engine["target"] == ">= 100x"
    assert engine["met"] == ("met" if float(engine["speedup"]) >= 100 else "NOT met")
    assert {row["threads"] for row in by_section["boxes"]} == {"1", "2"}
    pixels = {row["method"]: row for row in by_section["PxAP"]}
    histograms = [row for method, row in pixels.items() if method.startswith("numpy.histogram")]
    fastest = min(float(row["cpu_ms"]) for row in histograms)
    assert float(pixels["CPU engine"]["speedup"]) == pytest.approx(fastest / float(pixels["CPU engine"]["cpu_ms"]))
    assert len(by_section["odd maps"]) > 20
    assert by_section["end to end"][0]["met"] == "not asked of 70 maps"
    assert all(float(row["wall_ms"]) > 0 for row in rows)


@pytest.mark.system
def test_what_is_printed_says_what_was_not_measured(finished):
    done, rows = finished
    assert ("not measured on a GPU" in done.stdout) == (not any(row["section"] == "GPU" for row in rows))
    assert "GB/s" in done.stdout and "ms" in done.stdout
    missed = sum(row["met"] == "NOT met" for row in rows)
    assert f"{missed} not met" in done.stdout
    assert done.returncode == int(missed > 0)


def test_an_unknown_kind_is_named():
    done = run(str(SCRIPT), "--quick", "--kinds", "smoooth")
    assert done.returncode == 1
    assert "smoooth" in done.stderr and "cam_noisy28" in done.stderr


def test_wrong_numbers_are_not_timed():
    code = """
import sys
sys.path.insert(0, "benchmarks")
import metrics
right = metrics.best_iou
def wrong(*arguments, **options):
    found = right(*arguments, **options)
    found.values[..., 100] = 0.123
    return found
metrics.best_iou = wrong
sys.argv = ["metrics.py", "--quick", "--maps", "2", "--size", "14", "--kinds", "smooth"]
metrics.main()
"""
    done = run("-c", code)
    assert done.returncode == 1
    assert "nothing was timed" in done.stderr and "got 0.123" in done.stderr
