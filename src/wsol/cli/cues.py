"""Cue localisation: score a network's maps of pairs of classes against the parts in which the classes differ."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol.cli.common import add_device, archive_input, environment_input
from wsol.cli.entry import enter
from wsol.config.roots import cue_roots
from wsol.errors import DataError
from wsol.files import load_metadata, read_json, write_json
from wsol.progress import ProgressFile
from wsol.provenance.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wsol.cues import PairCounts
    from wsol.data.cues import ClassPair

DEFINITIONS = {
    "value": "PxAP of each pair of classes, in percent, then the mean over pairs",
    "pooled": "the same of the released evaluator, which pools each pair with all before it",
    "chance": "the share of cue pixels, which is what a constant map gets",
    "n_images": "images scored, counted once for every pair that they belong to; n_skipped likewise, images without "
    "any visible differing part",
    "common": "the groups on the pairs and images to which the scale limits the costly rows, so that rows compare",
}


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
        thresholds = cue_thresholds(settings["thresholds"], settings["threshold_count"])
        model = load_model(arguments.model, device)
        images = ImageSet(manifest, settings["image_size"], threads=arguments.threads, verify=True)
        progress = ProgressFile("cues/" + "/".join(map(str, cell.values())) + "/" + attribution)

        def counted(limits: dict[str, Any]) -> tuple[list[ClassPair], PairCounts]:
            pairs = class_pairs(truth, len(classes), settings["differing_parts"], limits["pairs"])
            return pairs, score_pairs(
                model,
                images,
                manifest.labels,
                truth,
                pairs,
                thresholds,
                attribution=settings["module"],
                options=settings["options"],
                normalisation=settings["normalisation"],
                size=settings["image_size"],
                images_per_class=limits["images_per_class"],
                device=device,
                progress=progress,
            )

        pairs, counts = counted(settings)
        groups = _groups(settings, pairs, counts, thresholds)
        # Of a row that is limited no more than the costly ones, all of it is common to all.
        whole = all(settings[name] == limit for name, limit in settings["common"].items())
        document = {
            "definition": DEFINITIONS,
            "groups": groups,
            "common": groups if whole else _groups(settings, *counted(settings["common"]), thresholds),
            "pairs": _pairs(settings, truth.parts, [entry["name"] for entry in classes], pairs, counts, thresholds),
            "truth_sha256": counts.truth,
        }
        write_json(job.output_path(arguments.out), {"cell": {**cell, "attribution": attribution}, **document})
        values = {f"PxAP/{name}": group["value"] for name, group in groups.items()}
        job.run.summary({name: round(value, 3) for name, value in values.items() if value is not None})
        mean = groups["mean"]
        text = "no value" if mean["value"] is None else f"PxAP {mean['value']:.2f}"
        print(f"wrote {arguments.out}: {text} over {mean['n_pairs']} pairs of classes")
    return 0


def _groups(
    settings: dict[str, Any], pairs: list[ClassPair], counts: PairCounts, grid: NDArray[np.float64]
) -> dict[str, dict[str, Any]]:
    """By number of differing parts, and over all pairs."""
    from wsol.metrics.cues import summarise

    numbers = [len(pair.parts) for pair in pairs]
    found = summarise(counts.pixels, grid, settings["thresholds"], numbers, settings["differing_parts"])
    groups = {}
    for name, summary in found.items():
        members = [i for i, number in enumerate(numbers) if name in ("mean", str(number))]
        groups[name] = {
            "value": summary.value,
            "pooled": summary.pooled,
            "chance": summary.chance,
            "n_pairs": summary.n_pairs,
            "n_images": int(counts.images[members].sum()),
            "n_skipped": int(counts.skipped[members].sum()),
        }
    return groups


def _pairs(
    settings: dict[str, Any],
    parts: tuple[str, ...],
    names: list[str],
    pairs: list[ClassPair],
    counts: PairCounts,
    grid: NDArray[np.float64],
) -> list[dict[str, Any]]:
    from wsol.metrics.cues import pair_values, pooled_values

    values = pair_values(counts.pixels, grid)
    pooled = pooled_values(counts.pixels, grid, settings["thresholds"])
    return [
        {
            "classes": [pair.first, pair.second],
            "names": [names[pair.first], names[pair.second]],
            "parts": [parts[part - 1] for part in pair.parts],
            "n_images": int(n),
            "n_skipped": int(skipped),
            "value": None if math.isnan(value) else float(value),
            "pooled": None if math.isnan(pool) else float(pool),
        }
        for pair, n, skipped, value, pool in zip(pairs, counts.images, counts.skipped, values, pooled, strict=True)
    ]


if __name__ == "__main__":
    enter(main)
