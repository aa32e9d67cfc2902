"""The exact kernel on a GPU: one fused CUDA kernel launched by CuPy on torch's tensors and torch's current stream.

Memory: 40 bytes a pixel and two channels, and what sorting takes; nothing grows with the square of the pixels. Work:
all pairs in both directions (half of them would need sums across threads), less the tiles further than 6 σ.

What has been verified: the very source, compiled for the CPU under the emulation that the metrics' kernels are tested
with, equals the oracle in several orders of execution. What has not: it has not run on a GPU, nor been timed on one.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wsol.losses.crf.cuda import launches

_COMPILER_OPTIONS = ("--std=c++17", "--use_fast_math")
"""Fast: 2^t by the hardware's instruction, within 2^-22; products and sums fused."""


def available() -> bool:
    """Whether CuPy is installed and sees a device."""
    try:
        import cupy
    except ImportError:
        return False
    return bool(cupy.cuda.is_available())


def filtered(values: Tensor, images: Tensor, sigma_rgb: float, sigma_xy: float) -> Tensor:
    """W S (B, K, H, W) of float32 CUDA tensors, values (B, K, H, W) and images (B, 3, H, W); nothing is waited for."""
    return launches.filtered(CupyDevice(values.device), values, images, sigma_rgb, sigma_xy)


class CupyDevice:
    """`launches.Device` on a tensor's device and torch's current stream there."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def launch(self, kernel: str, blocks: int, threads: int, *arguments: Any) -> None:
        import cupy

        # CuPy passes a Python int as a C long long; the kernel's int is 32 bits wide.
        with cupy.cuda.Device(self._device.index), torch.cuda.device(self._device):
            stream = cupy.cuda.ExternalStream(torch.cuda.current_stream(self._device).cuda_stream)
            with stream:
                typed = tuple(_typed(cupy, value) for value in arguments)
                _module().get_function(kernel)((blocks,), (threads,), typed)


def _typed(cupy: Any, value: Any) -> Any:
    if isinstance(value, Tensor):
        # Torch orders the exchange by its own current stream, which is the one of the launch.
        return cupy.from_dlpack(value)
    return np.int32(value) if type(value) is int else np.float64(value)


@functools.cache
def _module() -> Any:
    """The kernel; compiled at its first launch in a process, and kept by CuPy on disk for the next one."""
    import cupy

    return cupy.RawModule(code=launches.source(), options=_COMPILER_OPTIONS)
