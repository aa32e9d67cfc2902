"""A device for `wsol.metrics.engine` that runs the CUDA sources on the CPU (see cuda_emulation.hpp)."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wsol.metrics.engine.cuda import kernels

ORDERS = {"forwards": 0, "backwards": 1, "random": 2}
_GUARD = 64
_UNWRITTEN = 0xCD


def build(folder: Path, text: str | None = None, names: Sequence[str] = ()) -> ctypes.CDLL:
    """Compiles the engine's kernels, or the named ones of a text, with g++ into `folder` and loads them."""
    compiler = shutil.which("g++")
    assert compiler, "g++ is not installed; these tests compile the CUDA sources for the CPU (apt-get install g++)"
    source, library = folder / "kernels.cu", folder / "kernels.so"
    source.write_text(kernels.source() if text is None else text, encoding="utf-8")
    command = [compiler, "-std=c++17", "-O2", "-fPIC", "-shared", "-ffp-contract=off", "-fno-strict-aliasing"]
    command += ["-Wall", "-Wno-unused-function", "-Wno-clobbered", f'-DKERNELS="{source}"', "-o", str(library)]
    if names:
        command.append(f"-DKERNEL_NAMES(X)={' '.join(f'X({name})' for name in names)}")
    result = subprocess.run(
        [*command, str(Path(__file__).with_name("driver.cpp"))], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"g++ does not compile the kernels:\n{result.stderr[-4000:]}"
    loaded = ctypes.CDLL(str(library))
    loaded.run.restype = loaded.signature.restype = ctypes.c_char_p
    return loaded


class EmulatedDevice:
    """Arrays are NumPy's, filled with a pattern and between guards: unwritten values and stray writes show."""

    def __init__(self, library: ctypes.CDLL, order: str = "forwards", seed: int = 0) -> None:
        self._library = library
        self._order = ORDERS[order]
        self._seed = seed
        self._blocks: list[NDArray[np.uint8]] = []
        self.launches: list[str] = []

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        block = np.full(size + 2 * _GUARD, _UNWRITTEN, dtype=np.uint8)
        self._blocks.append(block)
        return block[_GUARD : _GUARD + size].view(dtype).reshape(shape)

    def zeros(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        array = self.empty(shape, dtype)
        array[...] = 0
        return array

    def upload(self, array: NDArray[Any]) -> NDArray[Any]:
        copy = self.empty(array.shape, array.dtype)
        copy[...] = array
        return copy

    def download(self, array: NDArray[Any]) -> NDArray[Any]:
        return array.copy()

    def launch(self, kernel: str, blocks: int, threads: int, *arguments: Any) -> None:
        codes = self._library.signature(kernel.encode())
        assert codes is not None, f"{kernel} is not known to driver.cpp"
        assert len(codes) == len(arguments), f"{kernel} takes {len(codes)} arguments, not {len(arguments)}"
        values = [
            _argument(kernel, place, code, argument)
            for place, (code, argument) in enumerate(zip(codes.decode(), arguments, strict=True))
        ]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        self._seed += 1
        error = self._library.run(
            kernel.encode(), pointers, len(values), blocks, threads, self._order, self._seed & 0xFFFFFFFF
        )
        assert error is None, f"{kernel}: {error.decode()}"
        self.launches.append(kernel)
        self.check_guards(kernel)

    def check_guards(self, kernel: str) -> None:
        for block in self._blocks:
            intact = (block[:_GUARD] == _UNWRITTEN).all() and (block[-_GUARD:] == _UNWRITTEN).all()
            assert intact, f"{kernel} wrote outside an array of {len(block) - 2 * _GUARD} bytes"


def _argument(kernel: str, place: int, code: str, value: Any) -> Any:
    """The value as the C type of the parameter; the types must be those that CuPy would pass."""
    what = f"{kernel}: argument {place} is {type(value).__name__}, the parameter is {code}"
    if code == "p":
        assert isinstance(value, np.ndarray) and value.flags.c_contiguous, what
        return ctypes.c_void_p(value.ctypes.data)
    if code == "d":
        assert type(value) in (float, np.float64), what
        return ctypes.c_double(value)
    if code == "l":
        assert isinstance(value, np.int64), what
        return ctypes.c_longlong(int(value))
    assert type(value) in (int, np.int32) and -(2**31) <= value < 2**31, what
    return ctypes.c_int(int(value))


def stand_in_for_cupy(device: EmulatedDevice) -> Any:
    """A module with what the engine uses of CuPy, on NumPy arrays; its kernels run on `device`."""

    class RawModule:
        def __init__(self, code: str, options: Sequence[str]) -> None:
            assert code == kernels.source()
            assert "--fmad=false" in options

        def get_function(self, name: str) -> Any:
            def call(grid: tuple[int], block: tuple[int], arguments: tuple[Any, ...]) -> None:
                plain = [argument for argument in arguments if type(argument) in (int, float)]
                assert not plain, f"{name}: CuPy would pass {plain} with 64 bits"
                device.launch(name, *grid, *block, *arguments)

            return call

    current = SimpleNamespace(attributes={"MultiProcessorCount": 1}, mem_info=(1 << 22, 1 << 22))
    module = ModuleType("cupy")
    module.__dict__.update(
        empty=device.empty,
        zeros=device.zeros,
        asarray=device.upload,
        asnumpy=device.download,
        ascontiguousarray=np.ascontiguousarray,
        RawModule=RawModule,
        get_default_memory_pool=lambda: SimpleNamespace(free_bytes=lambda: 0),
        cuda=SimpleNamespace(Device=lambda: current, is_available=lambda: True),
    )
    return module
