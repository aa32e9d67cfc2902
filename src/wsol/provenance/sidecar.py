"""One sidecar a job: what it made, from which bytes, with which code, in which environment.

Deterministic: no time, no duration, no host, no path of this machine, so that the same job gives the same sidecar.
"""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from wsol.errors import DataError, ParameterError
from wsol.files import read_json, write_json
from wsol.provenance.paths import RAW, SIDECAR_SUFFIX, is_external, logical_path, repo_root, require_sidecar_name

FORMAT = 1
_DISTRIBUTION = {"cv2": "opencv-python-headless", "PIL": "pillow", "yaml": "pyyaml"}


@dataclass(frozen=True)
class Record:
    """The contents of a sidecar. Hashes are hex SHA-256; paths are logical (see `paths.logical_path`).

    `git` is {"commit": hex or None, "dirty": bool or None}; None outside a git checkout.
    """

    layer: str
    cell: dict[str, Any]
    outputs: dict[str, str]
    inputs: dict[str, str]
    code: dict[str, str]
    code_roots: list[str]
    environment: dict[str, str]
    device: str
    threads: int
    git: dict[str, Any]
    command: list[str]


def write_record(path: str | os.PathLike[str], record: Record) -> None:
    require_sidecar_name(Path(path))
    write_json(path, {"format": FORMAT, **asdict(record)})


def read_record(path: str | os.PathLike[str]) -> Record:
    """Raises DataError if the file is no sidecar of this format."""
    value = read_json(path)
    if not isinstance(value, dict) or value.pop("format", None) != FORMAT:
        raise DataError(f"{path}: not a provenance sidecar of format {FORMAT}; delete it and run its job again")
    try:
        return Record(**value)
    except TypeError as error:
        raise DataError(f"{path}: a broken provenance sidecar ({error}); delete it and run its job again") from error


def environment(packages: Iterable[str]) -> dict[str, str]:
    """Versions of Python and of the packages (import or distribution names) that are installed."""
    versions = {"python": platform.python_version()}
    for name in packages:
        distribution = _DISTRIBUTION.get(name, name)
        try:
            versions[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return versions


def git_state(paths: Sequence[str], root: Path | None = None) -> dict[str, Any]:
    """The commit, and whether any of `paths` (relative to `root`) differs from it.

    Only the job's own files count, not the whole tree: a table that the last run rewrote must not make this run dirty.
    """
    base = root or repo_root()
    commit = _commit(base)
    if commit is None:
        return {"commit": None, "dirty": None}
    tracked = [path for path in paths if not is_external(path) and not Path(path).is_absolute()]
    status = _git(base, "status", "--porcelain", "--untracked-files=all", "--", *tracked) if tracked else ""
    return {"commit": commit, "dirty": None if status is None else bool(status)}


@functools.cache
def _commit(root: Path) -> str | None:
    return _git(root, "rev-parse", "--verify", "--quiet", "HEAD") or None


def _git(root: Path, *arguments: str) -> str | None:
    """Output of a read-only git command, or None if git, the repository or the commit is missing."""
    # Without optional locks, `git status` does not rewrite the index while another job reads it.
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, env=environ)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


class Sidecars:
    """Sidecars read so far, and which of them explains a file."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or repo_root()
        self.records: dict[str, Record] = {}
        self.broken: dict[str, str] = {}
        self.claims: dict[str, list[str]] = {}
        self._searched: set[Path] = set()
        self._walked: set[Path] = set()

    def add_tree(self, folder: Path) -> None:
        """Read every sidecar below `folder`, once."""
        if folder in self._walked:
            return
        self._walked.add(folder)
        for current, folders, _ in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            self._add_folder(Path(current))

    def producer(self, artefact: str) -> str | None:
        """Logical path of the sidecar that explains `artefact`: among those read, else in the folders above the
        artefact, else anywhere below its scale (the first two folders of its path)."""
        if is_external(artefact):
            return None
        if artefact not in self.claims:
            parents = Path(artefact).parents
            for folder in parents:
                self._add_folder(self.root / folder)
                if artefact in self.claims:
                    break
            else:
                if len(parents) > 2:
                    self.add_tree(self.root / parents[-3])
        return self.claims.get(artefact, [None])[0]

    def _add_folder(self, folder: Path) -> None:
        if folder in self._searched or not folder.is_dir():
            return
        self._searched.add(folder)
        for path in sorted(folder.glob(f"*{SIDECAR_SUFFIX}")):
            name = logical_path(path, self.root)
            if path.name.startswith(".") or name in self.records:
                continue
            try:
                record = read_record(path)
            except DataError as error:
                self.broken[name] = str(error)
                continue
            self.records[name] = record
            for output in record.outputs:
                self.claims.setdefault(output, []).append(name)


def portable_command(arguments: Sequence[str], root: Path | None = None) -> list[str]:
    """A command line without paths of this machine: a path that is absolute, or leads to the raw data or out of the
    repository, becomes a logical one or its last name."""
    return [_portable(argument, root) for argument in arguments]


def _portable(argument: str, root: Path | None) -> str:
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    try:
        logical = logical_path(value, root)
    except ParameterError:
        return f"{option}{equals}{Path(value).name}"
    kept = not Path(value).is_absolute() and not logical.startswith(RAW)
    return argument if kept else f"{option}{equals}{logical}"


def short_code(code: Mapping[str, str]) -> str:
    return f"{len(code)} code file{'' if len(code) == 1 else 's'}"
