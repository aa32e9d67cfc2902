"""Remove-and-classify of one attribution: how many test images stay right without the pixels that its maps point at."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wsol.cli.common import add_device, archive_input, environment_input
from wsol.cli.entry import enter
from wsol.config.roots import removal_roots
from wsol.errors import DataError
from wsol.files import load_metadata, read_json, write_json
from wsol.progress import ProgressFile
from wsol.provenance.job import Job

BATCH = 64


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol removal", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the experiment (JSON)")
    result.add_argument("--model", type=Path, required=True, help="checkpoint (safetensors)")
    result.add_argument("--manifest", type=Path, required=True, help="manifest of the test split")
    result.add_argument("--maps", type=Path, required=True, help="map store of the attribution on that split")
    result.add_argument("--out", type=Path, required=True, help="counts (JSON)")
    add_device(result)
    result.add_argument("--threads", type=int, default=1)
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)

    import torch

    from wsol.attribution.postprocess import map_faults
    from wsol.attribution.store import read_maps
    from wsol.data.images import ImageSet
    from wsol.data.manifest import read_manifest
    from wsol.device import choose_device
    from wsol.metrics.removal import ratio
    from wsol.models import load_model

    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    manifest, store = read_manifest(arguments.manifest), read_maps(arguments.maps)
    if store.image_ids != manifest.image_ids:
        raise DataError(f"{arguments.maps}: is not of the images of {arguments.manifest}; extract the maps again")
    cell, attribution = load_metadata(arguments.model)["extra"]["cell"], store.description["attribution"]
    if store.description["cell"] != cell:
        raise DataError(
            f"{arguments.maps}: maps of {store.description['cell']}, but {arguments.model} is {cell}; give the maps of "
            "this checkpoint"
        )
    show = ProgressFile("removal/" + "/".join(map(str, cell.values())) + "/" + attribution)
    with Job(
        layer="removal",
        cell={**cell, "attribution": attribution},
        sidecar=arguments.sidecar,
        inputs={
            "settings": arguments.settings,
            "environment": environment_input(arguments.settings),
            "model": arguments.model,
            "manifest": arguments.manifest,
            "maps": arguments.maps,
        }
        | archive_input(manifest),
        code_roots=removal_roots(cell["backbone"], cell["method"]),
        parameters=settings,
        device=device,
        threads=arguments.threads,
    ) as job:
        model = load_model(arguments.model, device)
        images = ImageSet(manifest, settings["image_size"], threads=arguments.threads, verify=True)
        counts = _count(model, images, manifest, store, settings, device, show)
        document = {
            "cell": {**cell, "attribution": attribution},
            "split": manifest.split,
            "image_size": settings["image_size"],
            "seed": settings["seed"],
            "shares": list(counts.shares),
            "correct_top": list(counts.top),
            "correct_random": list(counts.random),
            "correct_intact": counts.intact,
            "correct_blank": counts.blank,
            "n_images": counts.n_images,
            "counts": map_faults(store.maps),
        }
        write_json(job.output_path(arguments.out), document)
        ratios = {
            f"R@{share:g}": ratio(top, random)
            for share, top, random in zip(counts.shares, counts.top, counts.random, strict=True)
        }
        job.run.summary({name: value for name, value in ratios.items() if value is not None})
        said = ", ".join(f"{name} {'undefined' if value is None else f'{value:.3f}'}" for name, value in ratios.items())
        print(f"wrote {arguments.out}: {said}; {counts.intact} of {counts.n_images} images right when intact")
    return 0


def _count(
    model: Any, images: Any, manifest: Any, store: Any, settings: dict[str, Any], device: str, show: ProgressFile
) -> Any:
    import numpy as np
    import torch

    from wsol.data.transforms import eval_batch
    from wsol.metrics.removal import count_correct, image_keys

    keys, total = image_keys(manifest.image_ids, settings["seed"]), None
    for start in range(0, len(manifest), BATCH):
        stop = min(start + BATCH, len(manifest))
        counts = count_correct(
            model,
            eval_batch(torch.from_numpy(images.batch(np.arange(start, stop))).to(device)),
            torch.from_numpy(manifest.labels[start:stop]).to(device),
            torch.from_numpy(np.ascontiguousarray(store.block(start, stop))).to(device),
            torch.tensor(keys[start:stop], device=device),
            settings["shares"],
        )
        total = counts if total is None else total + counts
        show(stop / len(manifest))
    if total is None:
        raise DataError(f"{manifest.dataset} {manifest.split}: the manifest has no image")
    return total


if __name__ == "__main__":
    enter(main)
