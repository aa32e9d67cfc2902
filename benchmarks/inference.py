"""How fast a copy for many forward passes is on this CPU beside the network, and its convolutions beside torch's.

    python benchmarks/inference.py                      # layers and networks at 224 px; some minutes
    python benchmarks/inference.py --quick              # seconds: slim networks, small images; figures not for quoting
    python benchmarks/inference.py --networks vgg16 --out figures.csv

Layers: a 3 x 3 convolution with bias and ReLU by Winograd's algorithm, one thread, and the same by torch (oneDNN, maps
channels last); errors are root mean squares against float64, as shares of the outputs'. Networks: passes of eight
images by the network as it is, by TorchScript's fused trace, and by our copy, in one pass with all threads and in
passes side by side. Weights are random. All of a comparison take turns; ratios are to the first of it.
"""

from __future__ import annotations

import argparse
import platform
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from timing import Often, Report, Timing, in_turn, row, verdict
from wsol.inference import copies, side_by_side
from wsol.inference.winograd import Scratch, Winograd
from wsol.models import build

LAYERS = [(64, 224, 2), (128, 112, 2), (256, 56, 2), (512, 28, 4), (64, 56, 8), (128, 28, 8), (256, 14, 8), (512, 7, 8)]
"""Channels, side and images: of VGG16, then of ResNet50."""


def main() -> int:
    options = parser().parse_args()
    options.often = Often(3 if options.quick else 7, options.seconds)
    print(f"{platform.machine()}, torch {torch.__version__}, {options.threads} threads")
    report = Report()
    with torch.no_grad():
        layers(report, options)
        for name in options.networks:
            network(report, options, name)
    return report.finish(options.out)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--quick", action="store_true", help="slim networks, small images, few rounds")
    networks = ("resnet50", "vgg16", "inceptionv3")
    result.add_argument("--networks", nargs="*", choices=networks, default=networks, help="networks (all three)")
    result.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads (torch's own choice)")
    result.add_argument("--seconds", type=float, default=60.0, help="after this, no more rounds of one comparison (60)")
    result.add_argument("--out", type=Path, help="CSV file for the figures")
    return result


def layers(report: Report, options: argparse.Namespace) -> None:
    report.section("a 3 x 3 convolution with ReLU, one thread: ratio to torch's")
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    for channels, side, count in LAYERS:
        if options.quick:
            channels, side, count = min(channels, 64), min(side, 16), 1
        weight = torch.randn(channels, channels, 3, 3, generator=generator) * (2 / (9 * channels)) ** 0.5
        bias = torch.randn(channels, generator=generator)
        maps = torch.randn(count, channels, side, side, generator=generator).relu()
        maps = maps.contiguous(memory_format=torch.channels_last)
        ways: dict[str, Callable[[], Tensor]] = {
            "torch": partial(_convolved, maps, weight.contiguous(memory_format=torch.channels_last), bias),
            "Winograd": partial(Winograd(weight, bias, 1, True, Scratch()), maps),
        }
        wanted = conv2d(maps.double(), weight.double(), bias.double(), padding=1).relu()
        timings = in_turn(ways, options.often)
        for way, timing in timings.items():
            error = float((ways[way]().double() - wanted).square().mean().sqrt() / wanted.square().mean().sqrt())
            ratio = timings["torch"].wall / timing.wall
            method = f"{way}, error {error:.1e}"
            report.add(row("layer", f"{channels} at {side}", method, 1, count, timing, ratio))


def _convolved(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(maps, weight, bias, padding=1).relu_()


def network(report: Report, options: argparse.Namespace, name: str) -> None:
    side, batch = (64, 2) if options.quick else (224, 8)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = build(name, num_classes=1000, width=0.25 if options.quick else 1.0).eval()
    images = torch.randn(options.threads * batch, 3, side, side)
    parts = images.split(batch)
    few = images[:2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fused, copy = copies.fused(model, few), copies.program(model, few)
    report.section(f"{name}, {side} px, {batch} images a pass: ratio to the network as it is")
    with side_by_side(options.threads) as each:
        works: dict[str, Callable[[], Any]] = {
            "as it is": lambda: [model(part) for part in parts],
            "fused by TorchScript": lambda: [fused(part) for part in parts],
            "the same, side by side": lambda: list(each(fused, parts)),
            "our copy": lambda: [copy(part) for part in parts],
            "our copy, side by side": lambda: list(each(copy, parts)),
        }
        timings = in_turn(works, options.often)
    for way, timing in timings.items():
        ratio = timings["as it is"].wall / timing.wall
        report.add(row("network", name, way, options.threads, len(images), timing, ratio))
    scores = model(images)
    apart = float((torch.cat(list(map(copy, parts))) - scores).abs().max() / scores.abs().max())
    made = row("parity", name, f"scores {apart:.1e} apart", options.threads, len(images), Timing(0.0, 0.0, 1))
    report.add(replace(made, target=f"<= {copies.TOLERANCE:g}", met=verdict(apart <= copies.TOLERANCE)))


if __name__ == "__main__":
    sys.exit(main())
