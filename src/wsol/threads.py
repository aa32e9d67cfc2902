"""Threads for work on many images that gives up Python's lock while it computes or reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

Item = TypeVar("Item")


def over_images(
    count: int, threads: int, work: Callable[[int, int], Item], *, at_most: int | None = None
) -> list[Item]:
    """Results of work(start, stop) for contiguous shares of `count` images, in order, `threads` at a time.

    There is one share a thread, or shares of `at_most` images, for work that takes longer on some images than on
    others. An exception of any share is raised once all have ended.
    """
    shares = max(1, min(threads, count))
    if shares > 1 and at_most:
        shares = max(shares, -(-count // at_most))
    if shares == 1:
        return [work(0, count)]
    bounds = [count * share // shares for share in range(shares + 1)]
    waiting = [_pool(threads).submit(work, *share) for share in pairwise(bounds)]
    wait(waiting)
    return [share.result() for share in waiting]


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Kept from call to call: starting threads takes as long as scoring several maps."""
    return ThreadPoolExecutor(threads, thread_name_prefix="wsol-images")


if hasattr(os, "register_at_fork"):
    # The threads stay behind in the parent; a child that waited for them would wait forever.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def one_ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items in the same order; each is made by a thread while the one before it is being used.

    Two items exist at a time: the one in use, and the next. What the thread raises is raised here, in its turn.
    Closing this iterator waits for the item in work, ends the thread and closes `items`.
    """
    end: Any = object()
    with ThreadPoolExecutor(1, thread_name_prefix="wsol-ahead") as pool:
        try:
            coming: Future[Any] = pool.submit(next, items, end)
            while (item := coming.result()) is not end:
                coming = pool.submit(next, items, end)
                yield item
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            if hasattr(items, "close"):
                items.close()
