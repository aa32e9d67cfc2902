"""docs/add_a_method.md, followed literally in a copy of the project."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs/add_a_method.md"
NEEDED = ("Snakefile", "pyproject.toml", "requirements.lock", "params", "profiles", "src", "workflow")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CELL = "synthbirds/resnet50/{method}/s0"


def blocks() -> list[tuple[str, str]]:
    found = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(found) > 5, "the page has lost its blocks"
    return found


def files() -> dict[str, str]:
    """Path to contents: the first line of a block names its file and is no part of it."""
    pairs = (text.split("\n", 1) for language, text in blocks() if language != "sh")
    return {first.removeprefix("# "): rest for first, rest in pairs}


def commands() -> list[str]:
    return [line for language, text in blocks() if language == "sh" for line in text.splitlines()]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy") / "project"
    folder.mkdir()
    for name in NEEDED:
        source = PROJECT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / name, **({"ignore": shutil.ignore_patterns("__pycache__")} if source.is_dir() else {}))
    return folder


def run(command: str, folder: Path) -> str:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "src"),
        "WSOL_TRACKING": "off",
    }
    if environment.pop("PYTHONDONTWRITEBYTECODE", None):
        # Every job is a process of its own; without byte code each would compile torch anew.
        environment["PYTHONPYCACHEPREFIX"] = str(folder.parent / "bytecode")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_block_names_a_new_file() -> None:
    assert sorted(path.rsplit("/", 1)[0] for path in files()) == [
        "params/methods",
        "params/papers/mine",
        "params/papers/mine",
        "src/wsol/attribution",
        "src/wsol/methods",
        "tests/methods",
    ]
    assert not [path for path in files() if (PROJECT / path).exists()], "the page's method exists already; take another"


@pytest.mark.system
def test_the_page_adds_a_method_and_trains_nothing_else(project: Path) -> None:
    cam = project / "results/smoke/checkpoints" / CELL.format(method="cam") / "model.safetensors"
    run(f"snakemake --cores 2 results/smoke/scores/{CELL.format(method='cam')}/cam.test.json", project)
    before = cam.stat()

    for path, text in files().items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text, encoding="utf-8")
    said = {command: run(command, project) for command in commands()}

    with (project / "reports/smoke/mine.cells.csv").open(encoding="utf-8", newline="") as stream:
        cells = {line["row"]: line for line in csv.DictReader(stream)}
    assert {row: line["status"] for row, line in cells.items()} == {"CAM": "measured", "Cutout": "measured"}
    score = project / "results/smoke/scores" / CELL.format(method="cutout") / "cam.test.json"
    measured = json.loads(score.read_text(encoding="utf-8"))["values"]["MaxBoxAccV2"]
    assert float(cells["Cutout"]["value"]) == pytest.approx(measured, abs=1e-6)

    after = cam.stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino), "CAM was trained again"
    trained = run("cd results/smoke/checkpoints && find . -name model.safetensors | cut -d/ -f2,4 | sort", project)
    assert trained.split() == ["synthbirds/cam", "synthbirds/cutout", "synthmix/pretraining"]
    trace = next(text for command, text in said.items() if command.startswith("wsol trace"))
    assert "results/smoke/checkpoints/synthbirds/resnet50/cutout/s0/model.safetensors" in trace
    assert "Cutout" in next(text for command, text in said.items() if command.startswith("wsol table"))
    assert "verified" in run("wsol verify", project)


def test_the_page_adds_an_attribution(tmp_path: Path) -> None:
    import torch

    from wsol.attribution import cam
    from wsol.models import build

    file = tmp_path / "positive_cam.py"
    file.write_text(files()["src/wsol/attribution/positive_cam.py"], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("positive_cam", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    torch.manual_seed(0)
    model = build("resnet50", num_classes=4, width=0.125).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        maps, logits = module.class_maps(model, images, floor=0.0)
        plain, plain_logits = cam.class_maps(model, images)
        assert torch.equal(maps, torch.relu(plain)) and torch.equal(logits, plain_logits)
        targets = torch.tensor([3, 1])
        assert torch.equal(module.attribute(model, images, targets), maps[torch.arange(2), targets])
