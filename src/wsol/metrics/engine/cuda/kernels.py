"""The CUDA sources of the engine and what is asked of a device that runs them.

The plans of launches (`box_launches`, `pixel_launches`) know a device only by this interface: CuPy's is in the package
itself, and the tests have one that runs the same sources on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

SOURCES = ("common.cuh", "forest.cu", "boxes.cu", "pixels.cu", "upsample.cu")
"""One module, in this order."""


class Device(Protocol):
    """Arrays and launches of one device; an array is whatever `empty` gives, and a slice of it a view."""

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> Any: ...

    def zeros(self, shape: Sequence[int], dtype: DTypeLike) -> Any: ...

    def upload(self, array: NDArray[Any]) -> Any: ...

    def download(self, array: Any) -> NDArray[Any]: ...

    def launch(self, kernel: str, blocks: int, threads: int, *arguments: Any) -> None:
        """Starts a one-dimensional grid; arguments are arrays, int (C int), numpy.int64 and float (C double)."""


def source() -> str:
    """The text of the CUDA module."""
    folder = resources.files("wsol.metrics.engine.cuda")
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in SOURCES)


def kind_of(scores: Any) -> str:
    """The C type in the names of kernels that take scores."""
    return "float" if scores.dtype == np.float32 else "double"


def groups(sizes: NDArray[np.int64], budget: int) -> Iterator[slice]:
    """Consecutive slices of items whose sizes add up to at most `budget`; one that is larger stands alone."""
    start, total = 0, 0
    for index, size in enumerate(sizes.tolist()):
        if index > start and total + size > budget:
            yield slice(start, index)
            start, total = index, 0
        total += size
    if start < len(sizes):
        yield slice(start, len(sizes))
