"""Compute the maps of a paper's figure that no map file holds: of other classes than the image's own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wsol.cli.common import add_device, archive_input, environment_input
from wsol.cli.entry import enter
from wsol.config.roots import figure_map_roots
from wsol.errors import DataError, ParameterError
from wsol.files import load_metadata, read_json
from wsol.provenance.job import Job


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol figure_maps", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the figure (JSON)")
    result.add_argument("--models", type=Path, nargs="+", required=True, help="one checkpoint a column, in order")
    result.add_argument("--manifest", type=Path, required=True)
    result.add_argument("--classes", type=Path, required=True, help="classes.json of the data set")
    result.add_argument("--wordnet", type=Path, nargs="*", default=[], help="data.noun and its annotation, for depths")
    result.add_argument("--annotations", type=Path, nargs="*", default=[], help="files of the parts beside the images")
    result.add_argument("--out", type=Path, required=True, help="native maps of each panel (safetensors)")
    add_device(result)
    result.add_argument("--threads", type=int, default=1)
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)
    if len(arguments.models) != len(settings["columns"]):
        raise DataError(f"{len(arguments.models)} checkpoints for {len(settings['columns'])} columns")
    compute = {"counterfactual": _counterfactual, "depths": _depths}.get(settings["kind"])
    if compute is None:
        raise ParameterError(f"{arguments.settings}: a figure of kind {settings['kind']} is drawn from stored maps")
    import torch

    from wsol.data.manifest import read_manifest
    from wsol.device import choose_device
    from wsol.reports.figures.store import write_figure_maps

    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    manifest = read_manifest(arguments.manifest)
    for path, column in zip(arguments.models, settings["columns"], strict=True):
        trained = load_metadata(path)["extra"]["cell"]
        if trained != settings["cell"] | {"method": column["method"]}:
            raise DataError(f"{path}: a model of {trained}, where the figure shows {column['method']}; give its own")
    inputs: dict[str, Any] = {
        "settings": arguments.settings,
        "environment": environment_input(arguments.settings),
        "models": sorted(set(arguments.models)),
        "manifest": arguments.manifest,
        "classes": arguments.classes,
    }
    if arguments.annotations:
        inputs["annotations"] = arguments.annotations
    if arguments.wordnet:
        inputs["wordnet"] = [_portable(path) for path in arguments.wordnet]
    with Job(
        layer="reports",
        cell={"scale": settings["scale"], "dataset": settings["dataset"], "figure": settings["name"]},
        sidecar=arguments.sidecar,
        inputs=inputs | archive_input(manifest),
        code_roots=figure_map_roots(settings),
        parameters={"figure": settings["name"]},
        device=device,
        threads=arguments.threads,
    ) as job:
        rows, maps = compute(arguments, settings, manifest, device)
        write_figure_maps(job.output_path(arguments.out), settings["name"], rows, maps)
        print(f"wrote {arguments.out}: {sum(map(len, maps))} maps of {len(rows)} images")
    return 0


def _counterfactual(
    arguments: argparse.Namespace, settings: dict[str, Any], manifest: Any, device: str
) -> tuple[list[dict[str, Any]], list[list[Any]]]:
    from wsol.data.cues import open_truth
    from wsol.data.manifest import read_classes
    from wsol.models import load_model
    from wsol.reports.figures.counterfactual import choose_rows
    from wsol.reports.figures.extract import counterfactual_maps

    truth = open_truth(settings["reader"], manifest, read_classes(arguments.classes))
    rows, regions = choose_rows(settings, manifest, truth)
    pixels = _pixels(settings, manifest, rows, device)
    pairs = [(row["classes"][0], row["classes"][1]) for row in rows]
    columns = [
        counterfactual_maps(load_model(path, device).eval(), pixels, pairs, column["attribution"], column["options"])
        for path, column in zip(arguments.models, settings["columns"], strict=True)
    ]
    return rows, [[*(column[place] for column in columns), region] for place, region in enumerate(regions)]


def _depths(
    arguments: argparse.Namespace, settings: dict[str, Any], manifest: Any, device: str
) -> tuple[list[dict[str, Any]], list[list[Any]]]:
    from wsol.models import load_model
    from wsol.reports.figures.depths import choose_rows, supersets_by_depth
    from wsol.reports.figures.extract import depth_maps

    classes = read_json(arguments.classes)["classes"]
    nouns = str(arguments.wordnet[0]) if arguments.wordnet else None
    by_depth = supersets_by_depth(classes, settings["superset_rule"], nouns)
    rows = choose_rows(settings, manifest, by_depth)
    column = settings["columns"][0]
    maps = depth_maps(
        load_model(arguments.models[0], device).eval(),
        _pixels(settings, manifest, rows, device),
        [int(manifest.labels[row["image"]]) for row in rows],
        [supersets for supersets, _ in by_depth],
        column["attribution"],
        column["options"],
    )
    return rows, [[maps[one["depth"], place] for one in row["supersets"]] for place, row in enumerate(rows)]


def _pixels(settings: dict[str, Any], manifest: Any, rows: list[dict[str, Any]], device: str) -> Any:
    import torch

    from wsol.data.images import load_images
    from wsol.data.transforms import eval_batch

    images = load_images(manifest, [row["image"] for row in rows], settings["image_size"])
    return eval_batch(torch.from_numpy(images).to(device))


def _portable(path: Path) -> str:
    """A name of an input for the sidecar; WordNet usually lies where the operating system put it."""
    inside = not path.is_absolute() or path.is_relative_to(Path.cwd())
    return str(path) if inside else f"system:{path}"


if __name__ == "__main__":
    enter(main)
