"""How fast the CAM family is beside pytorch-grad-cam, torch-cam and captum: same networks, layers and images, one run.

    python benchmarks/attribution.py                     # ResNet50 and VGG16, batches of 8 and 64
    python benchmarks/attribution.py --quick             # minutes: one network, small images; figures not for quoting
    python benchmarks/attribution.py --device cuda --out figures.csv

The other libraries are optional: what is not installed is named and left out. Maps are compared before they are timed,
as raw values at the layer's resolution, and a difference where definitions agree is a target that is not met. All
contestants of a comparison take turns, so that other work on the machine disturbs them alike; medians are of CPU time
with one thread, else of the clock, and on a GPU every repeat ends with a synchronisation. Weights are random unless
`--weights` names released ones; how many channels are constant, which Score-CAM does not run, is printed. Ends with 1
where a target is not met.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from timing import Often, Report, Timing, in_turn, row, verdict
from wsol.attribution import attribute
from wsol.models import build

FLOOR, EVERY, SCORE_ONE, SCORE_FIVE, PARITY = 1.05, 1.2, 2.0, 5.0, 1e-5
FAMILY = ("gradcam", "gradcam_pp", "smooth_gradcam_pp", "xgradcam", "layercam")
PEERS = {"torch-cam": "torchcam", "pytorch-grad-cam": "pytorch_grad_cam", "captum": "captum"}
FULL = {
    "batches": [8, 64],
    "size": 224,
    "score_size": 224,
    "repeats": 7,
    "seconds": 120.0,
    "networks": ["resnet50", "vgg16"],
}
QUICK = {"batches": [8], "size": 112, "score_size": 64, "repeats": 3, "seconds": 30.0, "networks": ["resnet50"]}

Work = Callable[[], Any]


def main() -> int:
    options = parser().parse_args()
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.often = Often(options.repeats, options.seconds)
    options.synchronise = torch.cuda.synchronize if options.device != "cpu" else lambda: None
    if options.device == "cpu":
        torch.set_num_threads(options.threads)
    peers = installed()
    describe(options, peers)
    report = Report()
    for name in options.networks:
        model, layer = network(name, options)
        for batch in options.batches:
            gradient_family(report, options, peers, name, model, layer, batch)
        if not options.without_score:
            chosen = model.get_submodule(options.score_layer) if options.score_layer else layer
            score_family(report, options, peers, name, model, chosen)
    return report.finish(options.out)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--quick", action="store_true", help="one network, small images, few repeats")
    result.add_argument("--networks", nargs="+", choices=("resnet50", "vgg16"), help="networks (both)")
    result.add_argument("--width", type=float, default=1.0, help="share of the published channels (1)")
    result.add_argument("--weights", type=Path, help="state dict of torchvision's ResNet50, for that network")
    result.add_argument("--batches", nargs="+", type=int, help="batch sizes (8 64)")
    result.add_argument("--size", type=int, help="side of the images in pixels (224)")
    result.add_argument("--score-size", type=int, help="the same for Score-CAM, one image (224)")
    result.add_argument(
        "--score-layer", help="another layer for Score-CAM: fewer channels are fewer passes, as dear each"
    )
    result.add_argument("--without-score", action="store_true", help="leave Score-CAM out")
    result.add_argument("--classes", type=int, default=1000, help="classes (1000)")
    result.add_argument("--repeats", type=int, help="rounds to take the median of (7)")
    result.add_argument("--seconds", type=float, help="after this, no more rounds of one comparison (120)")
    result.add_argument("--threads", type=int, default=1, help="of torch on a CPU (1)")
    result.add_argument("--device", default="cpu", help="cpu or cuda")
    result.add_argument("--out", type=Path, help="CSV file for the figures")
    return result


def installed() -> dict[str, bool]:
    found = {}
    for name, package in PEERS.items():
        try:
            found[name] = importlib.util.find_spec(package) is not None and bool(importlib.import_module(package))
        except ImportError as error:
            print(f"{name}: installed, but it does not load ({error})")
            found[name] = False
    return found


def describe(options: argparse.Namespace, peers: dict[str, bool]) -> None:
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{platform.machine()}, {os.cpu_count()} cores{load}")
    print(f"Python {platform.python_version()}, torch {torch.__version__}")
    if options.device != "cpu":
        print(torch.cuda.get_device_name(), "float32, TF32", torch.backends.cuda.matmul.allow_tf32)
    for name, there in peers.items():
        print(f"{name}: {importlib.metadata.version(DISTRIBUTIONS[name]) if there else 'not installed'}")


DISTRIBUTIONS = {"torch-cam": "torchcam", "pytorch-grad-cam": "grad-cam", "captum": "captum"}


def network(name: str, options: argparse.Namespace) -> tuple[nn.Module, nn.Module]:
    """A network in evaluation mode and its CAM layer: torchvision's ResNet50 at width 1, else our own."""
    torch.manual_seed(0)
    if name == "resnet50" and options.width == 1:
        import torchvision

        model: Any = torchvision.models.resnet50(num_classes=options.classes)
        if options.weights:
            model.load_state_dict(torch.load(options.weights, weights_only=True))
        layer = model.layer4
    else:
        model = build(name, num_classes=options.classes, width=options.width)
        layer = model.head.neck
    return model.eval().to(options.device), layer


