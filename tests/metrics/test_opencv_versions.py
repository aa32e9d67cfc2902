"""The oracle on the oldest OpenCV that pyproject.toml admits, against the engine beside the one installed here.

The oldest is installed once into a virtual environment of its own, below $WSOL_TEST_ENVIRONMENTS or else pytest's
cache; that needs the package index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from uv import find_uv_bin

from wsol.metrics.engine import best_iou
from wsol.metrics.levels import quantise
from wsol.metrics.oracle import level_boxes
from wsol.testing.map_kinds import ADVERSARIAL, KINDS, adversarial_maps, as_scores, kind_maps
from wsol.testing.parity import RULES, probe_boxes

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
CORNERS = ("exclusive", "inclusive")

SCRIPT = """
import json, sys
import cv2, numpy as np
from wsol.metrics.oracle import best_iou, level_boxes
folder, rules, corners = sys.argv[1], sys.argv[2].split(","), sys.argv[3].split(",")
results, lists = {}, []
with np.load(folder + "/maps.npz") as stored:
    for i in range(len(stored.files) // 2):
        grey, boxes = stored[f"grey{i}"], stored[f"boxes{i}"]
        results[str(i)] = np.stack([best_iou(grey, boxes, rules, corner) for corner in corners])
        lists.append([[level.all, level.largest, level.external] for level in level_boxes(grey)])
np.savez(folder + "/results.npz", **results)
with open(folder + "/lists.json", "w") as stream:
    json.dump({"opencv": cv2.__version__, "lists": lists}, stream)
"""


def opencv_requirement() -> Requirement:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (found,) = (text for text in project["dependencies"] if text.startswith("opencv"))
    return Requirement(found)


@pytest.fixture(scope="module")
def oldest(request: pytest.FixtureRequest) -> Path:
    """A Python with the lowest admitted OpenCV and this process's NumPy; made once and kept."""
    requirement = opencv_requirement()
    name = (
        f"{requirement.name}{requirement.specifier}-numpy{np.__version__}-py{sys.version_info[0]}{sys.version_info[1]}"
    )
    name = "".join(c if c.isalnum() or c in ".-" else "_" for c in name)
    folder = os.environ.get("WSOL_TEST_ENVIRONMENTS")
    parent = Path(folder) if folder else request.config.cache.mkdir("wsol-environments")
    environment, complete = parent / name, parent / name / ".complete"
    python = environment / "bin" / "python"
    if not complete.exists():
        shutil.rmtree(environment, ignore_errors=True)
        uv = find_uv_bin()
        packages = [str(requirement), f"numpy=={np.__version__}"]
        for command in (
            [uv, "venv", "--quiet", "--python", sys.executable, str(environment)],
            [uv, "pip", "install", "--quiet", "--resolution", "lowest-direct", "--python", str(python), *packages],
        ):
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"{' '.join(command)} failed; is the package index there?\n{done.stderr}"
        complete.touch()
    return python


def some_maps() -> list[np.ndarray]:
    """About 200 grey maps, small and large, of every kind."""
    greys: list[np.ndarray] = []
    for kind in ADVERSARIAL:
        for seed, shape in enumerate([(4, 5), (9, 7), (16, 16), (21, 40)]):
            greys.extend(quantise(adversarial_maps(kind, 2, shape, seed)))
    for kind in KINDS:
        size = 32 if kind in ("white224", "gradlike") else 64
        greys.extend(quantise(kind_maps(kind, 4, size, seed=2)))
    return greys


def test_the_oldest_opencv_gives_what_the_engine_gives_here(oldest: Path, tmp_path: Path) -> None:
    greys, random = some_maps(), np.random.default_rng(0)
    truths = [probe_boxes(grey, random) for grey in greys]
    assert len(greys) > 190
    arrays = {f"grey{i}": grey for i, grey in enumerate(greys)} | {f"boxes{i}": t for i, t in enumerate(truths)}
    np.savez(tmp_path / "maps.npz", **arrays)
    done = subprocess.run(
        [str(oldest), "-c", SCRIPT, str(tmp_path), ",".join(RULES), ",".join(CORNERS)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, f"OpenCV and NumPy of {opencv_requirement()} do not work:\n{done.stderr[-2000:]}"
    found = json.loads((tmp_path / "lists.json").read_text(encoding="utf-8"))
    assert Version(found["opencv"]) < Version(cv2.__version__), "the installed OpenCV is the oldest one"
    with np.load(tmp_path / "results.npz") as results:
        for i, (grey, truth) in enumerate(zip(greys, truths, strict=True)):
            for corners, expected in zip(CORNERS, results[str(i)], strict=True):
                here = best_iou(as_scores(grey)[None], [truth], RULES, corners).values[:, 0]
                assert np.array_equal(here, expected), f"{corners}, boxes {truth.tolist()}, grey {grey.tolist()}"
            lists = [[level.all, level.largest, level.external] for level in level_boxes(grey)]
            assert json.loads(json.dumps(lists)) == found["lists"][i], f"other boxes or order: grey {grey.tolist()}"


def test_the_oldest_opencv_is_named_to_the_last_digit() -> None:
    """Wheels of one OpenCV version differ: 4.10.0.82 does not load beside NumPy 2, 4.10.0.84 does."""
    (bound,) = (spec for spec in opencv_requirement().specifier if spec.operator == ">=")
    assert len(Version(bound.version).release) == 4, f"{opencv_requirement()}: give all four numbers, such as 4.10.0.84"
