"""Journals as files that other processes may still be writing: whole lines only, and whether the writer lives."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OTHER_HOST_GRACE = 600.0  # seconds of silence before a lock seen from another host is believed
"""Some network disks keep locks to the host that took them, so a free lock seen from elsewhere may be a living job."""


@dataclass(frozen=True)
class Journal:
    path: Path

    @property
    def id(self) -> str:
        return self.path.stem

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def events(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The whole events from byte `offset`, and the offset after them. A line that is no JSON is left out."""
        with self.path.open("rb") as stream:
            stream.seek(offset)
            content = stream.read()
        whole = content[: content.rfind(b"\n") + 1]
        parsed = [_event(line, self.path) for line in whole.splitlines() if line.strip()]
        return [event for event in parsed if event is not None], offset + len(whole)

    def start(self) -> dict[str, Any] | None:
        """The first event, or None while it is not there (or where the file is no journal)."""
        try:
            with self.path.open("rb") as stream:
                line = stream.readline()
        except OSError:
            return None
        event = _event(line, self.path) if line.endswith(b"\n") else None
        return event if event and event.get("event") == "start" else None

    def alive(self) -> bool | None:
        """Whether the job still holds its journal; None where that cannot be told."""
        start = self.start()
        if start is None or not start.get("locked", False):
            return None
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return None
        finally:
            os.close(descriptor)
        quiet = time.time() - self.path.stat().st_mtime
        return None if start.get("host") != socket.gethostname() and quiet < _OTHER_HOST_GRACE else False


def journals(folder: Path) -> list[Journal]:
    """All journals of a folder in the order in which their jobs started (to the second)."""
    return [Journal(path) for path in sorted(folder.glob("*.jsonl"))]


def _event(line: bytes, path: Path) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("time"), int) or "event" not in event:
        warnings.warn(f"{path}: a line that is no event is left out: {line[:80]!r}", stacklevel=3)
        return None
    return event
