"""Seconds from one image to its map at full size, for every way to make one; and what the networks are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from wsol import attribution
from wsol.timing.clock import seconds, seconds_in_turn
from wsol.timing.released import released_call

BATCH = 32
"""Images of the pass that tells what a costly row would take; the paper's batch for them."""
SEED = 0


def time_maps(
    settings: Mapping[str, Any], device: str, progress: Callable[[float], None] = lambda fraction: None
) -> dict[str, Any]:
    """`rows`: label → `seconds`, `paper_seconds` (lists) and `estimate`; `network`: parameters and the maps' shape.

    settings: as `wsol.config.timing.timing_settings`. `seconds` has the forward pass and waits for the device;
    `paper_seconds` is the paper's way: it waits for nothing and, for the baselines, starts after the forward pass and
    goes back through the network (`wsol.timing.released`). Rows take turns, but costly ones do not: they are made once;
    what would take longer than the limit by its number of passes is not run, and `estimate` says how long.
    Networks are untrained, with weights and image of one seed.
    """
    import torch

    network, size = settings["network"], settings["image_size"]
    image, target = _image(size, device), torch.zeros(1, dtype=torch.int64, device=device)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        built = cache(lambda head, decoder: _build(head, decoder, network, device))
        plain = built("cam", False)
        features = plain.features(image)
        calls = {}
        for row in settings["rows"]:
            model, module = built(row["head"], row["decoder"]), attribution.load(row["attribution"])
            whole = _whole(module, model, image, target, row["options"])
            calls[row["label"]] = whole, _released(row, model, image, target) if row["baseline"] else whole
        costly = {row["label"]: row["passes"] for row in settings["rows"] if row["passes"] is not None}
        rows = _cheap({label: both for label, both in calls.items() if label not in costly}, settings, device)
        progress(len(rows) / len(calls))
        for label, passes in costly.items():
            rows[label] = _costly(calls[label][0], passes * features.shape[1], plain, settings, device)
            progress(len(rows) / len(calls))
        decoders = [built(row["head"], True).decoder for row in settings["rows"] if row["decoder"]]
    in_order = {label: rows[label] for label in calls}
    return {"rows": in_order, "network": _facts(plain, features, decoders[0] if decoders else None)}


def full_size(maps: Any, size: int) -> Any:
    """Maps (1, h, w) at (1, size, size) pixels, bilinear; as they are where that is their size already."""
    from torch.nn.functional import interpolate

    if tuple(maps.shape[1:]) == (size, size):
        return maps
    return interpolate(maps[:, None], size=(size, size), mode="bilinear", align_corners=False)[:, 0]


def _whole(module: Any, model: Any, image: Any, target: Any, options: Mapping[str, Any]) -> Callable[[], Any]:
    size = image.shape[2]

    def call() -> Any:
        if hasattr(module, "target_maps"):
            maps = module.target_maps(model, image, target, **options)[0]
        else:
            maps = module.class_maps(model, image, **options)[0][:, target[0]]
        return full_size(maps, size)

    return call


def _released(row: Mapping[str, Any], model: Any, image: Any, target: Any) -> Callable[[], Any]:
    call = released_call(row["attribution"], model, image, target)
    return lambda: full_size(call(), image.shape[2])


def _cheap(
    calls: Mapping[str, tuple[Callable[[], Any], Callable[[], Any]]], settings: Mapping[str, Any], device: str
) -> dict[str, Any]:
    often = {"repeats": settings["repeats"], "warmups": settings["warmups"]}
    ours = seconds_in_turn([call for call, _ in calls.values()], **often, synchronise=_wait(device))
    papers = seconds_in_turn([paper_call for _, paper_call in calls.values()], **often)
    return {
        label: {"seconds": own, "paper_seconds": paper, "estimate": None}
        for label, own, paper in zip(calls, ours, papers, strict=True)
    }


def _costly(
    call: Callable[[], Any], passes: int, model: Any, settings: Mapping[str, Any], device: str
) -> dict[str, Any]:
    images = _image(settings["image_size"], device).expand(BATCH, -1, -1, -1)
    (batch,) = seconds(lambda: model(images), repeats=1, warmups=1, synchronise=_wait(device))
    estimate = batch * passes / BATCH
    if estimate > settings["limit"]:
        return {"seconds": [], "paper_seconds": [], "estimate": estimate}
    taken = seconds(call, repeats=1, warmups=0, synchronise=_wait(device))
    # The paper's way would differ by one wait at the end of thousands of passes.
    return {"seconds": taken, "paper_seconds": taken, "estimate": estimate}


def _wait(device: str) -> Callable[[], None]:
    import torch

    return torch.cuda.synchronize if device == "cuda" else lambda: None


def _image(size: int, device: str) -> Any:
    import torch

    from wsol.data.transforms import eval_batch

    generator = torch.Generator().manual_seed(SEED)
    return eval_batch(torch.randint(256, (1, size, size, 3), dtype=torch.uint8, generator=generator).to(device))


def _build(head: str, decoder: bool, network: Mapping[str, Any], device: str) -> Any:
    import torch

    from wsol.models import build

    torch.manual_seed(SEED)
    model: Any = build(network["backbone"], head=head, **{k: v for k, v in network.items() if k != "backbone"})
    if decoder:
        model = import_module("wsol.models.families.fcam").FCam(model)
    return model.to(device).eval()


def _facts(model: Any, features: Any, decoder: Any) -> dict[str, Any]:
    return {
        "classifier_parameters": _count(model),
        "feature_maps": int(features.shape[1]),
        "map_height": int(features.shape[2]),
        "map_width": int(features.shape[3]),
        "decoder_parameters": _count(decoder) - _count(decoder.scores) if decoder is not None else None,
    }


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
