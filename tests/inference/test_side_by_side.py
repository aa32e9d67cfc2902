"""Passes side by side: results in order, one of torch's threads each, and torch left as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from wsol.inference import side_by_side


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def threads_of_a_new_thread() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_results_come_in_order_from_threads_with_one_of_torchs_each() -> None:
    meet = threading.Barrier(2, timeout=10)

    def work(number: int) -> tuple[int, int, bool, str]:
        if number < 2:
            meet.wait()  # both at the same time
        return number, torch.get_num_threads(), torch.is_grad_enabled(), threading.current_thread().name

    with side_by_side(2) as each:
        assert torch.get_num_threads() == 3 and threads_of_a_new_thread() == 3
        found = list(each(work, range(7)))
    assert [one[0] for one in found] == list(range(7))
    assert {one[1:3] for one in found} == {(1, False)}
    assert len({one[3] for one in found}) == 2
    assert torch.get_num_threads() == 3 and threads_of_a_new_thread() == 3
    assert torch.is_grad_enabled()


def test_one_at_a_time_is_a_plain_map() -> None:
    with side_by_side(1) as each:
        assert list(each(lambda number: (number, threading.current_thread()), [4])) == [(4, threading.current_thread())]


def test_an_error_is_raised_and_the_threads_end() -> None:
    before = threading.active_count()

    def fail(number: int) -> int:
        raise ValueError(f"number {number}")

    with pytest.raises(ValueError, match="number 0"), side_by_side(2) as each:
        list(each(fail, range(5)))
    assert threading.active_count() == before
    assert torch.get_num_threads() == 3


def test_threads_that_do_not_start_do_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, []

    def second_fails(thread: threading.Thread) -> None:
        if thread.name.startswith("wsol-pass") and started:
            raise RuntimeError("can't start new thread")
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", second_fails)
    with pytest.raises(RuntimeError, match="can't start"), side_by_side(2):
        pass
