"""How long a call takes: run some times unseen, then timed one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def seconds(
    call: Callable[[], Any],
    *,
    repeats: int,
    warmups: int,
    synchronise: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Seconds of each of `repeats` calls, after `warmups` calls that do not count.

    `synchronise` waits for the device and is called before the clock starts and before it stops, so that work of
    before is not counted and work of the call is. Left out, a call is over when it returns.
    """
    for _ in range(warmups):
        call()
    found = []
    for _ in range(repeats):
        synchronise()
        start = clock()
        call()
        synchronise()
        found.append(clock() - start)
    return found
