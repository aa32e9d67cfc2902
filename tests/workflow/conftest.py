"""A copy of this checkout with scale smoke built in it once, and cheap copies of that for tests to spoil."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
TARGETS = ("reports/tableB.csv", "pictures")
# What is reported of CALM, at the configured scale and, where that is cheap, by the scale's name as well.
NAMED_REPORTS = tuple(f"reports/smoke/{name}.csv" for name in ("cues", "remove_and_classify", "claims"))
EVERYTHING = (*TARGETS, "all_reports", *NAMED_REPORTS)
# Collectors make no file: they are no work, and a run that has only them to do has nothing to do.
COLLECTORS = {
    "tables",
    "pictures",
    "figures_of_papers",
    "all_data",
    "all_supersets",
    "all_checkpoints",
    "all_searches",
    "all_maps",
    "all_scores",
    "all_removal",
    "all_cues",
    "all_timings",
    "all_reports",
}
_WILDCARD_ORDER = ("dataset", "backbone", "method", "seed", "attribution", "table", "figure", "scale")
_TIMEOUT = 1200
_IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "test"), ("EMAIL", "test@localhost"), ("DATE", "2026-01-01T00:00:00Z"))
}


@dataclass(frozen=True)
class Plan:
    """What a dry run would do: `rule wildcard/wildcard/…` of every job that makes a file, and those files."""

    jobs: frozenset[str]
    outputs: frozenset[str]


@dataclass(frozen=True)
class Checkout:
    """A working copy of the project with this interpreter's environment; its own code runs, not the installed one."""

    root: Path
    settings: tuple[tuple[str, str], ...] = ()

    def having(self, **variables: str) -> Checkout:
        """The same with other environment variables."""
        return Checkout(self.root, (*self.settings, *variables.items()))

    @property
    def environment(self) -> dict[str, str]:
        own = ("WSOL_", "MLFLOW_", "DVC_", "SNAKEMAKE_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        # Jobs are processes of their own: without byte code each of them would compile torch anew.
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        return {
            **kept,
            **_IDENTITY,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "src"),
            "WSOL_DATA": str(raw_data()),
            "WSOL_TRACKING": "on",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DVC_NO_ANALYTICS": "1",
            # Another run must give the same bytes, which a GPU does not promise.
            "CUDA_VISIBLE_DEVICES": "",
            **dict(self.settings),
        }

    def call(self, *command: str, ok: bool | None = True) -> subprocess.CompletedProcess[str]:
        """Run a command here. `ok`: whether it must succeed, must fail, or (None) may do either."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
        said = f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        assert ok is None or (done.returncode == 0) == ok, said
        return done

    def python(self, module: str, *arguments: str, ok: bool | None = True) -> subprocess.CompletedProcess[str]:
        return self.call(sys.executable, "-m", module, *arguments, ok=ok)

    def wsol(self, verb: str, *arguments: str, ok: bool | None = True) -> subprocess.CompletedProcess[str]:
        return self.python(f"wsol.cli.{verb}", *arguments, ok=ok)

    def snakemake(self, *arguments: str, ok: bool | None = True) -> subprocess.CompletedProcess[str]:
        return self.python("snakemake", *arguments, ok=ok)

    def build(self, *targets: str) -> subprocess.CompletedProcess[str]:
        return self.wsol("run", *(targets or TARGETS), "--scale", "smoke")

    def plan(self, *targets: str, scale: str = "smoke") -> Plan:
        """What `snakemake` would do to bring the targets up to date."""
        done = self.snakemake("-n", "--cores", "2", *(targets or TARGETS), "--config", f"scale={scale}")
        return read_plan(done.stdout + done.stderr)

    def verify(self, *paths: str) -> dict[str, Any]:
        """The report of `wsol verify --json`."""
        done = self.wsol("verify", "--json", *(paths or ("data/smoke", "results/smoke", "reports")), ok=None)
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    def digests(self) -> dict[str, str]:
        """SHA-256 of every artefact and sidecar."""
        files = [path for name in ("data", "results", "reports") for path in (self.root / name).rglob("*")]
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(files)
            if path.is_file()
        }

    def leftovers(self) -> list[str]:
        """Hidden files among the artefacts: what a killed job left."""
        files = [path for name in ("data", "results", "reports") for path in (self.root / name).rglob(".*")]
        return sorted(path.relative_to(self.root).as_posix() for path in files)


def read_plan(text: str) -> Plan:
    """Jobs and outputs in what `snakemake -n` prints."""
    jobs: set[str] = set()
    outputs: set[str] = set()
    for block in re.split(r"^\[[^\]]*\]$", text, flags=re.MULTILINE)[1:]:
        rule = re.search(r"^(?:local)?rule (\w+):", block, flags=re.MULTILINE)
        if rule is None or rule[1] in COLLECTORS:
            continue
        found = re.search(r"^    wildcards: (.*)$", block, flags=re.MULTILINE)
        wildcards = dict(pair.split("=", 1) for pair in found[1].split(", ")) if found else {}
        if len(wildcards) > 1:
            wildcards.pop("scale", None)
        words = "/".join(wildcards[name] for name in _WILDCARD_ORDER if name in wildcards)
        jobs.add(f"{rule[1]} {words}".strip())
        made = re.search(r"^    output: (.*)$", block, flags=re.MULTILINE)
        outputs |= set(made[1].split(", ")) if made else set()
    return Plan(frozenset(jobs), frozenset(outputs))


def raw_data() -> Path:
    """The folder of the real data sets, which need not exist."""
    return Path(os.environ.get("WSOL_DATA") or PROJECT / "../shared/data").resolve()


def files_of_git(*options: str) -> list[str]:
    """Files of this checkout that git knows of, or as the options of `git ls-files` say."""
    command = ["git", "ls-files", "--exclude-standard", "-z", *options]
    listed = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.split("\0") if name]


def copy_project(target: Path) -> Checkout:
    """The files that git knows of or would add, committed in a repository of their own."""
    ignored = set(files_of_git("--cached", "--ignored"))
    for name in files_of_git("--cached", "--others"):
        if name not in ignored and (PROJECT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, target / name)
    checkout = Checkout(target)
    checkout.call("git", "init", "--quiet", "--initial-branch=main")
    checkout.call("git", "add", "--all")
    checkout.call("git", "commit", "--quiet", "--no-verify", "--message", "A copy")
    return checkout


def copy_tree(source: Checkout, target: Path) -> Checkout:
    """A copy with the time stamps of the original, which Snakemake goes by."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(source.root), str(target)], check=True)
    return Checkout(target)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Checkout]) -> Checkout:
    """What `make` makes in the folder given, once for all workers of this test run; the others wait for it."""
    base = factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    shared.mkdir(exist_ok=True)
    folder, done = shared / name, shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return Checkout(folder)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A clean clone of the project as it lies here. Do not change it."""
    return made_once(tmp_path_factory, "source", copy_project)


@pytest.fixture(scope="session")
def built_once(source: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The clone after its tables and pictures were made at scale smoke. Run nothing in it: others copy it meanwhile."""

    def make(folder: Path) -> Checkout:
        checkout = copy_tree(source, folder)
        checkout.build()
        return checkout

    return made_once(tmp_path_factory, "built", make)


