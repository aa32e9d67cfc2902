"""Timing by a clock that the test holds."""

from __future__ import annotations

import pytest

from wsol.timing.clock import seconds, seconds_in_turn


class Machine:
    """Calls take 3 s each, of which the device does 2 s after the call has returned; waiting takes what is left."""

    def __init__(self) -> None:
        self.now, self.busy_until, self.calls, self.waits = 0.0, 0.0, 0, 0

    def call(self) -> None:
        self.calls += 1
        self.now += 1.0
        self.busy_until = max(self.busy_until, self.now) + 2.0

    def wait(self) -> None:
        self.waits += 1
        self.now = max(self.now, self.busy_until)

    def clock(self) -> float:
        return self.now


def test_with_waiting_the_devices_work_counts_and_that_of_before_does_not() -> None:
    machine = Machine()
    found = seconds(machine.call, repeats=3, warmups=2, synchronise=machine.wait, clock=machine.clock)
    assert found == pytest.approx([3.0, 3.0, 3.0])
    assert (machine.calls, machine.waits) == (5, 6)


def test_without_waiting_only_the_launch_counts() -> None:
    machine = Machine()
    assert seconds(machine.call, repeats=2, warmups=1, clock=machine.clock) == pytest.approx([1.0, 1.0])
    assert machine.waits == 0


def test_the_real_clock_goes_forward() -> None:
    (taken,) = seconds(lambda: sum(range(1000)), repeats=1, warmups=0)
    assert 0 < taken < 10


def test_calls_take_turns_so_that_a_slow_spell_is_for_all_of_them() -> None:
    order, now = [], [0.0]

    def call(name: str, cost: float) -> None:
        order.append(name)
        now[0] += cost * (10 if 4 <= len(order) <= 5 else 1)  # a slow spell, over the fourth and fifth

    found = seconds_in_turn(
        [lambda: call("a", 1.0), lambda: call("b", 2.0)], repeats=3, warmups=1, clock=lambda: now[0]
    )
    assert "".join(order) == "abababab"
    assert found == [[1.0, 10.0, 1.0], [20.0, 2.0, 2.0]]


def test_nothing_to_time_takes_no_time() -> None:
    assert seconds_in_turn([], repeats=3, warmups=1) == []
