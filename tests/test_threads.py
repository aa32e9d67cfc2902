from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from wsol.threads import one_ahead, over_images


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 64])
def test_shares_cover_all_images_in_order(count: int, threads: int) -> None:
    shares = over_images(count, threads, lambda start, stop: range(start, stop))
    assert [index for share in shares for index in share] == list(range(count))
    assert len(shares) == max(1, min(count, threads))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_shares_run_side_by_side_and_their_errors_surface() -> None:
    together = threading.Barrier(3, timeout=10)
    assert over_images(3, 3, lambda start, stop: together.wait() >= 0) == [True] * 3

    def fail(start: int, stop: int) -> None:
        if start:
            raise ValueError("the second share")

    with pytest.raises(ValueError, match="the second share"):
        over_images(4, 2, fail)


def test_shares_run_in_a_forked_child_too() -> None:
    """The pool's threads do not exist in a child; one that used them would wait forever."""
    assert over_images(4, 2, lambda start, stop: stop - start) == [2, 2]
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if over_images(4, 2, lambda start, stop: stop - start) == [2, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_small_shares_are_all_done_in_order() -> None:
    shares = over_images(50, 3, lambda start, stop: (start, stop), at_most=8)
    assert [stop - start for start, stop in shares] == [7, 7, 7, 7, 7, 7, 8] and shares[-1][1] == 50


def test_one_ahead_keeps_order_and_closes_what_it_reads() -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            yield from range(5)
        finally:
            closed.append(threading.current_thread().name)

    assert list(one_ahead(items())) == list(range(5))
    assert list(one_ahead(iter([]))) == []
    reading = one_ahead(items())
    assert next(reading) == 0
    reading.close()
    assert len(closed) == 2
