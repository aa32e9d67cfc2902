"""Figure E of CALM: one map, added up over supersets that grow from the class alone to all classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wsol.reports.figures.choose import Supersets, evenly_over_classes, growing_supersets
from wsol.reports.figures.colour import resized, shared_limits
from wsol.reports.figures.page import FigurePage, FigureRow, MapPanel, Picture
from wsol.reports.figures.text import title_of

if TYPE_CHECKING:
    import numpy as np

MAX_DEPTH = 64


def supersets_by_depth(
    classes: Sequence[Mapping[str, Any]], rule: str, data_noun: str | None = None
) -> list[tuple[Supersets, Mapping[int, str]]]:
    """(supersets, names) at every depth, the shallowest (all classes) first, the last with every class alone.

    rule: `wordnet` takes WordNet's hierarchy (data_noun: its file); any other the data set's own.
    """
    from wsol.data.supersets import superset_groups
    from wsol.data.wordnet import as_nouns

    hierarchy = "wordnet" if rule == "wordnet" else "hierarchy"
    nouns = as_nouns(data_noun) if hierarchy == "wordnet" else None
    found: list[tuple[Supersets, Mapping[int, str]]] = []
    for depth in range(MAX_DEPTH):
        found.append(superset_groups(hierarchy, classes, depth=depth, data_noun=nouns))
        if all(len(members) == 1 for members in found[-1][0].values()):
            break
    return found


def choose_rows(
    settings: Mapping[str, Any], manifest: Any, by_depth: Sequence[tuple[Supersets, Mapping[int, str]]]
) -> list[dict[str, Any]]:
    """Images evenly spaced over the classes, each with its growing supersets (depth, label)."""
    rows = []
    for index in evenly_over_classes(manifest.labels.tolist(), settings["images"]):
        supersets = growing_supersets(by_depth, int(manifest.labels[index]), settings["depths"])
        rows.append(
            {
                "image": index,
                "image_id": manifest.image_ids[index],
                "supersets": [{"depth": one.depth, "label": one.label} for one in supersets],
            }
        )
    return rows


def depths_page(
    settings: Mapping[str, Any], manifest: Any, rows: Sequence[Mapping[str, Any]], maps: Sequence[Sequence[np.ndarray]]
) -> FigurePage:
    """The page of rows from `choose_rows` with the native maps (h, w) of each row's supersets."""
    from wsol.data.images import load_images
    from wsol.scoring import GroundTruth

    size, truth = settings["image_size"], GroundTruth(manifest)
    images = load_images(manifest, [row["image"] for row in rows], size)
    drawn = []
    for image, row, natives in zip(images, rows, maps, strict=True):
        large = [resized(native, size) for native in natives]
        limits = shared_limits(large)
        panels = [
            MapPanel(values, limits, superset["label"], note=f"$\\Sigma$ = {float(native.sum()):.2f}")
            for values, native, superset in zip(large, natives, row["supersets"], strict=True)
        ]
        boxes = truth.boxes(row["image"], row["image"] + 1, size)
        masks = truth.masks(row["image"], row["image"] + 1, size)
        drawn.append(
            FigureRow(
                [Picture(image)],
                panels,
                label=manifest.class_names[row["image"]],
                boxes=[] if boxes is None else boxes[0].tolist(),
                region=None if masks is None else masks[0] == 1,
            )
        )
    label = settings["columns"][0]["label"]
    return FigurePage(
        title=title_of(settings, manifest.split),
        caption=(
            f"{label}: p(y,z|x) summed over the superset that is named above each map, from the class alone to all "
            "classes. Raw probabilities: within a row all maps have one colour scale, from 0 to the row's largest "
            r"value. $\Sigma$ is the map's sum, the probability that the network gives the superset. Images evenly "
            "spaced over the classes."
        ),
        headings=(),
        rows=drawn,
        colours="sequential",
        bar=(r"$\Sigma_{y \in \mathcal{Y}}\; p(y,z|x)$, same scale within a row", "0", "row's maximum"),
        outline="ground-truth mask" if manifest.localisation == "masks" else "ground-truth box",
    )
