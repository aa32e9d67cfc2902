"""The two transforms of Winograd's convolution between an image and its tiles, compiled, sixteen channels at a time.

A tile is 6 × 6 inputs for 4 × 4 outputs, so tiles overlap by two. Arrays are flat float32, channels last, and a number
of channels is a multiple of `LANES`; nothing checks bounds. A tile's 36 values lie apart from each other, one matrix of
tiles × channels for each, as the products between the transforms want them.

The matrices are those of Cook and Toom for the points 0, ±`NEAR`, ±`FAR` and infinity (Winograd 1980; Lavin & Gray,
CVPR 2016). That paper's points, 0, ±1, ±2, lose twice the precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from wsol.jit import fast_jit

NEAR, FAR = 0.75, 1.5
LANES = 16
OUT, IN = 4, 6
"""Sides of a tile's output and input."""

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_UNDEFINED = ir.Constant(_VECTOR, ir.Undefined)
_FUSED = ("contract",)
"""A product and a sum may be one instruction, rounded once."""


class _Code:
    """Short hands for the LLVM builder of one intrinsic: values are vectors of `LANES` channels."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.context, self.builder, self.signature, self.values = context, builder, signature, values

    def _pointer(self, array: int, offset: Any) -> Any:
        made = self.context.make_array(self.signature.args[array])(self.context, self.builder, self.values[array])
        return self.builder.bitcast(self.builder.gep(made.data, [offset]), _VECTOR.as_pointer())

    def load(self, array: int, position: int) -> Any:
        return self.builder.load(self._pointer(array, self.values[position]), align=4)

    def loads(self, array: int, position: int, step: int) -> list[Any]:
        """Six, from the position on, a step apart."""
        found, offset = [], self.values[position]
        for _ in range(IN):
            found.append(self.builder.load(self._pointer(array, offset), align=4))
            offset = self.builder.add(offset, self.values[step])
        return found

    def stores(self, vectors: list[Any], array: int, position: int, step: int) -> None:
        offset = self.values[position]
        for vector in vectors:
            self.builder.store(vector, self._pointer(array, offset), align=4)
            offset = self.builder.add(offset, self.values[step])

    def spread(self, argument: int) -> Any:
        one = self.builder.insert_element(_UNDEFINED, self.values[argument], ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(one, _UNDEFINED, ir.Constant(ir.VectorType(ir.IntType(32), LANES), None))

    def plus(self, a: Any, b: Any) -> Any:
        return self.builder.fadd(a, b, flags=_FUSED)

    def minus(self, a: Any, b: Any) -> Any:
        return self.builder.fsub(a, b, flags=_FUSED)

    def times(self, factor: float, a: Any) -> Any:
        constant = ir.Constant(_VECTOR, [ir.Constant(_FLOAT, float(np.float32(factor)))] * LANES)
        return self.builder.fmul(constant, a, flags=_FUSED)

    def larger(self, a: Any, b: Any) -> Any:
        """NaN where b is, as ReLU gives it."""
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def into_frequencies(self, d: list[Any]) -> list[Any]:
        """B^T d: one row for each point, the polynomial whose roots are the other points."""
        plus, minus, times = self.plus, self.minus, self.times
        near, far = NEAR**2, FAR**2
        rows = [plus(minus(d[4], times(near + far, d[2])), times(near * far, d[0]))]
        for point, other in ((NEAR, far), (FAR, near)):
            even, odd = minus(d[4], times(other, d[2])), minus(d[3], times(other, d[1]))
            rows += [plus(even, times(point, odd)), minus(even, times(point, odd))]
        return [*rows, plus(minus(d[5], times(near + far, d[3])), times(near * far, d[1]))]

    def into_outputs(self, m: list[Any]) -> list[Any]:
        """A^T m: row k has the k-th powers of the points."""
        plus, minus, times = self.plus, self.minus, self.times
        near_even, near_odd = plus(m[1], m[2]), minus(m[1], m[2])
        far_even, far_odd = plus(m[3], m[4]), minus(m[3], m[4])
        return [
            plus(m[0], plus(near_even, far_even)),
            plus(times(NEAR, near_odd), times(FAR, far_odd)),
            plus(times(NEAR**2, near_even), times(FAR**2, far_even)),
            plus(plus(m[5], times(NEAR**3, near_odd)), times(FAR**3, far_odd)),
        ]


def _require_floats(*arrays: Any) -> None:
    for array in arrays:
        if not (isinstance(array, types.Array) and array.dtype == types.float32 and array.ndim == 1):
            raise TypingError(f"{array} is not a one-dimensional float32 array")


def _of_six(transform: Any, source: Any, target: Any) -> Any:
    """Signature and code of an intrinsic that transforms six vectors."""
    _require_floats(source, target)

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code = _Code(context, builder, signature, values)
        code.stores(transform(code, code.loads(0, 1, 2)), 3, 4, 5)
        return context.get_dummy_value()

    return types.void(source, types.int64, types.int64, target, types.int64, types.int64), codegen


@intrinsic
def _six_to_six(typingctx, source, start, step, target, position, apart):
    """B^T of six vectors, `step` apart in `source`, to `target`, `apart` from each other."""
    return _of_six(_Code.into_frequencies, source, target)


@intrinsic
def _six_to_four(typingctx, source, start, step, target, position, apart):
    """A^T of six vectors."""
    return _of_six(_Code.into_outputs, source, target)


@intrinsic
def _six_to_outputs(typingctx, source, start, step, bias, channel, lowest, target, position, apart):
    """max(A^T of six vectors + bias, lowest)."""
    _require_floats(source, bias, target)

    def codegen(context, builder, signature, values):
        code = _Code(context, builder, signature, values)
        added, floor = code.load(3, 4), code.spread(5)
        made = [code.larger(floor, code.plus(out, added)) for out in code.into_outputs(code.loads(0, 1, 2))]
        code.stores(made, 6, 7, 8)
        return context.get_dummy_value()

    arguments = (source, types.int64, types.int64, bias, types.int64, types.float32, target, types.int64, types.int64)
    return types.void(*arguments), codegen


@fast_jit
def to_frequencies(images, size, padding, bands, tiles, lines):  # pragma: no cover - compiled
    """Bands first..last of tiles, each four output rows of an image, from images (B, H, W, C) to tiles (t, 36, C).

    `size`: (B, H, W, C) and tiles a band; `lines`: 12 · (4 · tiles + 2) · C values of scratch.
    """
    _, height, width, channels, across = size
    down = (height + 2 * padding - 2 + OUT - 1) // OUT
    line = (OUT * across + 2) * channels
    row = width * channels
    left = padding * channels
    tile = 0
    for band in range(bands[0], bands[1]):
        image = band // down
        top = OUT * (band - image * down) - padding
        # Down the columns first, all columns of the band: the six rows are whole lines of the image.
        if top >= 0 and top + IN <= height:
            start = (image * height + top) * row
            for k in range(IN, 2 * IN):
                lines[k * line : k * line + left] = 0
                lines[k * line + left + row : (k + 1) * line] = 0
            for at in range(0, row, LANES):
                _six_to_six(images, start + at, row, lines, IN * line + left + at, line)
        else:
            for k in range(IN):
                lines[k * line : (k + 1) * line] = 0
                if 0 <= top + k < height:
                    start = (image * height + top + k) * row
                    lines[k * line + left : k * line + left + row] = images[start : start + row]
            for at in range(0, line, LANES):
                _six_to_six(lines, at, line, lines, IN * line + at, line)
        for j in range(across):
            for k in range(IN):
                start = (IN + k) * line + OUT * j * channels
                for at in range(0, channels, LANES):
                    _six_to_six(lines, start + at, channels, tiles, (IN * IN * tile + IN * k) * channels + at, channels)
            tile += 1


@fast_jit
def to_outputs(products, size, bands, bias, lowest, outputs, parts):  # pragma: no cover - compiled
    """Bands first..last from products (36, t, K) to outputs (B, H, W, K), with the bias, not below `lowest`.

    `size`: (B, H, W, K) of the outputs and tiles a band; `parts`: 28 · K values of scratch.
    """
    _, height, width, channels, across = size
    down = (height + OUT - 1) // OUT
    apart = (bands[1] - bands[0]) * across * channels
    spare = IN * OUT * channels
    tile = 0
    for band in range(bands[0], bands[1]):
        image = band // down
        top = OUT * (band - image * down)
        for j in range(across):
            left = OUT * j
            for k in range(IN):
                for at in range(0, channels, LANES):
                    start = k * apart + tile * channels + at
                    _six_to_four(products, start, IN * apart, parts, k * channels + at, IN * channels)
            inside = min(OUT, width - left)
            for i in range(min(OUT, height - top)):
                position = ((image * height + top + i) * width + left) * channels
                for at in range(0, channels, LANES):
                    start = IN * i * channels + at
                    if inside == OUT:
                        _six_to_outputs(parts, start, channels, bias, at, lowest, outputs, position + at, channels)
                    else:
                        _six_to_outputs(parts, start, channels, bias, at, lowest, parts, spare + at, channels)
                if inside < OUT:
                    outputs[position : position + inside * channels] = parts[spare : spare + inside * channels]
            tile += 1
