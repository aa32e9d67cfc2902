"""How long calls take: run some times unseen, then timed one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any


def seconds_in_turn(
    calls: Sequence[Callable[[], Any]],
    *,
    repeats: int,
    warmups: int,
    synchronise: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Of each call the seconds of `repeats` runs, after `warmups` runs that do not count.

    Every call runs once before any runs again, so that a machine that is slower for a while is so for all of them: one
    after the other, what is compared would have been measured minutes apart. `synchronise` waits for the device and is
    called before the clock starts and before it stops, so that work of before is not counted and work of the call is.
    Left out, a call is over when it returns.
    """
    found: list[list[float]] = [[] for _ in calls]
    for repeat in range(-warmups, repeats):
        for call, taken in zip(calls, found, strict=True):
            if repeat < 0:
                call()
                continue
            synchronise()
            start = clock()
            call()
            synchronise()
            taken.append(clock() - start)
    return found


def seconds(call: Callable[[], Any], **options: Any) -> list[float]:
    """As `seconds_in_turn`, of one call."""
    return seconds_in_turn([call], **options)[0]
