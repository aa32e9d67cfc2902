"""Cue localisation: score a network's maps of pairs of classes against the parts in which the classes differ."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wsol.cli.common import add_device, archive_input, environment_input
from wsol.cli.entry import enter
from wsol.config.roots import cue_roots
from wsol.errors import DataError
from wsol.files import load_metadata, read_json, write_json
from wsol.progress import ProgressFile
from wsol.provenance.job import Job


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol cues", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the row (JSON)")
    result.add_argument("--model", type=Path, required=True, help="checkpoint (safetensors)")
    result.add_argument("--manifest", type=Path, required=True, help="manifest of the split test")
    result.add_argument("--classes", type=Path, required=True, help="classes.json of the data set")
    result.add_argument("--annotations", type=Path, nargs="*", default=[], help="files of the parts beside the images")
    result.add_argument("--out", type=Path, required=True, help="values of every pair and their means (JSON)")
    add_device(result)
    result.add_argument("--threads", type=int, default=1)
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)

    import torch

    from wsol.cues import score_pairs
    from wsol.data.cues import class_pairs, open_truth
    from wsol.data.images import ImageSet
    from wsol.data.manifest import read_classes, read_manifest
    from wsol.device import choose_device
    from wsol.metrics.cues import cue_thresholds
    from wsol.models import load_model

    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    manifest, classes = read_manifest(arguments.manifest), read_classes(arguments.classes)
    cell, attribution = load_metadata(arguments.model)["extra"]["cell"], settings["attribution"]
    if (cell["dataset"], cell["method"]) != (manifest.dataset, settings["method"]):
        raise DataError(
            f"{arguments.model}: is {cell['method']} trained on {cell['dataset']}, but {arguments.settings} and "
            f"{arguments.manifest} are of {settings['method']} and {manifest.dataset}"
        )
    inputs = {
        "settings": arguments.settings,
        "environment": environment_input(arguments.settings),
        "model": arguments.model,
        "manifest": arguments.manifest,
        "classes": arguments.classes,
        "annotations": arguments.annotations,
        **archive_input(manifest),
    }
    with Job(
        layer="cues",
        cell={**cell, "attribution": attribution},
        sidecar=arguments.sidecar,
        inputs=inputs,
        code_roots=cue_roots(cell["dataset"], cell["backbone"], cell["method"], attribution),
        parameters=settings,
        device=device,
        threads=arguments.threads,
    ) as job:
        truth = open_truth(settings["reader"], manifest, classes)
        pairs = class_pairs(truth, len(classes), settings["differing_parts"], settings["pairs"])
        thresholds = cue_thresholds(settings["thresholds"], settings["threshold_count"])
        counts = score_pairs(
            load_model(arguments.model, device),
            ImageSet(manifest, settings["image_size"], threads=arguments.threads, verify=True),
            manifest.labels,
            truth,
            pairs,
            thresholds,
            attribution=settings["module"],
            options=settings["options"],
            normalisation=settings["normalisation"],
            size=settings["image_size"],
            images_per_class=settings["images_per_class"],
            device=device,
            progress=ProgressFile("cues/" + "/".join(map(str, cell.values())) + "/" + attribution),
        )
        document = _document(settings, truth.parts, pairs, counts, thresholds)
        write_json(job.output_path(arguments.out), {"cell": {**cell, "attribution": attribution}, **document})
        values = {f"PxAP/{name}": group["value"] for name, group in document["groups"].items()}
        job.run.summary({name: round(value, 3) for name, value in values.items() if value is not None})
        mean = document["groups"]["mean"]
        text = "no value" if mean["value"] is None else f"PxAP {mean['value']:.2f}"
        print(f"wrote {arguments.out}: {text} over {mean['n_pairs']} pairs of classes")
    return 0


def _document(settings: dict[str, Any], parts: tuple[str, ...], pairs: Any, counts: Any, grid: Any) -> dict[str, Any]:
    import math

    from wsol.metrics.cues import pair_values, pooled_values, summarise

    values = pair_values(counts.pixels, grid)
    pooled = pooled_values(counts.pixels, grid, settings["thresholds"])
    numbers = [len(pair.parts) for pair in pairs]
    groups: dict[str, dict[str, Any]] = {}
    for name, found in summarise(
        counts.pixels, grid, settings["thresholds"], numbers, settings["differing_parts"]
    ).items():
        members = [i for i, number in enumerate(numbers) if name in ("mean", str(number))]
        groups[name] = {
            "value": found.value,
            "pooled": found.pooled,
            "chance": found.chance,
            "n_pairs": found.n_pairs,
            "n_images": int(counts.images[members].sum()),
            "n_skipped": int(counts.skipped[members].sum()),
        }
    return {
        "definition": {
            "value": "PxAP of each pair of classes, in percent, then the mean over pairs",
            "pooled": "the same of the released evaluator, which pools each pair with all before it",
            "chance": "the share of cue pixels, which is what a constant map gets",
            "n_images": "images scored, counted once for every pair that they belong to; n_skipped likewise, images "
            "without any visible differing part",
        },
        "groups": groups,
        "pairs": [
            {
                "classes": [pair.first, pair.second],
                "parts": [parts[part - 1] for part in pair.parts],
                "n_images": int(n),
                "n_skipped": int(skipped),
                "value": None if math.isnan(value) else float(value),
                "pooled": None if math.isnan(pool) else float(pool),
            }
            for pair, n, skipped, value, pool in zip(pairs, counts.images, counts.skipped, values, pooled, strict=True)
        ],
        "truth_sha256": counts.truth,
    }


if __name__ == "__main__":
    enter(main)
