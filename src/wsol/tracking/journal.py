"""The journal of one job: a file of JSON lines, appended to while the job runs.

A journal never fails its job: whatever goes wrong becomes one warning, and the rest of the run is not recorded.
While the job lives it holds a lock on its journal, which the system drops when the process ends for whatever reason.
That is how `wsol track sync` tells a running job from a killed one, without trusting process numbers.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from wsol.tracking.origin import command_line, git_state
from wsol.tracking.places import journal_folder, tracking_folder, tracking_is_on

FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"
STATUSES = (FINISHED, FAILED, KILLED)


class Run:
    """One job's journal, or nothing at all where tracking is off. No method of it raises."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._curves: set[str] = set()

    @property
    def id(self) -> str:
        """The journal's name, which becomes the tag `wsol.journal` of the MLflow run; empty where tracking is off."""
        return self._path.stem if self._path else ""

    def metrics(self, values: Mapping[str, Any], step: int) -> None:
        """Append one point of each curve: numbers by name, at an epoch or iteration."""
        try:
            numbers = _numbers(values)
            self._curves.update(numbers)
            self._append("metrics", step=int(step), values=numbers)
        except Exception as error:
            self._give_up(error)

    def summary(self, values: Mapping[str, Any]) -> None:
        """Append final numbers that belong to no step; one with the name of a curve becomes `final/<name>`."""
        try:
            # Not a last point of the curve: it may be the value of an earlier epoch, the one whose weights are kept.
            named = {f"final/{name}" if name in self._curves else name: v for name, v in _numbers(values).items()}
            self._append("summary", values=named)
        except Exception as error:
            self._give_up(error)

    def artifact(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Name a file of the run. Sync copies it if it is small and unchanged by then, else records path and hash."""
        if self._descriptor is None:
            return
        try:
            file = Path(path)
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            self._append("artifact", path=str(path), name=name or file.name, bytes=file.stat().st_size, sha256=digest)
        except Exception as error:
            warnings.warn(f"{path}: not recorded in the tracking journal ({error}); the job goes on", stacklevel=2)

    def tag(self, key: str, value: Any) -> None:
        try:
            self._append("tag", key=str(key), value=value)
        except Exception as error:
            self._give_up(error)

    def finish(self, status: str = FINISHED) -> None:
        """Close the journal with FINISHED, FAILED or KILLED; what is recorded afterwards is dropped."""
        try:
            self._append("finish", status=status if status in STATUSES else FAILED)
        except Exception as error:
            self._give_up(error)
        self._close()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish(FINISHED)
        else:
            self.finish(FAILED if issubclass(kind, Exception) else KILLED)

    def _open(self, **start: Any) -> None:
        assert self._path is not None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self._descriptor = os.open(self._path, flags, 0o644)
        try:
            # Locked before the first line: a reader tests the lock only of a journal that has one.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        except OSError:
            locked = False
        self._append("start", locked=locked, **start)

    def _append(self, event: str, **fields: Any) -> None:
        if self._descriptor is None:
            return
        line = json.dumps({"event": event, "time": _now_ms(), **fields}, default=str, ensure_ascii=False) + "\n"
        content = line.encode("utf-8")
        # One write a line, so that a reader or a kill never sees half an event in the middle of the file.
        if os.write(self._descriptor, content) != len(content):
            raise OSError("the disk took only a part of the line")

    def _give_up(self, error: Exception) -> None:
        self._close()
        warnings.warn(f"{self._path}: tracking stops here, the job goes on ({error})", stacklevel=3)

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            try:
                os.close(descriptor)
            except OSError as error:
                warnings.warn(f"{self._path}: the journal may lack its end ({error})", stacklevel=3)


def start_run(
    layer: str,
    cell: Mapping[str, Any],
    parameters: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Run:
    """Start the journal of one job and return it; never raises, and does nothing where WSOL_TRACKING=off.

    Args:
        layer: "data", "train", "maps", "scores" or "reports"; it chooses the MLflow experiment `wsol/<layer>`.
        cell: what names the job: scale, dataset, backbone, method, seed, and attribution, split or table.
        parameters: resolved parameters; nested mappings become dotted names.
        tags: facts to search by, such as hashes of inputs; nested mappings become dotted names. `target` is the file
            that Snakemake makes with this job: the run's page then says how to make it again.
    """
    if not tracking_is_on():
        return Run()
    run: Run | None = None
    try:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        run = Run(journal_folder(tracking_folder()) / f"{stamp}-{layer}-{os.urandom(4).hex()}.jsonl")
        run._open(
            layer=layer,
            cell=dict(cell),
            parameters=dict(parameters or {}),
            tags=dict(tags or {}) if tags and "git.commit" in tags else {**git_state(), **dict(tags or {})},
            command=command_line(),
            folder=str(Path.cwd()),
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        return run
    except Exception as error:
        if run is not None:
            run._close()
        warnings.warn(f"{tracking_folder()}: this run is not tracked, the job goes on ({error})", stacklevel=2)
        return Run()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Plain floats of numbers, NumPy or torch scalars; what is no number is left out with a warning."""
    numbers: dict[str, float] = {}
    for name, value in values.items():
        try:
            numbers[str(name)] = float(value)
        except (TypeError, ValueError):
            warnings.warn(f"metric {name!r} is no number ({value!r}) and is not tracked", stacklevel=4)
    return numbers
