"""benchmarks/crf.py at toy sizes: every part is measured, and what could not be is said."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"
TINY = ["--sizes", "20", "--images", "1", "--repeats", "1"]
PEER = """
def filtered(values, images, sigma_rgb, sigma_xy):
    return 2 * values
"""


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delenv("WSOL_CRF_PEER", raising=False)
    monkeypatch.delitem(sys.modules, "crf", raising=False)
    import crf

    threads = torch.get_num_threads()

    def call(*arguments: str) -> tuple[int, list[dict[str, str]]]:
        table = tmp_path / "figures.csv"
        monkeypatch.setattr(sys, "argv", ["crf.py", *TINY, *arguments, "--out", str(table)])
        code = crf.main()
        with table.open(newline="", encoding="utf-8") as stream:
            return code, list(csv.DictReader(stream))

    yield call
    torch.set_num_threads(threads)


def test_engines_are_timed_beside_torch(run, capsys) -> None:
    code, rows = run()
    printed = capsys.readouterr().out
    methods = {(row["method"], row["threads"]) for row in rows if row["section"] == "CPU"}
    assert {(name, threads) for name in ("exact engine", "lattice engine") for threads in "12"} <= methods
    assert ("torch, in chunks, W S alone", "1") in methods
    assert all(float(row["wall_ms"]) > 0 for row in rows)
    assert "peer not given" in printed and "of exact" in printed
    assert ("not measured on a GPU" in printed) == (not torch.cuda.is_available())
    assert code == int(any(row["met"] == "NOT met" for row in rows))


def test_a_peer_is_timed_and_its_values_compared(run, capsys, tmp_path) -> None:
    peer = tmp_path / "peer.py"
    peer.write_text(PEER, encoding="utf-8")
    _, rows = run("--peer", str(peer))
    ratio = next(row for row in rows if row["method"] == "lattice engine, to the peer")
    theirs = next(row for row in rows if row["method"] == "peer, W S alone")
    ours = next(row for row in rows if row["method"] == "lattice engine" and row["threads"] == "1")
    assert float(ratio["speedup"]) == pytest.approx(float(theirs["cpu_ms"]) / float(ours["cpu_ms"]))
    assert ratio["target"] == ""  # asked at 224 px only
    assert "our lattice is off it by" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="cannot be read"):
        run("--peer", str(tmp_path / "absent.py"))
