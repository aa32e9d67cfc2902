"""benchmarks/allocator.py with a step or two: each side is measured, and the weights are compared."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "allocator.py"


@pytest.mark.system
def test_both_settings_are_measured_and_give_the_same_weights() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--rounds", "1", "--steps", "2"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    for backbone in ("resnet50", "vgg16", "inceptionv3"):
        said = done.stdout[done.stdout.index(backbone) :]
        assert re.search(
            r"own settings +[\d.]+ +\d+\n +blocks kept +[\d.]+ +\d+\n +ratio \d\.\d\d; weights the same", said
        )
