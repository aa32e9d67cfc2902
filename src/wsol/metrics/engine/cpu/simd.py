"""Operations on 64 bytes at once, as LLVM vector code inside Numba functions.

Positions are byte offsets into one-dimensional uint8 arrays; a bit mask (uint64) says which of the 64 bytes count, the
lowest bit the first byte. Nothing checks bounds: arrays need 64 bytes to spare behind the last position. LLVM turns the
operations into whatever the processor has (one instruction each with AVX-512, several with AVX2 or NEON).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from wsol.jit import jit

ALL, NONE = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0)
_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
_BYTES, _BITS = ir.VectorType(_BYTE, 64), ir.VectorType(ir.IntType(1), 64)


def _require_bytes(*arrays: Any) -> None:
    for array in arrays:
        if not (isinstance(array, types.Array) and array.dtype == types.uint8 and array.ndim == 1):
            raise TypingError(f"{array} is not a one-dimensional uint8 array")


class _Code:
    """Short hands for the LLVM builder of one intrinsic."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.context, self.builder, self.signature, self.values = context, builder, signature, values

    def pointer(self, array: int, position: int) -> Any:
        make = self.context.make_array(self.signature.args[array])
        data = make(self.context, self.builder, self.values[array]).data
        address = self.builder.gep(data, [self.values[position]])
        return self.builder.bitcast(address, _BYTES.as_pointer())

    def load(self, array: int, position: int, shift: int = 0) -> Any:
        pointer = self.pointer(array, position)
        if shift:
            byte = self.builder.bitcast(pointer, _BYTE.as_pointer())
            moved = self.builder.gep(byte, [ir.Constant(_WORD, shift)])
            pointer = self.builder.bitcast(moved, _BYTES.as_pointer())
        return self.builder.load(pointer, align=1)

    def store(self, value: Any, array: int, position: int) -> None:
        self.builder.store(value, self.pointer(array, position), align=1)

    def mask(self, argument: int) -> Any:
        return self.builder.bitcast(self.values[argument], _BITS)

    def bits(self, condition: Any) -> Any:
        return self.builder.bitcast(condition, _WORD)

    def smaller(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.icmp_unsigned("<", a, b), a, b)

    def larger(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.icmp_unsigned(">", a, b), a, b)

    def where(self, mask: Any, value: Any) -> Any:
        return self.builder.select(mask, value, ir.Constant(_BYTES, None))

    def spread(self, argument: int) -> Any:
        one = self.builder.insert_element(ir.Constant(_BYTES, ir.Undefined), self.values[argument], _WORD(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), 64), None)
        return self.builder.shuffle_vector(one, ir.Constant(_BYTES, ir.Undefined), zeros)

    def maximum(self, vector: Any) -> Any:
        kind = ir.FunctionType(_BYTE, [_BYTES])
        module = self.builder.module
        name = "llvm.vector.reduce.umax.v64i8"
        function = module.globals.get(name) or ir.Function(module, kind, name)
        return self.builder.call(function, [vector])


@intrinsic
def mask_less(typingctx, array, left, right):
    """Bits where array[left + k] < array[right + k]."""
    _require_bytes(array)

    def codegen(context, builder, signature, values):
        code = _Code(context, builder, signature, values)
        return code.bits(builder.icmp_unsigned("<", code.load(0, 1), code.load(0, 2)))

    return types.uint64(array, types.int64, types.int64), codegen


@intrinsic
def mask_above(typingctx, array, position, value):
    """Bits where array[position + k] > value."""
    _require_bytes(array)

    def codegen(context, builder, signature, values):
        code = _Code(context, builder, signature, values)
        return code.bits(builder.icmp_unsigned(">", code.load(0, 1), code.spread(2)))

    return types.uint64(array, types.int64, types.uint8), codegen


@intrinsic
def masked_maximum(typingctx, array, position, mask):
    """Largest of array[position + k] under the mask, 0 under an empty one."""
    _require_bytes(array)

    def codegen(context, builder, signature, values):
        code = _Code(context, builder, signature, values)
        return code.maximum(code.where(code.mask(2), code.load(0, 1)))

    return types.uint8(array, types.int64, types.uint64), codegen


@intrinsic
def touching_maximum4(typingctx, array, top, bottom, mask):
    """Largest min(array[top + k], array[bottom + k]) under the mask."""
    _require_bytes(array)

    def codegen(context, builder, signature, values):
        code = _Code(context, builder, signature, values)
        return code.maximum(code.where(code.mask(3), code.smaller(code.load(0, 1), code.load(0, 2))))

    return types.uint8(array, types.int64, types.int64, types.uint64), codegen


@intrinsic
def touching_maximum8(typingctx, array, top, bottom, straight, left, right):
    """Largest min(array[top + k], array[bottom + k + d]) with d = 0, -1, 1 under the three masks."""
    _require_bytes(array)

    def codegen(context, builder, signature, values):
        code = _Code(context, builder, signature, values)
        upper = code.load(0, 1)
        best = code.where(code.mask(3), code.smaller(upper, code.load(0, 2)))
        for mask, shift in ((4, -1), (5, 1)):
            best = code.larger(best, code.where(code.mask(mask), code.smaller(upper, code.load(0, 2, shift))))
        return code.maximum(best)

    return types.uint8(array, types.int64, types.int64, types.uint64, types.uint64, types.uint64), codegen


@intrinsic
def raise_to_array(typingctx, target, position, source, start, mask):
    """target[position + k] = max(itself, source[start + k]) under the mask."""
    _require_bytes(target, source)

    def codegen(context, builder, signature, values):
        code = _Code(context, builder, signature, values)
        raised = code.larger(code.load(0, 1), code.where(code.mask(4), code.load(2, 3)))
        code.store(raised, 0, 1)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64, types.uint64), codegen


@intrinsic
def raise_to_value(typingctx, target, position, value, mask):
    """target[position + k] = max(itself, value) under the mask."""
    _require_bytes(target)

    def codegen(context, builder, signature, values):
        code = _Code(context, builder, signature, values)
        code.store(code.larger(code.load(0, 1), code.where(code.mask(3), code.spread(2))), 0, 1)
        return context.get_dummy_value()

    return types.void(target, types.int64, types.uint8, types.uint64), codegen


@intrinsic
def two_smallest(typingctx, array, top, bottom, target, first, second):
    """Smallest and second smallest of the 2 x 2 block at each of 64 columns, to target[first + k], target[second + k].

    The block at k has array[top + k], array[top + k + 1], array[bottom + k], array[bottom + k + 1].
    """
    _require_bytes(array, target)

    def codegen(context, builder, signature, values):
        code = _Code(context, builder, signature, values)
        a, b, c, d = code.load(0, 1), code.load(0, 1, 1), code.load(0, 2), code.load(0, 2, 1)
        low1, high1, low2, high2 = code.smaller(a, b), code.larger(a, b), code.smaller(c, d), code.larger(c, d)
        code.store(code.smaller(low1, low2), 3, 4)
        code.store(code.smaller(code.larger(low1, low2), code.smaller(high1, high2)), 3, 5)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, target, types.int64, types.int64), codegen


@intrinsic
def lowest_bit(typingctx, mask):
    """Position of the lowest set bit of a mask that has one."""

    def codegen(context, builder, signature, values):
        return builder.cttz(values[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


@jit
def span(low, high, base):
    """Mask of the positions low...high-1 among the 64 from `base` on."""
    low = max(low - base, 0)
    high = min(high - base, 64)
    if high <= low:
        return NONE
    return (ALL >> np.uint64(64 - (high - low))) << np.uint64(low)
