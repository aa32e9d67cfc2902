"""benchmarks/inference.py at toy sizes: every layer and way is measured, and the copy gives the network's scores."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "inference.py"


@pytest.mark.system
def test_layers_and_networks_are_measured(tmp_path: Path) -> None:
    table = tmp_path / "figures.csv"
    command = [sys.executable, str(SCRIPT), "--quick", "--seconds", "1", "--threads", "2", "--out", str(table)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with table.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    layers = [row for row in rows if row["section"] == "layer"]
    assert len(layers) == 16 and all(float(row["method"].rpartition(" ")[2]) < 2e-6 for row in layers)
    for name in ("resnet50", "vgg16", "inceptionv3"):
        of_network = [row for row in rows if row["kind"] == name]
        assert len(of_network) == 6 and of_network[-1]["met"] == "met"
        assert all(float(row["wall_ms"]) > 0 for row in of_network[:-1])
