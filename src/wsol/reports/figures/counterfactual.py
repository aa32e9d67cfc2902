"""Figure A of CALM: s^A - s^B on images of class A, beside the parts in which the classes A and B differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from wsol.errors import DataError
from wsol.reports.figures.choose import class_pairs, middle_first
from wsol.reports.figures.colour import resized, symmetric_limits
from wsol.reports.figures.page import FigurePage, FigureRow, MapPanel, Picture
from wsol.reports.figures.text import title_of

if TYPE_CHECKING:
    import numpy as np

    from wsol.data.cues import CueTruth, PartMap

MIN_PIXELS = 4
"""A part of fewer pixels in the frame shows too little to be outlined."""


def choose_rows(
    settings: Mapping[str, Any], manifest: Any, truth: CueTruth
) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    """The class pairs, and for each an image of A that shows every differing part, and the middle image of B.

    The image of A is the first from the class's middle on that shows them. A pair without such an image is left out.
    Each row: image, other (indices in the manifest), image_id, other_id, classes [A, B], parts. Beside the rows, for
    each the pixels of the differing parts (S, S) uint8, S the settings' image_size.
    """
    from wsol.data.cues import differing

    size = settings["image_size"]
    labels = manifest.labels.tolist()
    of_class: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        of_class.setdefault(label, []).append(index)
    rows, regions = [], []
    for first, second in class_pairs(list(of_class), partial(differing, truth), settings["images"]):
        parts = differing(truth, first, second)
        looked = ((index, _shown(truth.part_map(index, size), parts)) for index in middle_first(of_class[first]))
        found = next(((index, region) for index, region in looked if region is not None), None)
        if found is None:
            continue
        index, region = found
        other = middle_first(of_class[second])[0]
        regions.append(region)
        rows.append(
            {
                "image": index,
                "other": other,
                "image_id": manifest.image_ids[index],
                "other_id": manifest.image_ids[other],
                "classes": [first, second],
                "parts": [truth.parts[part - 1] for part in parts],
            }
        )
    if not rows:
        raise DataError(
            f"{manifest.dataset} {manifest.split}: no pair of classes that differ in one to three parts with an image "
            "that shows them; take a data set with more classes or images"
        )
    return rows, regions


def counterfactual_page(
    settings: Mapping[str, Any], manifest: Any, rows: Sequence[Mapping[str, Any]], maps: Sequence[Sequence[np.ndarray]]
) -> FigurePage:
    """The page of rows from `choose_rows`: of each the native maps s^A - s^B (h, w) of the columns, then the region."""
    from wsol.data.images import load_images

    size = settings["image_size"]
    drawn = []
    for row, differences in zip(rows, maps, strict=True):
        image, other = load_images(manifest, [row["image"], row["other"]], size)
        panels = []
        *native, region = differences
        large = [resized(one, size) for one in native]
        for values, column in zip(large, settings["columns"], strict=True):
            same = [column["attribution"] == other["attribution"] for other in settings["columns"]]
            limits = symmetric_limits(*(map_ for map_, is_same in zip(large, same, strict=True) if is_same))
            panels.append(MapPanel(values, limits, note=f"±{number(limits[1])}"))
        count = len(row["parts"])
        drawn.append(
            FigureRow(
                [
                    Picture(image, f"A: {manifest.class_names[row['image']]}"),
                    Picture(other, f"B: {manifest.class_names[row['other']]}", outlined=False),
                ],
                panels,
                label=f"{count} part{'s' if count > 1 else ''}: {', '.join(row['parts'])}",
                region=region > 0,
            )
        )
    return FigurePage(
        title=title_of(settings, manifest.split),
        caption=(
            "Red: speaks for class A (positive); blue: for class B (negative); maps of the image of A. Class pairs "
            "that differ in 1, 2 and 3 parts, evenly spaced over all such pairs; of A the first image from the "
            "middle of the class on that shows each differing part. Colours run from −m to m; m, in each panel's "
            "corner, is the largest magnitude of the row's maps of one kind: CALM's are differences of probabilities "
            "p(y,z|x) and share it, CAM's are differences of class scores, whose values compare with no other's."
        ),
        headings=["image of A", "an image of B", *(f"{column['label']}" for column in settings["columns"])],
        rows=drawn,
        colours="diverging",
        bar=(r"$s^A - s^B$", "−m", "m"),
        outline="parts in which A and B differ",
    )


def number(value: float) -> str:
    """Two significant digits, without an exponent where it reads well."""
    return f"{value:.2g}"


def _shown(part_map: PartMap, parts: Sequence[int]) -> np.ndarray | None:
    """The pixels of the parts (S, S), 1 or 0; None where one of them shows too little."""
    from wsol.data.cues import cue_mask

    enough = all((part_map.labels == part).sum() >= MIN_PIXELS for part in parts)
    return cue_mask(part_map, parts) if enough else None
