"""Ways to break a training off in a test."""

from __future__ import annotations

from typing import Any

import pytest

from wsol.training import loop


def stop_in_step(patch: pytest.MonkeyPatch, verb: Any, step: int) -> None:
    """Let `verb`, a module of `wsol.cli` that trains, be interrupted when it reports for the `step`-th time.

    The state is saved after every step. Undo it with `patch`'s context to go on.
    """
    calls = 0

    def stop(self: Any, fraction: float, note: str = "") -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            raise KeyboardInterrupt

    patch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
    patch.setattr(verb.ProgressFile, "__call__", stop)
