"""Figures B, C and D of CALM: the true class's maps of several methods, beside each other, with boxes or masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsol.reports.figures.choose import evenly_over_classes
from wsol.reports.figures.page import FigurePage, FigureRow, MapPanel, Picture
from wsol.reports.figures.text import title_of


def attribution_page(settings: Mapping[str, Any], manifest: Any, map_files: Sequence[Path]) -> FigurePage:
    """The page of stored maps, one file a column in the order of the settings.

    Every map is the score map that the metrics see, in [0, 1]. Raises DataError for a file that is absent, is of
    another column's cell, or holds other images than the manifest.
    """
    from wsol.attribution.postprocess import score_maps
    from wsol.attribution.store import read_maps
    from wsol.data.images import load_images
    from wsol.scoring import GroundTruth, check_same_images

    stores = [read_maps(path) for path in map_files]
    for store, path, column in zip(stores, map_files, settings["columns"], strict=True):
        check_cell(store.description, path, settings["cell"], column)
        check_same_images(store.image_ids, manifest, path)
    size = settings["image_size"]
    chosen = evenly_over_classes(manifest.labels.tolist(), settings["images"])
    truth = GroundTruth(manifest)
    rows = []
    for image, index in zip(load_images(manifest, chosen, size), chosen, strict=True):
        panels = []
        for store in stores:
            scores = score_maps(store.block(index, index + 1), size, store.description["upsampling"]["order"])[0]
            panels.append(MapPanel(scores, (0.0, 1.0)))
        boxes, masks = truth.boxes(index, index + 1, size), truth.masks(index, index + 1, size)
        rows.append(
            FigureRow(
                [Picture(image)],
                panels,
                label=manifest.class_names[index],
                boxes=[] if boxes is None else boxes[0].tolist(),
                region=None if masks is None else masks[0] == 1,
            )
        )
    outlined = "ground-truth mask" if manifest.localisation == "masks" else "ground-truth box"
    return FigurePage(
        title=title_of(settings, manifest.split),
        caption=_caption(settings),
        headings=["image", *(column["label"] for column in settings["columns"])],
        rows=rows,
        colours="sequential",
        bar=("score, same scale in every panel", "0 (minimum of the map)", "1 (its maximum)"),
        outline=outlined,
    )


def _caption(settings: Mapping[str, Any]) -> str:
    rules = {
        "all": "all classes",
        "singletons": "the class alone, so that the map is the same with and without it",
        "hierarchy": "the classes with the same parent in the data set's hierarchy",
        "wordnet": "the classes below the same homogeneous node of WordNet",
    }
    superset = rules[settings["superset_rule"]]
    return (
        "Images evenly spaced over the classes. Maps are upsampled (bicubic), then brought to 0 to 1 each by its own "
        "minimum and maximum, as the metrics score them: panels compare in where a map is high, not in raw values. "
        rf"$\mathcal{{Y}}$: maps added up over the superset, here {superset}."
    )


def check_cell(description: Mapping[str, Any], path: Path, cell: Mapping[str, Any], column: Mapping[str, Any]) -> None:
    """Raise DataError unless a file's description (`cell`, `attribution`) is of a column in a place."""
    from wsol.errors import DataError

    found = {**description["cell"], "attribution": description["attribution"]}
    wanted = {**cell, "method": column["method"], "attribution": column["attribution"]}
    for key, value in wanted.items():
        if found.get(key) != value:
            raise DataError(f"{path}: of {key} {found.get(key)!r} for the column of {value!r}; give its own file")
