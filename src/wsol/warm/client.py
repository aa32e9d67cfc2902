"""A job's side: hand the work over, pass signals on, end as the child ended."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wsol.warm import protocol

ALONE = {"wsol.cli.time_maps"}
"""Verbs that measure: their process is to be theirs from the start."""

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 30.0
"""Seconds for the server's first answer; importing torch for the first time from a slow disk takes ten."""


def hand_over() -> None:
    """End this process with the outcome of the same command in a child of the server; return where there is none."""
    path, module = os.environ.get(protocol.VARIABLE, ""), _own_module()
    if not path.startswith("/") or module is None or module in ALONE:
        return
    status = _run(path, module)
    if status is None:
        return
    _flush()
    if status < 0:  # ended by a signal, and so does this process
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _own_module() -> str | None:
    """Name of the module that `python -m` runs; None where this process began otherwise."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec.name if spec is not None and spec.name.startswith("wsol.cli.") else None


def _run(path: str, module: str) -> int | None:
    request = {
        "module": module,
        "arguments": sys.argv,
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
        "path": sys.path,
        "ignored": [number for number in PASSED_ON if signal.getsignal(number) is signal.SIG_IGN],
    }
    _flush()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE)
        try:
            connection.connect(path)
            protocol.send_request(connection, request)
            if connection.recv(1) != protocol.ACCEPTED:
                return None
        except OSError:
            return None  # no server, or one too busy to answer: nothing has been begun
        connection.settimeout(None)
        with _signals_passed_on(connection):
            try:
                return protocol.receive_status(connection)
            except (OSError, protocol.GoneError):
                print("wsol: the process that ran this job is gone; run it again", file=sys.stderr)
                return 1


@contextmanager
def _signals_passed_on(connection: socket.socket) -> Iterator[None]:
    def send(number: int, frame: Any) -> None:
        connection.send(bytes([number]))

    before = {number: signal.getsignal(number) for number in PASSED_ON}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, send)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
