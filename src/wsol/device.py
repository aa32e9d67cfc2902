"""Which device a network runs on, and which one the metrics."""

from __future__ import annotations

import sys
from functools import cache

from wsol.errors import ParameterError


def choose_device(wanted: str) -> str:
    """`auto` becomes cuda where torch sees a GPU, else cpu. Raises ParameterError for a GPU that torch does not see."""
    import torch

    available = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if available else "cpu"
    if wanted == "cuda" and not available:
        raise ParameterError(
            "device: cuda is asked for, but torch sees no GPU; set device to auto or cpu in params/config.yaml, "
            "or look at `wsol doctor`"
        )
    return wanted


def choose_scoring_device(wanted: str) -> str:
    """cuda where it is wanted (`auto` or `cuda`) and CuPy can use a GPU, else cpu.

    Unlike a network, metrics give the same values on a CPU in bearable time, so a GPU that is absent is no error: it is
    said once a process.
    """
    if wanted == "cpu":
        return "cpu"
    from wsol.metrics.engine import cuda

    if cuda.available():
        return "cuda"
    _say_once(
        "metrics run on the CPU: device cuda is asked for, but CuPy sees no GPU; install the extra wsol[gpu], or look "
        "at `wsol doctor`"
        if wanted == "cuda"
        else "metrics run on the CPU: CuPy or a GPU is not there"
    )
    return "cpu"


@cache
def _say_once(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