def images_of(options: argparse.Namespace, count: int, side: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, 3, side, side, generator=generator)
    targets = torch.randint(options.classes, (count,), generator=generator)
    return images.to(options.device), targets.to(options.device)


def cost(timing: Timing, options: argparse.Namespace) -> float:
    return timing.cpu if options.device == "cpu" and options.threads == 1 else timing.wall


def add(
    report: Report, options: argparse.Namespace, section: str, kind: str, method: str, images: int, timing: Timing,
    ratio: float | None = None, target: str = "", met: bool = False,
) -> None:  # fmt: skip
    threads: int | str = options.threads if options.device == "cpu" else "GPU"
    made = row(section, kind, method, threads, images, timing, ratio)
    report.add(replace(made, target=target, met=verdict(met) if target else ""))


def gradient_family(
    report: Report, options: argparse.Namespace, peers: dict[str, bool], name: str, model: nn.Module, layer: nn.Module,
    batch: int,
) -> None:  # fmt: skip
    images, targets = images_of(options, batch, options.size)
    kind = f"{name} b{batch}"
    report.section(f"{kind}, {options.size} px: one class an image; ratio to one forward pass without a graph")
    ours: dict[str, Work] = {
        method: partial(attribute, model, images, targets, method, layer=layer) for method in FAMILY
    }
    theirs = {peer: work for peer, work in gradcam_of_peers(model, layer, images, targets).items() if peers[peer]}
    parity(report, options, peers, kind, model, layer, images, targets)

    def forward() -> Tensor:
        with torch.no_grad():
            return model(images)

    works = {"forward pass": forward, **ours, **{f"{peer} Grad-CAM": work for peer, work in theirs.items()}}
    works["every class"] = partial(attribute, model, images, None, "gradcam", layer=layer)
    timings = in_turn(works, options.often, synchronise=options.synchronise)
    floor = cost(timings["forward pass"], options)
    fastest = min((cost(timings[f"{peer} Grad-CAM"], options) for peer in theirs), default=None)
    for method, timing in timings.items():
        ratio = cost(timing, options) / floor
        if method == "every class":
            one = cost(timing, options) / cost(timings["gradcam"], options)
            text = f"gradcam, all {options.classes} classes: {one:.2f} of one"
            add(report, options, "gradient", kind, text, batch, timing, ratio, f"<= {EVERY:g} of one", one <= EVERY)
        elif method in ours:
            add(report, options, "gradient", kind, method, batch, timing, ratio, f"<= {FLOOR:g} of it", ratio <= FLOOR)
            if fastest is not None:
                times = fastest / cost(timing, options)
                text = f"{method} against the fastest peer"
                add(report, options, "gradient", kind, text, batch, timing, times, ">= 1x", times >= 1)
        else:
            add(report, options, "gradient", kind, method, batch, timing, ratio)


