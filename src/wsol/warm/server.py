"""The server's side: `python -m wsol.warm.server SOCKET RUN` imports what jobs need, and forks a child for every job.

RUN is the process that started it, and with which it ends. It imports nothing before its third job: a run of two is
over sooner without.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import runpy
import selectors
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from wsol.lineage import die_with_parent
from wsol.warm import protocol

AHEAD = (
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "torch",
    "numba",
    "numba.core.inline_closurecall",
    "numba.core.typing.cffi_utils",
    "numba.np.arraymath",
    "jsonschema",
    "PIL.Image",
    "safetensors.numpy",
)
JOBS_WITHOUT = 2
READY = "imported ahead; jobs fork from this process"
GRACE = 10.0
"""Seconds between asking the child of a vanished job to end and making it."""


@dataclass
class _Job:
    connection: socket.socket
    child: BaseProcess
    deadline: float | None = None


class Server:
    """Takes jobs at `path` until it is killed."""

    def __init__(self, path: str) -> None:
        self._events = selectors.DefaultSelector()
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(path)
        self._listening.listen(64)
        self._events.register(self._listening, selectors.EVENT_READ)
        self._seen = 0
        self._ready: bool | None = None
        self._jobs: list[_Job] = []

    def serve(self) -> None:
        while True:
            for key, _ in self._events.select(timeout=1.0):
                if key.fileobj is self._listening:
                    self._take(self._listening.accept()[0])
                elif isinstance(key.data, _Job) and key.data in self._jobs:
                    if key.fileobj is key.data.connection:
                        self._hear(key.data)
                    else:
                        self._end(key.data)
            for job in self._jobs:
                if job.deadline is not None and time.monotonic() > job.deadline:
                    job.child.kill()

    def _take(self, connection: socket.socket) -> None:
        connection.settimeout(5.0)
        streams: list[int] = []
        try:
            request, streams = protocol.receive_request(connection)
            self._seen += 1
            if self._seen <= JOBS_WITHOUT or not self._prepared():
                connection.sendall(protocol.DO_IT_YOURSELF)
                connection.close()
                return
            # From here the job is the child's: were it begun before the client knew, a lost answer would do it twice.
            connection.sendall(protocol.ACCEPTED)
            connection.settimeout(None)
            child = multiprocessing.get_context("fork").Process(
                target=self._work, args=(request, streams, connection, os.getpid())
            )
            child.start()
        except (OSError, ValueError, protocol.GoneError):
            connection.close()
            return
        finally:
            for stream in streams:
                os.close(stream)
        job = _Job(connection, child)
        self._jobs.append(job)
        self._events.register(connection, selectors.EVENT_READ, job)
        self._events.register(child.sentinel, selectors.EVENT_READ, job)

    def _prepared(self) -> bool:
        if self._ready is None:
            self._ready = _import_ahead()
            gc.freeze()  # the children's collector then leaves the pages that they share alone
        return self._ready

    def _hear(self, job: _Job) -> None:
        try:
            numbers = job.connection.recv(16)
        except OSError:
            numbers = b""
        if numbers:
            for number in numbers:
                os.kill(job.child.pid or 0, number)
            return
        self._events.unregister(job.connection)  # the job was killed: its child must not write on
        job.child.terminate()
        job.deadline = time.monotonic() + GRACE

    def _end(self, job: _Job) -> None:
        self._events.unregister(job.child.sentinel)
        job.child.join()
        if job.deadline is None:
            self._events.unregister(job.connection)
            with contextlib.suppress(OSError):  # the job was killed a moment ago
                protocol.send_status(job.connection, job.child.exitcode or 0)
        job.connection.close()
        job.child.close()
        self._jobs.remove(job)

    def _work(self, request: dict[str, Any], streams: list[int], connection: socket.socket, server: int) -> None:
        """In the child: become the process that the job would have been, and run its module."""
        die_with_parent()
        if os.getppid() != server:
            os._exit(1)
        self._events.close()
        for other in (self._listening, connection, *(job.connection for job in self._jobs)):
            other.close()
        for stream, own in zip(streams, protocol.STREAMS, strict=True):
            os.dup2(stream, own)
            os.close(stream)
        sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number in request["ignored"]:
            signal.signal(number, signal.SIG_IGN)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        del os.environ[protocol.VARIABLE]  # this is where the work is done
        sys.argv, sys.path[:] = request["arguments"], request["path"]
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def _import_ahead() -> bool:
    """False where another thread is at work afterwards: a fork would leave it out, with whatever it holds."""
    for module in AHEAD:
        importlib.import_module(module)
    names = sorted((task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir())
    alone = len(names) == 1
    print(READY if alone else f"jobs start by themselves, for the imports left threads: {', '.join(names)}", flush=True)
    return alone


def main() -> None:
    path, run = sys.argv[1:]
    folder = Path(path).parent

    def leave(*_: Any) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    # Ctrl-C is for the jobs, which pass it on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(signal.SIGTERM)
    if os.getppid() != int(run):  # it was killed before this process could ask to be told
        leave()
    Server(path).serve()


if __name__ == "__main__":
    main()
