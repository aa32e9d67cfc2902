"""Extract the maps of train-fullsup and test from a checkpoint, or repeat the one map of a method without a network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from wsol.cli.common import add_device, archive_input, environment_input
from wsol.cli.entry import enter
from wsol.config.method import load_method
from wsol.config.paths import NO_BACKBONE, Cell
from wsol.config.roots import image_free_map_roots, map_roots
from wsol.errors import DataError
from wsol.files import load_metadata, read_json
from wsol.progress import ProgressFile
from wsol.provenance.job import Job


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol maps", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the attribution (JSON)")
    result.add_argument("--model", type=Path, help="checkpoint (safetensors); none for a method without a network")
    result.add_argument("--manifests", type=Path, nargs="+", required=True, help="one manifest a split")
    result.add_argument("--supersets", type=Path, help="supersets.json, for an attribution with an aggregation")
    result.add_argument("--out", type=Path, nargs="+", required=True, help="one file a manifest, in the same order")
    add_device(result)
    result.add_argument("--threads", type=int, default=1)
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    if len(arguments.out) != len(arguments.manifests):
        raise DataError(f"{len(arguments.manifests)} manifests but {len(arguments.out)} output files")
    settings = read_json(arguments.settings)
    return _with_model(arguments, settings) if arguments.model else _without_model(arguments, settings)


def _with_model(arguments: argparse.Namespace, settings: dict[str, Any]) -> int:
    import torch

    from wsol.attribution import score_order
    from wsol.attribution.extract import extract_maps
    from wsol.attribution.store import write_maps
    from wsol.data.images import ImageSet
    from wsol.data.manifest import read_manifest
    from wsol.device import choose_device
    from wsol.models import load_model

    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    manifests = [read_manifest(path) for path in arguments.manifests]
    trained = load_metadata(arguments.model)["extra"]
    cell, attribution = trained["cell"], settings["attribution"]
    supersets = _superset_lists(arguments.supersets, len(trained["classes"])) if arguments.supersets else None
    show = ProgressFile("maps/" + "/".join(map(str, cell.values())) + "/" + attribution)
    with Job(
        layer="maps",
        cell={**cell, "attribution": attribution},
        sidecar=arguments.sidecar,
        inputs=_inputs(arguments) | archive_input(manifests[0]),
        code_roots=map_roots(cell["backbone"], cell["method"], attribution),
        parameters=settings,
        device=device,
        threads=arguments.threads,
    ) as job:
        model = load_model(arguments.model, device)
        for manifest, out in zip(manifests, arguments.out, strict=True):
            images = ImageSet(manifest, settings["image_size"], threads=arguments.threads, verify=True)
            maps, predictions = extract_maps(
                model,
                images,
                manifest.labels,
                attribution=attribution,
                options=settings["options"],
                supersets=supersets,
                device=device,
                progress=show,
            )
            write_maps(
                job.output_path(out),
                maps,
                manifest.image_ids,
                predictions,
                size=settings["image_size"],
                order=score_order(attribution),
                cell=cell,
                attribution=attribution,
                split=manifest.split,
            )
            accuracy = 100 * float(np.mean(predictions[:, 0] == manifest.labels))
            job.run.summary({f"{manifest.split}/Top1Cls": accuracy})
            print(f"wrote {out}: {len(maps)} maps {maps.shape[1]}×{maps.shape[2]}, top-1 accuracy {accuracy:.1f} %")
    return 0


def _without_model(arguments: argparse.Namespace, settings: dict[str, Any]) -> int:
    from wsol.attribution.store import write_maps
    from wsol.data.manifest import read_manifest
    from wsol.methods import load

    manifests = [read_manifest(path) for path in arguments.manifests]
    scale = arguments.settings.parts[1]
    cell = Cell(scale, manifests[0].dataset, NO_BACKBONE, settings["method"], 0).as_dict()
    with Job(
        layer="maps",
        cell={**cell, "attribution": settings["attribution"]},
        sidecar=arguments.sidecar,
        inputs=_inputs(arguments),
        code_roots=image_free_map_roots(settings["method"]),
        parameters=settings,
    ) as job:
        still = load(load_method(settings["method"])["code"]).image_free_map(
            settings["image_size"], **settings["options"]
        )
        for manifest, out in zip(manifests, arguments.out, strict=True):
            write_maps(
                job.output_path(out),
                still[None],
                manifest.image_ids,
                None,
                size=settings["image_size"],
                cell=cell,
                attribution=settings["attribution"],
                split=manifest.split,
            )
            print(f"wrote {out}: one map {still.shape[0]}×{still.shape[1]} for {len(manifest)} images")
    return 0


def _inputs(arguments: argparse.Namespace) -> dict[str, Any]:
    inputs = {"settings": arguments.settings, "environment": environment_input(arguments.settings)}
    inputs |= {f"manifest{index}": path for index, path in enumerate(arguments.manifests)}
    for name in ("model", "supersets"):
        if getattr(arguments, name):
            inputs[name] = getattr(arguments, name)
    return inputs


def _superset_lists(path: Path, num_classes: int) -> list[list[int]]:
    supersets = read_json(path)["classes"]
    if sorted(map(int, supersets)) != list(range(num_classes)):
        raise DataError(f"{path}: has supersets of {len(supersets)} classes, the network has {num_classes}")
    return [supersets[str(index)] for index in range(num_classes)]


if __name__ == "__main__":
    enter(main)
