"""Processes that end with those that started them, so that a killed run leaves nobody writing."""

from __future__ import annotations

import ctypes
import signal
import sys


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Called in a child: be sent this signal when its parent is gone (Linux: PR_SET_PDEATHSIG = 1; elsewhere no-op)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, int(number))