def gradcam_of_peers(model: nn.Module, layer: nn.Module, images: Tensor, targets: Tensor) -> dict[str, Work]:
    """Grad-CAM as each library's documentation calls it, from images to maps."""
    classes = targets.tolist()

    def torchcam() -> Tensor:
        from torchcam.methods import GradCAM

        with GradCAM(model, layer) as extractor:
            return extractor(classes, model(images), normalized=False)[0]

    def pytorch_grad_cam() -> Any:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        with GradCAM(model=model, target_layers=[layer]) as extractor:
            return extractor(input_tensor=images, targets=[ClassifierOutputTarget(one) for one in classes])

    def captum() -> Tensor:
        from captum.attr import LayerGradCam

        return LayerGradCam(model, layer).attribute(images, target=targets, relu_attributions=True)

    return {"torch-cam": torchcam, "pytorch-grad-cam": pytorch_grad_cam, "captum": captum}


def parity(
    report: Report, options: argparse.Namespace, peers: dict[str, bool], kind: str, model: nn.Module, layer: nn.Module,
    images: Tensor, targets: Tensor,
) -> None:  # fmt: skip
    """Largest difference of raw maps, each brought to a maximum of 1, from each library."""
    few, chosen = images[:2], targets[:2]
    for peer, method, other, agree in peer_maps(peers, model, layer, few, chosen):
        name, _, variant = method.partition(":")
        given = {"variant": variant} if variant else {}
        mine = attribute(model, few, chosen, name, layer=layer, **given)
        apart = difference(mine, other.to(mine))
        text = f"{method} as {peer}: {apart:.1e} apart"
        nothing = Timing(0.0, 0.0, 1)
        target = f"<= {PARITY:g}" if agree else "definitions differ"
        made = row("parity", kind, text, options.threads, len(few), nothing)
        report.add(replace(made, target=target, met=verdict(apart <= PARITY) if agree else "as described"))


def difference(mine: Tensor, other: Tensor) -> float:
    scaled = [maps / maps.amax((1, 2), keepdim=True).clamp_min(1e-30) for maps in (mine, other)]
    return float((scaled[0] - scaled[1]).abs().max())


def peer_maps(
    peers: dict[str, bool], model: nn.Module, layer: nn.Module, images: Tensor, targets: Tensor
) -> list[tuple[str, str, Tensor, bool]]:
    """(library, our method, its raw maps (B, h, w) after ReLU, whether the definitions agree)."""
    classes, found = targets.tolist(), []
    if peers["torch-cam"]:
        from torchcam import methods

        ours = {
            "GradCAM": "gradcam",
            "XGradCAM": "xgradcam",
            "LayerCAM": "layercam",
            "GradCAMpp": "gradcam_pp:no-division",
        }
        for theirs, method in ours.items():
            with getattr(methods, theirs)(model, layer) as extractor:
                maps = extractor(classes, model(images), normalized=False)[0]
            found.append(("torch-cam", method, maps.detach(), True))
    if peers["pytorch-grad-cam"]:
        import pytorch_grad_cam
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        wanted = [ClassifierOutputTarget(one) for one in classes]
        agreeing = {
            "GradCAM": "gradcam",
            "XGradCAM": "xgradcam",
            "LayerCAM": "layercam",
            "GradCAMPlusPlus": "gradcam_pp",
        }
        for theirs, method in agreeing.items():
            with getattr(pytorch_grad_cam, theirs)(model=model, target_layers=[layer]) as extractor:
                extractor(input_tensor=images, targets=wanted)
                kept = extractor.activations_and_grads
                a, g = (values[0].detach().cpu().numpy() for values in (kept.activations, kept.gradients))
                maps = extractor.get_cam_image(images, layer, wanted, a, g, False)
            # Its ε of 1e-6 in the denominator of Grad-CAM++ is larger than squared gradients are.
            found.append(("pytorch-grad-cam", method, torch.from_numpy(maps).relu(), theirs != "GradCAMPlusPlus"))
    if peers["captum"]:
        maps = gradcam_of_peers(model, layer, images, targets)["captum"]()[:, 0]
        found.append(("captum", "gradcam", maps.detach(), True))
    return found


