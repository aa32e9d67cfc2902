"""Processes that end with those that started them, so that a killed run leaves nobody writing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Called in a child: be sent this signal when its parent is gone (Linux: PR_SET_PDEATHSIG = 1; elsewhere no-op)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, int(number))


def end_with_run() -> None:
    """Under a workflow run, end within a second of its death: a killed run must leave nobody writing."""
    parent = os.environ.get("WSOL_PARENT")
    if not parent:
        return
    born = birth(parent)
    if born is None:
        if birth("self") is None:
            return  # no /proc on this system: no way to tell
        raise SystemExit("wsol: the workflow run that started this job is gone")

    def watch() -> None:
        while birth(parent) == born:
            time.sleep(0.5)
        os._exit(130)

    threading.Thread(target=watch, daemon=True, name="watch-parent").start()


def birth(pid: str) -> str | None:
    """Start time of a live process in clock ticks since boot (Linux); None if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]
