"""Who lives, and who only has the number of somebody who did."""

from __future__ import annotations

import os
import subprocess
import time

from wsol.lineage import birth


def test_births_tell_processes_apart() -> None:
    own = birth(str(os.getpid()))
    assert own is not None and own == birth(str(os.getpid())) == birth("self")
    with subprocess.Popen(["sleep", "60"]) as other:
        assert birth(str(other.pid)) != own or other.pid != os.getpid()
        other.kill()
        deadline = time.monotonic() + 5
        while birth(str(other.pid)) is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert birth(str(other.pid)) is None, "a zombie is dead"