def score_family(
    report: Report, options: argparse.Namespace, peers: dict[str, bool], name: str, model: nn.Module, layer: nn.Module
) -> None:
    images, targets = images_of(options, 1, options.score_size)
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda m, i, output: kept.append(output))
    with torch.no_grad():
        model(images)
    handle.remove()
    flat = kept[0].flatten(2)
    constant = float((flat.amax(2) == flat.amin(2)).float().mean())
    report.section(
        f"{name}, Score-CAM of one image, {options.score_size} px, {flat.shape[1]} channels, {constant:.1%} constant; "
        "ratio to one class"
    )
    first, *others = five = [int(targets[0]), *((int(targets[0]) + step) % options.classes for step in range(1, 5))]
    works: dict[str, Work] = {}
    for peer, run in score_of_peers(model, layer, images).items():
        if not peers[peer]:
            continue
        mine = attribute(model, images, [first], "scorecam", layer=layer, variant=peer)
        apart = difference(mine, run(first).to(mine))
        made = row("parity", name, f"scorecam as {peer}: {apart:.1e} apart", options.threads, 1, Timing(0.0, 0.0, 1))
        report.add(replace(made, target=f"<= {PARITY:g}", met=verdict(apart <= PARITY)))
        works[peer] = partial(run, first)
        works[f"ours as {peer}"] = partial(attribute, model, images, [first], "scorecam", layer=layer, variant=peer)
        works[f"ours as {peer}, five classes"] = partial(
            attribute, model, images, [five], "scorecam", layer=layer, variant=peer
        )
        if not options.quick:
            works[f"{peer}, five classes"] = partial(lambda run: [run(one) for one in five], run)
    del others
    if not works:
        works["ours"] = partial(attribute, model, images, [first], "scorecam", layer=layer)
        works["ours, five classes"] = partial(attribute, model, images, [five], "scorecam", layer=layer)
    often = Often(min(options.often.repeats, 3), options.often.seconds)
    timings = in_turn(works, often, warm=True, synchronise=options.synchronise)
    for method, timing in timings.items():
        peer = method.removeprefix("ours as ").removesuffix(", five classes")
        if not method.startswith("ours as "):
            add(report, options, "score", name, method, 1, timing)
            continue
        many = method.endswith("five classes")
        measured = timings.get(f"{peer}, five classes")
        theirs = cost(measured or timings[peer], options) if many else cost(timings[peer], options)
        base = 5 * theirs if many and not measured else theirs
        least = SCORE_FIVE if many else SCORE_ONE
        ratio = base / cost(timing, options)
        label = method + (" (theirs: 5 x one)" if many and not measured else "")
        add(report, options, "score", name, label, 1, timing, ratio, f">= {least:g}x", ratio >= least)


def score_of_peers(model: nn.Module, layer: nn.Module, images: Tensor) -> dict[str, Callable[[int], Tensor]]:
    """Score-CAM of one class: raw maps (1, h, w) after ReLU."""

    def torchcam(target: int) -> Tensor:
        from torchcam.methods import ScoreCAM

        with ScoreCAM(model, layer) as extractor, torch.no_grad():
            model(images)
            return extractor(target, normalized=False)[0]

    def pytorch_grad_cam(target: int) -> Tensor:
        import pytorch_grad_cam
        import tqdm
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        shown = tqdm.tqdm
        tqdm.tqdm = lambda values, **options: values
        try:
            with pytorch_grad_cam.ScoreCAM(model=model, target_layers=[layer]) as extractor, torch.no_grad():
                wanted = [ClassifierOutputTarget(target)]
                extractor.outputs = extractor.activations_and_grads(images)
                activation = extractor.activations_and_grads.activations[0].cpu().numpy()
                maps = extractor.get_cam_image(images, layer, wanted, activation, None, False)
        finally:
            tqdm.tqdm = shown
        return torch.from_numpy(maps).relu()

    return {"torch-cam": torchcam, "pytorch-grad-cam": pytorch_grad_cam}


if __name__ == "__main__":
    sys.exit(main())
