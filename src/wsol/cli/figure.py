"""Draw pages of pictures: test images with their ground truth and the score maps of each attribution."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wsol.cli.common import archive_input
from wsol.cli.entry import enter
from wsol.config.dataset import load_dataset
from wsol.config.method import load_method
from wsol.config.roots import picture_roots
from wsol.errors import DataError
from wsol.files import read_json, write_json
from wsol.provenance.job import Job

IMAGES_A_PAGE = 10


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol figure", description=__doc__)
    verbs = result.add_subparsers(dest="verb", required=True)
    pictures = verbs.add_parser("pictures", help="one page of a data set, a column an attribution")
    pictures.add_argument("--manifest", type=Path, required=True)
    pictures.add_argument("--maps", type=Path, nargs="+", required=True)
    pictures.add_argument("--scores", type=Path, nargs="+", required=True, help="score files of the maps, same order")
    pictures.add_argument("--images", type=int, default=IMAGES_A_PAGE, help="how many, evenly spaced over the classes")
    pictures.add_argument("--out", type=Path, required=True)
    pictures.add_argument("--sidecar", type=Path, required=True)
    curves = verbs.add_parser("curves", help="headline numbers (JSON), and curves of training and of thresholds")
    curves.add_argument("--tables", type=Path, nargs="+", required=True, help="tidy tables <table>.cells.csv")
    curves.add_argument("--histories", type=Path, nargs="*", default=[], help="train.csv of every model")
    curves.add_argument("--scores", type=Path, nargs="+", required=True, help="score files of the test split")
    curves.add_argument("--numbers-out", type=Path, required=True)
    curves.add_argument("--training-out", type=Path, required=True)
    curves.add_argument("--thresholds-out", type=Path, required=True)
    curves.add_argument("--sidecar", type=Path, required=True)
    index = verbs.add_parser("index", help="an HTML page of pages")
    index.add_argument("--pages", type=Path, nargs="+", required=True)
    index.add_argument("--out", type=Path, required=True)
    index.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    return {"pictures": draw_pictures, "curves": draw_curves, "index": write_index}[arguments.verb](arguments)


def draw_pictures(arguments: argparse.Namespace) -> int:
    from wsol.attribution.postprocess import score_maps
    from wsol.attribution.store import read_maps
    from wsol.data.images import load_images
    from wsol.data.manifest import read_manifest
    from wsol.metrics.oracle import boxes_at
    from wsol.reports.pictures import Panel, PictureRow, evenly_spaced, picture_page
    from wsol.scoring import GroundTruth, check_same_images

    if len(arguments.maps) != len(arguments.scores):
        raise DataError(f"{len(arguments.maps)} map files but {len(arguments.scores)} score files")
    manifest = read_manifest(arguments.manifest)
    stores = [read_maps(path) for path in arguments.maps]
    for store, path in zip(stores, arguments.maps, strict=True):
        check_same_images(store.image_ids, manifest, path)
    scores = [read_json(path) for path in arguments.scores]
    scale, size = stores[0].description["cell"]["scale"], stores[0].description["upsampling"]["size"]
    inputs = {"manifest": arguments.manifest, "maps": arguments.maps, "scores": arguments.scores}
    with Job(
        layer="reports",
        cell={"scale": scale, "dataset": manifest.dataset, "page": "pictures"},
        sidecar=arguments.sidecar,
        inputs=inputs | archive_input(manifest),
        code_roots=picture_roots(),
    ) as job:
        # Over the images in the order of their classes: a page shows as many classes as it has lines.
        by_class = sorted(range(len(manifest)), key=lambda index: (int(manifest.labels[index]), index))
        chosen = [by_class[position] for position in evenly_spaced(len(manifest), arguments.images)]
        images = load_images(manifest, chosen, size)
        truth = GroundTruth(manifest)
        rows = []
        for image, index in zip(images, chosen, strict=True):
            panels = []
            for store, score in zip(stores, scores, strict=True):
                map_ = score_maps(store.block(index, index + 1), size, store.description["upsampling"]["order"])[0]
                threshold = score["thresholds"].get("MaxBoxAcc")
                box = None if threshold is None else boxes_at(map_, threshold, "largest")[0]
                panels.append(Panel(map_, box))
            boxes, masks = truth.boxes(index, index + 1, size), truth.masks(index, index + 1, size)
            rows.append(
                PictureRow(
                    image,
                    manifest.class_names[index],
                    panels,
                    boxes=[] if boxes is None else list(boxes[0]),
                    mask=None if masks is None else masks[0],
                    image_id=manifest.image_ids[index],
                )
            )
        captions = [_caption(store.description, score) for store, score in zip(stores, scores, strict=True)]
        title = f"{load_dataset(manifest.dataset)['title']}, scale {scale}, split {manifest.split}"
        picture_page(rows, job.output_path(arguments.out), title, captions)
        print(f"wrote {arguments.out}: {len(rows)} images, {len(stores)} attributions")
    return 0


def draw_curves(arguments: argparse.Namespace) -> int:
    from wsol.reports.curves import draw_thresholds, draw_training, headline_numbers

    scale = arguments.scores[0].parts[1]
    with Job(
        layer="reports",
        cell={"scale": scale, "page": "curves"},
        sidecar=arguments.sidecar,
        inputs={"tables": arguments.tables, "histories": arguments.histories, "scores": arguments.scores},
        code_roots=picture_roots(),
    ) as job:
        tables = {path.name.removesuffix(".cells.csv"): path for path in arguments.tables}
        write_json(job.output_path(arguments.numbers_out), headline_numbers(tables))
        # results/<scale>/<layer>/<dataset>/<backbone>/<method>/s<seed>/<file>
        histories = {" ".join(path.parts[3:7]): path for path in arguments.histories}
        draw_training(histories, job.output_path(arguments.training_out), f"scale {scale}")
        scores = {
            f"{path.parts[3]} {' '.join(path.parts[4:7])} {path.name.partition('.')[0]}": path
            for path in arguments.scores
        }
        draw_thresholds(scores, job.output_path(arguments.thresholds_out), f"scale {scale}")
        print(f"wrote {arguments.numbers_out}, {arguments.training_out}, {arguments.thresholds_out}")
    return 0


def write_index(arguments: argparse.Namespace) -> int:
    from wsol.reports.pictures import Page, index_html

    scale = arguments.out.parent.parent.name
    pages = []
    for path in arguments.pages:
        settings = load_dataset(path.stem)
        stands_for = f" It stands in for {settings['stands_for']}." if settings["stands_for"] else ""
        caption = (
            "Evenly spaced test images. Boxes are drawn from the largest contour at MaxBoxAcc's threshold."
            f"{stands_for} Licence: {settings['licence']}."
        )
        pages.append(Page(f"{settings['title']} ({path.stem})", path, caption))
    with Job(
        layer="reports",
        cell={"scale": scale, "page": "pictures"},
        sidecar=arguments.sidecar,
        inputs={"pages": arguments.pages},
        code_roots=picture_roots(),
    ) as job:
        index_html(pages, job.output_path(arguments.out), f"Score maps at scale {scale}")
        print(f"wrote {arguments.out}: {len(pages)} pages")
    return 0


def _caption(description: dict[str, Any], score: dict[str, Any]) -> str:
    cell, attribution = description["cell"], description["attribution"]
    title = load_method(cell["method"])["title"] + ("+" + attribution.partition("+")[2] if "+" in attribution else "")
    metric = score["headline_metric"]
    return f"{title}\n{metric} {score['values'][metric]:.1f}"


if __name__ == "__main__":
    enter(main)