@pytest.fixture(scope="session")
def built(built_once: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """This worker's built clone. Do not change it."""
    return copy_tree(built_once, tmp_path_factory.mktemp("built") / "project")


@pytest.fixture(scope="session")
def complete(built_once: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """This worker's built clone after all that can be reported at scale smoke was made. Do not change it."""

    def make(folder: Path) -> Checkout:
        checkout = copy_tree(built_once, folder)
        checkout.build(*EVERYTHING)
        return checkout

    return copy_tree(made_once(tmp_path_factory, "complete", make), tmp_path_factory.mktemp("complete") / "project")


@pytest.fixture
def fresh(source: Checkout, tmp_path: Path) -> Iterator[Checkout]:
    """A clean clone to do anything with."""
    yield copy_tree(source, tmp_path / "fresh")
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def spoilt(built_once: Checkout, tmp_path: Path) -> Iterator[Checkout]:
    """A built clone to do anything with."""
    yield copy_tree(built_once, tmp_path / "spoilt")
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="session")
def duplicate() -> Callable[[Checkout, Path], Checkout]:
    """`copy_tree`, for fixtures of a module."""
    return copy_tree


@pytest.fixture(scope="session")
def tracked_but_ignored() -> list[str]:
    """Files of this checkout that git holds although .gitignore calls them generated."""
    return files_of_git("--cached", "--ignored")
