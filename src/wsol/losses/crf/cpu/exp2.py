"""2^t for t <= 0 in float32, as a loop of plain arithmetic that becomes vector instructions."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from wsol.jit import fast_jit

_LOWEST = np.float32(-126.0)
_HALF = np.float32(0.5)
# 2^f on [-1/2, 1/2], by interpolation at Chebyshev's nodes: off by 1.0e-7 at most.
_C0, _C1, _C2, _C3, _C4, _C5 = (
    np.float32(c) for c in (1.00000008, 0.69314719, 0.24022107, 0.05550357, 0.00967603, 0.00133909)
)


@intrinsic
def _float_of_bits(typingctx: Any, bits: Any) -> Any:
    """The float32 whose representation is the int32."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.FloatType())

    return types.float32(types.int32), codegen


@fast_jit
def exp2(t: Any) -> Any:  # pragma: no cover - compiled
    """2^t of a float32 t <= 0 within 2e-7 of itself; below -126, 2^-126."""
    t = max(t, _LOWEST)
    whole = np.int32(t - _HALF)  # rounds to nearest: conversion cuts towards zero, and t is not positive
    f = t - np.float32(whole)
    power = _C0 + f * (_C1 + f * (_C2 + f * (_C3 + f * (_C4 + f * _C5))))
    scale: Any = _float_of_bits(np.int32((whole + np.int32(127)) << np.int32(23)))  # type: ignore[call-arg]
    return power * scale
