"""The CUDA source of the CRF loss, compiled with g++ and run under an emulation of CUDA, against the dense kernel."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from wsol.losses.crf import cuda, oracle
from wsol.losses.crf.cuda import launches


@pytest.fixture(scope="module")
def emulator() -> ModuleType:
    path = Path(__file__).parents[2] / "metrics" / "engine" / "cuda_emulation" / "emulator.py"
    specification = importlib.util.spec_from_file_location("cuda_emulator", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def library(emulator, tmp_path_factory):
    return emulator.build(tmp_path_factory.mktemp("kernels"), launches.source(), ["gaussian_rows"])


class OnEmulator:
    """Copies tensors to the emulated device and its results back."""

    def __init__(self, device: Any) -> None:
        self.device = device

    def launch(self, kernel: str, blocks: int, threads: int, *arguments: Any) -> None:
        assert all(argument.is_contiguous() for argument in arguments if isinstance(argument, torch.Tensor))
        there = [self.device.upload(a.numpy()) if isinstance(a, torch.Tensor) else a for a in arguments]
        there[-1] = self.device.empty(arguments[-1].shape, np.float32)
        self.device.launch(kernel, blocks, threads, *there)
        arguments[-1].copy_(torch.from_numpy(self.device.download(there[-1])))


def scene(batch: int, channels: int, height: int, width: int, spread: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(height)
    images = torch.randint(0, spread, (batch, 3, height, width), generator=generator).float()
    return torch.rand(batch, channels, height, width, generator=generator), images


@pytest.mark.parametrize("order", ["forwards", "backwards", "random"])
@pytest.mark.parametrize(
    ("batch", "channels", "height", "width", "spread"),
    [(1, 2, 1, 1, 256), (2, 2, 8, 8, 30), (2, 3, 9, 15, 256), (1, 1, 20, 21, 120)],
)
def test_the_kernel_equals_the_dense_product(emulator, library, order, batch, channels, height, width, spread) -> None:
    values, images = scene(batch, channels, height, width, spread)
    device = OnEmulator(emulator.EmulatedDevice(library, order))
    found = launches.filtered(device, values, images, 15.0, 10.0)
    expected = oracle.filtered(values.double(), images.double(), 15.0, 10.0)
    assert float((found - expected).abs().max()) <= 2e-6 * float(expected.max())
    assert len(device.device.launches) == (channels + 1) // 2


def test_tiles_too_far_away_are_left_out(emulator, library) -> None:
    """Two colours 12 σ apart fill blocks of their own: neither side of the image sees the other's values."""
    images = torch.zeros(1, 3, 16, 32)
    images[:, :, :, 16:] = 12 * 15.0
    values = torch.rand(1, 2, 16, 32, generator=torch.Generator().manual_seed(0))
    infinite = values.clone()
    infinite[:, :, :, 16:] = torch.inf
    device = OnEmulator(emulator.EmulatedDevice(library))
    found = launches.filtered(device, infinite, images, 15.0, 100.0)[:, :, :, :16]
    alone = oracle.filtered(values[:, :, :, :16].double(), images[:, :, :, :16].double(), 15.0, 100.0)
    assert found.isfinite().all()
    torch.testing.assert_close(found.double(), alone, rtol=2e-6, atol=0)


def test_every_pixel_has_one_place_and_lies_in_its_tile_s_box() -> None:
    _, images = scene(2, 1, 9, 15, 256)
    tiles = launches.tiles_of(images, 15.0, 100.0)
    assert (tiles.order.sort(dim=1).values == torch.arange(135)).all()
    inside = tiles.points.unflatten(1, (-1, launches.TILE))
    assert tiles.points.shape == (2, 192, 5)
    assert (inside >= tiles.low[:, :, None]).all() and (inside <= tiles.high[:, :, None]).all()


def test_near_cells_are_near_in_the_order() -> None:
    """Cells of two bits in a plane: the curve goes through each quarter before the next."""
    grid = torch.tensor([[x, y, 0.0, 0, 0] for x in range(4) for y in range(4)])[None]
    places = launches.cell_codes(grid)[0].argsort()
    quarters = [(int(x) // 2, int(y) // 2) for x, y in grid[0, places, :2]]
    assert [quarters[start] for start in (0, 4, 8, 12)] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(len(set(quarters[start : start + 4])) == 1 for start in (0, 4, 8, 12))


def test_the_launch_gives_cupy_what_the_kernel_takes(emulator, library, monkeypatch) -> None:
    """With a stand-in for CuPy: torch's stream, arrays by DLPack, C's int and double; and its result is the loss's."""
    device = emulator.EmulatedDevice(library)
    streams = []

    class RawModule:
        def __init__(self, code: str, options: tuple[str, ...]) -> None:
            assert code == launches.source() and "--use_fast_math" in options

        def get_function(self, name: str) -> Any:
            def call(grid: tuple[int], block: tuple[int], arguments: tuple[Any, ...]) -> None:
                assert [type(a) for a in arguments if not isinstance(a, np.ndarray)] == [np.int32, np.float64]
                device.launch(name, *grid, *block, *arguments)

            return call

    def external_stream(pointer: int) -> Any:
        streams.append(pointer)
        return nullcontext()

    fake = ModuleType("cupy")
    fake.__dict__.update(
        RawModule=RawModule,
        from_dlpack=np.from_dlpack,
        cuda=SimpleNamespace(
            is_available=lambda: True, Device=lambda index: nullcontext(), ExternalStream=external_stream
        ),
    )
    monkeypatch.setitem(sys.modules, "cupy", fake)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=77))
    monkeypatch.setattr(cuda, "_module", cuda._module.__wrapped__)
    assert cuda.available()
    values, images = scene(1, 2, 6, 5, 60)
    found = cuda.filtered(values, images, 15.0, 100.0)
    expected = oracle.filtered(values.double(), images.double(), 15.0, 100.0)
    torch.testing.assert_close(found.double(), expected, rtol=2e-6, atol=0)
    assert streams == [77]


def test_without_cupy_there_is_no_engine(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert not cuda.available()
