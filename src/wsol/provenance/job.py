"""A job: hashes what it reads, publishes all that it makes or nothing, and says so in a sidecar."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from wsol.errors import DataError
from wsol.files import canonical_json, temporary_beside
from wsol.provenance.closure import code_closure, code_file, code_hashes, external_packages
from wsol.provenance.paths import (
    hash_path,
    hash_path_quickly,
    logical_path,
    physical_path,
    repo_root,
    require_exists,
    require_sidecar_name,
)
from wsol.provenance.sidecar import Record, environment, git_state, portable_command, write_record

PathLike = str | os.PathLike[str]
_log = logging.getLogger(__name__)


class Job:
    """Context manager around the work of one command.

    On entry it hashes the inputs and the code. Outputs are written to temporary names beside their targets; when the
    block ends well and nothing that was read has changed meanwhile, the outputs are renamed and then the sidecar is
    written, last. After an exception no temporary is left and nothing was published. A killed job leaves hidden
    temporaries, which the next job with the same outputs removes.

    `inputs` maps a role to a path or a list of paths (`raw:` and `system:` names allowed); `code_roots` are dotted
    module names, with those that a registry imports by name. `packages` defaults to the third-party imports of the
    code. `command` defaults to the process's own; give it where one process runs several jobs, so that the sidecar does
    not depend on how they were batched.
    """

    def __init__(
        self,
        *,
        layer: str,
        cell: Mapping[str, Any],
        sidecar: PathLike,
        inputs: Mapping[str, PathLike | Sequence[PathLike]],
        code_roots: Sequence[str],
        parameters: Mapping[str, Any] | None = None,
        device: str = "cpu",
        threads: int = 1,
        packages: Sequence[str] | None = None,
        command: Sequence[str] | None = None,
        package_root: PathLike | None = None,
    ) -> None:
        require_sidecar_name(Path(sidecar))
        self.layer = layer
        self.cell = dict(cell)
        self.parameters = dict(parameters or {})
        self.sidecar = Path(sidecar)
        self.device = device
        self.threads = threads
        self.run = Observer(None)
        self._inputs = inputs
        self._code_roots = list(code_roots)
        self._packages = packages
        self._command = command
        self._package_root = package_root
        self._temporaries: dict[str, Path] = {}
        self._root = repo_root()
        self._record: Record | None = None

    def __enter__(self) -> Job:
        self._record = self._start_record()
        tags = {
            "git.commit": str(self.record.git["commit"]),
            "git.dirty": str(self.record.git["dirty"]),
            "inputs.digest": self.key,
        }
        self.run = Observer(lambda: _start_tracking(self.layer, self.cell, self.parameters, tags))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        finished = False
        try:
            if kind is None:
                self._publish()
                finished = True
        finally:
            for temporary in self._temporaries.values():
                temporary.unlink(missing_ok=True)
            if finished:
                self.run.tag("target", next(iter(self.record.outputs), ""))
                for path, digest in self.record.outputs.items():
                    self.run.tag(f"sha256.{re.sub(r'[^A-Za-z0-9_./-]', '_', path)}", digest)
            self.run.finish("FINISHED" if finished else "FAILED")

    @property
    def record(self) -> Record:
        """What the sidecar will say; `outputs` is empty until the job has ended."""
        if self._record is None:
            raise RuntimeError("a Job has no record before its `with` block begins")
        return self._record

    @property
    def key(self) -> str:
        """Hash of everything that can change the outputs: two jobs with one key make the same bytes."""
        record = self.record
        parts = {
            "layer": record.layer,
            "cell": record.cell,
            "inputs": record.inputs,
            "code": record.code,
            "environment": record.environment,
            "device": record.device,
            "threads": record.threads,
        }
        return hashlib.sha256(canonical_json(parts).encode()).hexdigest()

    def input(self, path: PathLike) -> Path:
        """Add an input that only became known while the job runs; returns where it lies."""
        logical = logical_path(path, self._root)
        self.record.inputs[logical] = self._hash_input("input", logical)
        return physical_path(logical, self._root)

    def output_path(self, path: PathLike) -> Path:
        """A temporary path to write to; it becomes `path` when the job ends well."""
        logical = logical_path(path, self._root)
        target = physical_path(logical, self._root)
        if logical in self._temporaries:
            return self._temporaries[logical]
        temporary = temporary_beside(target)
        self._temporaries[logical] = temporary
        return temporary

    @contextmanager
    def output(self, path: PathLike) -> Iterator[Path]:
        """As `output_path`, for a `with` block that must leave the file written."""
        temporary = self.output_path(path)
        yield temporary
        self._require_written(logical_path(path, self._root), temporary)

    def _start_record(self) -> Record:
        inputs = {}
        for role, value in self._inputs.items():
            for path in [value] if isinstance(value, str | os.PathLike) else value:
                logical = logical_path(path, self._root)
                inputs[logical] = self._hash_input(role, logical)
        code = code_closure(*self._code_roots, package_root=self._package_root)
        packages = self._packages
        if packages is None:
            packages = external_packages(*self._code_roots, package_root=self._package_root)
        return Record(
            layer=self.layer,
            cell=self.cell,
            outputs={},
            inputs=inputs,
            code=code_hashes(code, self._package_root),
            code_roots=sorted(self._code_roots),
            environment=environment(packages),
            device=self.device,
            threads=self.threads,
            git=git_state([*code, *inputs], self._root),
            command=portable_command(_own_command() if self._command is None else self._command, self._root),
        )

    def _hash_input(self, role: str, logical: str) -> str:
        path = physical_path(logical, self._root)
        require_exists(logical, path, f"input '{role}'")
        return hash_path_quickly(path)

    def _publish(self) -> None:
        record = self.record
        for logical, temporary in self._temporaries.items():
            self._require_written(logical, temporary)
        self._require_unchanged()
        outputs = {logical: hash_path(temporary) for logical, temporary in self._temporaries.items()}
        # An old sidecar must not stand beside new outputs if this process dies between two renames.
        self.sidecar.unlink(missing_ok=True)
        published: list[Path] = []
        try:
            for logical, temporary in self._temporaries.items():
                target = physical_path(logical, self._root)
                temporary.replace(target)
                published.append(target)
            self._record = replace(record, outputs=outputs)
            write_record(self.sidecar, self._record)
        except BaseException:
            for target in published:
                target.unlink(missing_ok=True)
            raise

    def _require_written(self, logical: str, temporary: Path) -> None:
        if not temporary.is_file():
            raise DataError(f"{logical}: the job promised this file but did not write it; nothing was published")

    def _require_unchanged(self) -> None:
        for logical, digest in self.record.inputs.items():
            path = physical_path(logical, self._root)
            if not path.exists() or hash_path_quickly(path) != digest:
                raise DataError(f"{logical}: changed while the job read it; nothing was published, run the job again")
        for module, digest in self.record.code.items():
            file = code_file(module, self._package_root)
            if not file.is_file() or hash_path(file) != digest:
                raise DataError(f"{module}: edited while the job ran; nothing was published, run the job again")


class Observer:
    """A tracking run that may fail without consequence: the first failure is logged, and the rest is silence."""

    def __init__(self, start: Callable[[], Any] | None) -> None:
        self._run: Any = None
        self._artifacts: list[PathLike] = []
        if start is not None:
            self._run = self._guarded(start)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self._call("metrics", dict(values), step=step)

    def summary(self, values: Mapping[str, Any]) -> None:
        self._call("summary", dict(values))

    def artifact(self, path: PathLike) -> None:
        """Keep a copy of a file; it is read when the job has ended well, so a target's own path may be given."""
        self._artifacts.append(path)

    def tag(self, key: str, value: str) -> None:
        self._call("tag", key, value)

    def finish(self, status: str) -> None:
        if status == "FINISHED":
            for path in self._artifacts:
                self._call("artifact", path)
        self._call("finish", status)

    def _call(self, name: str, *arguments: Any, **options: Any) -> None:
        run = self._run
        if run is not None:
            self._guarded(lambda: getattr(run, name)(*arguments, **options))

    def _guarded(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Exception as error:
            self._run = None
            _log.warning("tracking stopped: %s: %s (the job goes on without it)", type(error).__name__, error)
            return None


def _start_tracking(layer: str, cell: dict[str, Any], parameters: dict[str, Any], tags: dict[str, str]) -> Any:
    from wsol.tracking import start_run

    return start_run(layer, cell, parameters, tags)


def _own_command() -> list[str]:
    """The command line of this process, as one may type it again."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name:
        return ["python", "-m", spec.name.removesuffix(".__main__"), *sys.argv[1:]]
    return [Path(sys.argv[0]).name, *sys.argv[1:]]
