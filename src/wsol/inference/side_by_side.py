"""Forward passes side by side, one a thread, each with a single one of torch's threads.

Several of torch's threads in one pass wait for each other at the end of every layer; passes of their own do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import torch


@contextmanager
def side_by_side(count: int) -> Iterator[Any]:
    """A `map` that runs `count` items at a time, without gradients; plain `map` for one.

    Torch's number of threads is as before within the context, for threads that begin later as well.
    """
    if count <= 1:
        yield map
        return
    threads, ready = torch.get_num_threads(), Barrier(count + 1)

    def begin() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # asked for the first time, a thread takes over the common number, which changes below
        torch.set_grad_enabled(False)
        ready.wait()

    with ThreadPoolExecutor(count, "wsol-pass", begin) as pool:
        try:
            for _ in range(count):
                pool.submit(int)
            ready.wait()
            torch.set_num_threads(threads)
            yield pool.map
        finally:
            ready.abort()
            pool.shutdown(cancel_futures=True)
