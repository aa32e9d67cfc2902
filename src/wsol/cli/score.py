"""Score the maps of train-fullsup and test: threshold curves, oracle and frozen thresholds, hits of every image."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wsol.cli.common import add_device, archive_input, environment_input
from wsol.cli.entry import enter
from wsol.config.paths import EVALUATED_SPLITS
from wsol.config.roots import score_roots
from wsol.errors import DataError
from wsol.files import atomic_path, read_json, write_json
from wsol.progress import ProgressFile
from wsol.provenance.job import Job

RESAMPLES, SEED = 1000, 0
"""Of the intervals; the draw of 1000 resamples moves their ends by about 2 % of their width."""


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol score", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the metrics (JSON)")
    result.add_argument("--maps", type=Path, nargs=2, required=True, help="map stores of train-fullsup and test")
    result.add_argument("--manifests", type=Path, nargs=2, required=True, help="manifests of train-fullsup and test")
    result.add_argument("--out", type=Path, nargs=2, required=True, help="score files (JSON) of the two splits")
    result.add_argument("--images-out", type=Path, nargs=2, required=True, help="per-image tables (parquet)")
    result.add_argument("--threads", type=int, default=1)
    add_device(result)
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)

    from wsol.attribution.store import read_maps
    from wsol.data.manifest import read_manifest
    from wsol.device import choose_scoring_device
    from wsol.metrics.evaluate import freeze

    device = choose_scoring_device(arguments.device)
    manifests = [read_manifest(path) for path in arguments.manifests]
    if tuple(manifest.split for manifest in manifests) != EVALUATED_SPLITS:
        raise DataError(f"--manifests must be those of {' and '.join(EVALUATED_SPLITS)}, in this order")
    stores = [read_maps(path) for path in arguments.maps]
    cell, attribution = stores[0].description["cell"], stores[0].description["attribution"]
    inputs = {"settings": arguments.settings, "environment": environment_input(arguments.settings)}
    inputs |= {"maps": arguments.maps, "manifests": arguments.manifests}
    if manifests[0].localisation == "masks":
        inputs |= archive_input(manifests[0])
    show = ProgressFile("scores/" + "/".join(map(str, cell.values())) + "/" + attribution)
    with Job(
        layer="scores",
        cell={**cell, "attribution": attribution},
        sidecar=arguments.sidecar,
        inputs=inputs,
        code_roots=score_roots(settings["dataset"]),
        parameters=settings,
        device=device,
        threads=arguments.threads,
    ) as job:
        results: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for store, manifest, path in zip(stores, manifests, arguments.maps, strict=True):
            # What train-fullsup chose is fixed on test, whose intervals and break-downs are given at both.
            chosen = results[0][0]["thresholds"] if results else None
            results.append(_evaluate(store, manifest, settings, arguments.threads, device, show, path, chosen))
        val, test = (result for result, _ in results)
        _call_frozen(test)
        frozen = [{}, freeze(test, val)]
        for (result, images), fixed, manifest, out, images_out in zip(
            results, frozen, manifests, arguments.out, arguments.images_out, strict=True
        ):
            headline = settings["headline_metric"]
            document = {
                "cell": {**cell, "attribution": attribution},
                "headline_metric": headline,
                "threshold_policy": {
                    "values": "each value at the threshold that is best on this very split (the papers' oracle)",
                    "frozen": "the same values on this split at the threshold that was best on train-fullsup",
                },
                "image_size": settings["image_size"],
                **result,
                "frozen": fixed,
            }
            write_json(job.output_path(out), document)
            _write_images(job.output_path(images_out), images)
            job.run.summary(_rounded(f"{manifest.split}/", result["values"]))
            job.run.summary(_rounded(f"frozen/{manifest.split}/", fixed.get("values", {})))
            print(f"wrote {out}: {headline} {result['values'][headline]:.2f} on {result['n_images']} images")
    return 0


def _call_frozen(result: dict[str, Any]) -> None:
    """What was fixed is what was frozen: its values come from `freeze`, the rest goes by that name."""
    del result["fixed"]
    for part in (result["intervals"], *result["breakdown"].values()):
        part["frozen"] = part.pop("fixed")


def _rounded(prefix: str, values: dict[str, float]) -> dict[str, float]:
    """For people who look at the runs; the score files keep every digit."""
    return {f"{prefix}{name}": round(value, 3) for name, value in values.items()}


def _evaluate(
    store: Any,
    manifest: Any,
    settings: dict[str, Any],
    threads: int,
    device: str,
    show: ProgressFile,
    path: Path,
    fixed: dict[str, float] | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    from wsol.metrics.blocks import Split
    from wsol.metrics.evaluate import applicable, evaluate
    from wsol.scoring import GroundTruth, check_same_images, score_blocks

    check_same_images(store.image_ids, manifest, path)
    # Without a network there is no predicted class, hence no top-k localisation.
    available = [manifest.localisation] + (["predictions"] if store.predictions is not None else [])
    metrics = applicable(list(settings["metrics"]), available)
    blocks = score_blocks(
        store.block,
        store.predictions,
        GroundTruth(manifest, keep_masks=False),
        settings["image_size"],
        order=store.description["upsampling"]["order"],
        interpolation=store.description["upsampling"]["interpolation"],
        threads=threads,
        device=device,
        progress=show,
    )
    size = settings["image_size"]
    split = Split(manifest.dataset, manifest.split, manifest.num_classes, frame=(size, size))
    return evaluate(
        metrics,
        settings["metrics"],
        blocks,
        split,
        image_ids=manifest.image_ids,
        resamples=RESAMPLES,
        seed=SEED,
        breakdown=True,
        fixed=fixed,
    )


def _write_images(path: Path, columns: dict[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with atomic_path(path) as temporary:
        pq.write_table(pa.table(dict(columns)), temporary, compression="zstd")


if __name__ == "__main__":
    enter(main)
