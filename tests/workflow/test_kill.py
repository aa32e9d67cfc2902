"""A run killed at any moment, however often, ends in the same bytes when it is started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system

# Jobs of every layer, on boxes and on masks; one backbone will do for that.
TARGETS = tuple(f"reports/smoke/pictures/{dataset}.png" for dataset in ("synthbirds", "synthobjects"))
PATIENCE = 900.0
# Orphans look for their parent twice a second; the rest is for a machine that is busy with other things.
GRACE = 30.0

Moment = Callable[[Path, float], bool]


def after(seconds: float) -> Moment:
    return lambda root, spent: spent >= seconds


def when_there_is(pattern: str) -> Moment:
    return lambda root, spent: any(root.glob(pattern))


def when_training_saved_its_state(root: Path, spent: float) -> bool:
    """Later than the first epoch of some training that is still going on."""
    return any(root.glob("scratch/smoke/**/state.pt"))


def when_a_new(pattern: str) -> Callable[[Path], Moment]:
    """When there are more such files than there were when the run began."""

    def begin(root: Path) -> Moment:
        count = len(list(root.glob(pattern)))
        return lambda folder, spent: len(list(folder.glob(pattern))) > count

    return begin


MOMENTS: dict[str, Callable[[Path], Moment]] = {
    "while the graph is built": lambda root: after(2.0),
    "while images are rendered": lambda root: when_there_is("logs/smoke/data/*.render.log"),
    "after the first manifest": lambda root: when_there_is("data/smoke/*/manifests.prov.json"),
    "in the middle of a training": lambda root: when_training_saved_its_state,
    "in the middle of another training": lambda root: after(15.0),
    "when a model was just published": when_a_new("results/smoke/checkpoints/*/*/*/*/train.prov.json"),
    "when maps are stored": when_a_new("results/smoke/maps/*/*/*/*/*.test.safetensors"),
    "when scores are written": when_a_new("results/smoke/scores/*/*/*/*/*.test.json"),
}


def processes_in(root: Path) -> list[int]:
    """Processes whose working folder is this checkout."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                folder = (entry / "cwd").readlink()
            except OSError:
                continue
            if folder == root:
                found.append(int(entry.name))
    return found


def run_and_kill(checkout: Any, moment: Moment) -> bool:
    """Start the run, kill its first process alone at the moment; whether it was still at work then."""
    command = [sys.executable, "-m", "wsol.cli.run", *TARGETS, "--scale", "smoke", "--quiet"]
    begin = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=checkout.root,
        env=checkout.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None and not moment(checkout.root, time.monotonic() - begin):
            assert time.monotonic() - begin < PATIENCE
            time.sleep(0.05)
    finally:
        killed = process.poll() is None
        if killed:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
    return killed


def test_killed_at_any_moment_it_ends_in_the_same_bytes(built: Any, fresh: Any) -> None:
    published = set(fresh.digests())
    reached = []
    for name, moment in MOMENTS.items():
        if run_and_kill(fresh, moment(fresh.root)):
            reached.append(name)
        deadline = time.monotonic() + GRACE
        while (alive := processes_in(fresh.root)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert alive == [], f"killed {name}: jobs went on without the run"
    assert len(reached) >= 5, reached
    fresh.build(*TARGETS)

    ours, theirs = fresh.digests(), built.digests()
    made = {name for name in set(ours) - published if not name.startswith("results/smoke/params/")}
    assert made == built.plan("--forceall", *TARGETS).outputs
    assert [name for name in ours if ours[name] != theirs[name] and name not in published] == []
    assert fresh.leftovers() == []
    assert list((fresh.root / "scratch").rglob("state.pt")) == []
    assert fresh.plan(*TARGETS).jobs == set()
    assert fresh.verify()["problems"] == []
