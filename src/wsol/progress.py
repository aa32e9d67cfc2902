"""How far a job is, for whoever watches the workflow: a number in a file, written at most once a second."""

from __future__ import annotations

import os
import time
from pathlib import Path


class ProgressFile:
    """Fraction done of a running job in `$WSOL_PROGRESS/<name>`; does nothing where the variable is not set."""

    def __init__(self, name: str) -> None:
        folder = os.environ.get("WSOL_PROGRESS")
        self._path = Path(folder) / name.replace("/", "__") if folder else None
        self._last = -1.0

    def __call__(self, fraction: float, note: str = "") -> None:
        now = time.monotonic()
        if self._path is None or (now - self._last < 1.0 and fraction < 1):
            return
        self._last = now
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            temporary.write_text(f"{fraction:.4f} {note}\n", encoding="utf-8")
            temporary.replace(self._path)
        except OSError:
            self._path = None
