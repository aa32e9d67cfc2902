"""How fast the CRF loss is, and how exact: torch, the engines on a CPU, a peer, and the GPU kernel, in one run.

    python benchmarks/crf.py                           # 112 and 224 px, two classes: some minutes
    python benchmarks/crf.py --sizes 64 --repeats 2    # does it run, and roughly how fast?
    python benchmarks/crf.py --peer released.py        # or the environment's WSOL_CRF_PEER

Times are of loss and gradient, medians, ms an image. One thread is compared by CPU time, which other work on the
machine disturbs least; two threads and a GPU by the clock. A peer is a Python file with
`filtered(values, images, sigma_rgb, sigma_xy)` on float32 arrays (B, K, H, W) and (B, 3, H, W), which returns W S: the
released lattice, wrapped by whoever has it. Its time leaves the loss itself out. Errors are against float64: the
largest of W S over the largest W S, and that of the loss. Ends with 1 where a target is not met.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timing import Often, Report, Timing, measure, row, verdict
from wsol.losses.crf import crf_loss, cuda, oracle
from wsol.losses.crf.cpu import exact as exact_pairs
from wsol.losses.crf.filters import gaussian, lattice
from wsol.testing.map_kinds import kind_maps

SIGMAS = (15.0, 100.0)
GPU_BATCH, GPU_MS = 32, {224: 60.0, 112: 5.0}
LATTICE_SIZE = 224
NO_PEER = "peer not given: nothing to compare the lattice with (see --peer)"


def main() -> int:
    options = parser().parse_args()
    options.often = Often(options.repeats, options.seconds)
    torch.set_num_threads(1)
    describe_machine()
    report, peer = Report(), load_peer(options.peer)
    if peer is None:
        print(NO_PEER)
    for size in options.sizes:
        on_cpu(report, size, peer, options)
    if torch.cuda.is_available():
        on_gpu(report, options)
    else:
        print("\nGPU kernel: not measured on a GPU (torch sees none)")
    return report.finish(options.out)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--sizes", type=int, nargs="+", default=[112, 224], help="sides of the images (112 224)")
    result.add_argument("--images", type=int, default=4, help="images to a batch on the CPU (4)")
    result.add_argument("--repeats", type=int, default=5, help="repeats to take the median of (5)")
    result.add_argument("--seconds", type=float, default=20.0, help="after this, no more repeats of one thing (20)")
    result.add_argument("--peer", type=Path, default=os.environ.get("WSOL_CRF_PEER"), help="another lattice's file")
    result.add_argument("--out", type=Path, help="CSV file for the figures")
    return result


def describe_machine() -> None:
    import numba

    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{platform.machine()}, {os.cpu_count()} cores{load}; Python {platform.python_version()}")
    print(f"torch {torch.__version__}, NumPy {np.__version__}, Numba {numba.__version__}")


def load_peer(path: Path | None) -> Callable[..., Any] | None:
    if not path:
        return None
    specification = importlib.util.spec_from_file_location("crf_peer", path)
    if specification is None or specification.loader is None or not Path(path).exists():
        raise SystemExit(f"peer {path} cannot be read; give a Python file that defines filtered(...)")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.filtered


def scene(count: int, size: int) -> tuple[Tensor, Tensor]:
    """Probabilities of two classes, and images of smooth colours with a little noise, in whole grey levels."""
    maps = kind_maps("smooth", 4 * count, size).reshape(count, 4, size, size)
    noise = np.random.default_rng(0).normal(scale=4.0, size=(count, 3, size, size))
    images = np.clip(np.rint(255 * maps[:, :3] + noise), 0, 255)
    foreground = torch.from_numpy(maps[:, 3]).float().clamp(0.02, 0.98)
    return torch.stack([1 - foreground, foreground], dim=1), torch.from_numpy(images).float()


def loss_and_gradient(probabilities: Tensor, images: Tensor, **options: Any) -> None:
    crf_loss(probabilities.detach().requires_grad_(), images, **options).backward()


def errors(found: Tensor, exact: Tensor, values: Tensor) -> str:
    off = float((found.double() - exact).abs().max() / exact.max())
    weights = values.double()
    ratio = float((weights * found).sum() / (weights * exact).sum())
    return f"max {off:.0e}, loss {abs(ratio - 1):.0e}" if abs(ratio - 1) < 0.01 else f"loss {ratio:.2f} of exact"


def on_cpu(report: Report, size: int, peer: Callable[..., Any] | None, options: argparse.Namespace) -> None:
    section, count = "CPU", options.images
    report.section(f"{size} x {size} px, 2 classes; ms an image of loss and gradient; ratio to torch, or as named")
    probabilities, images = scene(count, size)
    kind = f"{size} px"
    one, picture = probabilities[:1], images[:1]
    exact = oracle.filtered(one.double(), picture.double(), *SIGMAS)
    dense = measure(partial(oracle.filtered, one, picture, *SIGMAS), options.often._replace(repeats=1))
    report.add(row(section, kind, "torch, in chunks, W S alone", 1, 1, dense, 1.0))
    print(f"    {errors(oracle.filtered(one, picture, *SIGMAS), exact, one)}")
    lattices: dict[int, Timing] = {}
    by_pairs = partial(exact_pairs.filtered, one.numpy(), picture.numpy(), *SIGMAS)
    pairs = measure(by_pairs, options.often)
    report.add(row(section, kind, "exact by pairs, W S alone", 1, 1, pairs, dense.cpu / pairs.cpu))
    print(f"    {errors(torch.from_numpy(by_pairs()), exact, one)}")
    for name, filtered, kernel in (("exact", gaussian, "exact"), ("lattice", lattice, "lattice")):
        for threads in (1, 2):
            work = partial(loss_and_gradient, probabilities, images, kernel=kernel, threads=threads)
            work()
            timing = measure(work, options.often)
            if kernel == "lattice":
                lattices[threads] = timing
            speed = (dense.cpu if threads == 1 else dense.wall) * count / (timing.cpu if threads == 1 else timing.wall)
            report.add(row(section, kind, f"{name} engine", threads, count, timing, speed))
        print(f"    {errors(filtered(one, picture, *SIGMAS), exact, one)}")
    if peer is not None:
        arrays = probabilities.numpy(), images.numpy()
        theirs = torch.from_numpy(peer(arrays[0][:1], arrays[1][:1], *SIGMAS))
        ours = lattice(one, picture, *SIGMAS)
        apart = float((ours - theirs).abs().max() / theirs.max())
        print(f"    peer: {errors(theirs, exact, one)}; our lattice is off it by {apart:.0e} at most")
        timing = measure(partial(peer, *arrays, *SIGMAS), options.often)
        report.add(row(section, kind, "peer, W S alone", 1, count, timing, dense.cpu * count / timing.cpu))
        asked = 1.0 if size == LATTICE_SIZE else 0
        ratio = timing.cpu / lattices[1].cpu
        report.add(row(section, kind, "lattice engine, to the peer", 1, count, lattices[1], ratio, asked))


def on_gpu(report: Report, options: argparse.Namespace) -> None:
    section, name = "GPU", torch.cuda.get_device_name()
    how = "CUDA kernel" if cuda.available() else "torch in chunks (no CuPy)"
    report.section(f"{how} on {name}: a batch of {GPU_BATCH}, loss and gradient; ms an image")
    for size in options.sizes:
        probabilities, images = (tensor.cuda() for tensor in scene(GPU_BATCH, size))
        exact = oracle.filtered(probabilities[:1].double(), images[:1].double(), *SIGMAS)
        found = gaussian(probabilities[:1], images[:1], *SIGMAS)
        work = partial(loss_and_gradient, probabilities, images)
        work()
        timing = measure(work, options.often, torch.cuda.synchronize)
        batch_ms = 1e3 * timing.wall
        made = row(section, f"{size} px", f"{how}: {batch_ms:.1f} ms a batch", "GPU", GPU_BATCH, timing)
        target = f"<= {GPU_MS[size]:g} ms a batch" if size in GPU_MS else ""
        report.add(replace(made, target=target, met=verdict(batch_ms <= GPU_MS[size]) if target else ""))
        print(f"    {errors(found, exact, probabilities[:1])}")


if __name__ == "__main__":
    sys.exit(main())
