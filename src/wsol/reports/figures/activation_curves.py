"""Figures 6, F.5 and F.6 of F-CAM: how the activations of the test split are distributed over [0, 1]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wsol.config.curve_lines import line_cells
from wsol.errors import DataError
from wsol.metrics.activations import activation_counts, rise_to_one, share_above
from wsol.reports.figures.curve_page import (
    CurvePage,
    Line,
    Number,
    Panel,
    in_rows,
    left_out_sentence,
    panel_title,
    title_of_curves,
)

BLOCK = 64
FLOOR = 1e-5
"""Lowest share of pixels that is drawn; a bin without any has no logarithm and leaves a gap."""


def activation_page(settings: Mapping[str, Any], files: Sequence[Path]) -> CurvePage:
    """The page of map files in the order of `wsol.config.curve_lines.line_files`. DataError for another cell's."""
    left = iter(files)
    panels, numbers = [], []
    for described in settings["panels"]:
        lines = []
        for look, line in enumerate(described["lines"]):
            found = []
            for cell in line_cells(settings, described, line):
                wanted = {**cell.as_dict(), "attribution": line["attribution"]}
                counts = activation_counts(_scores(next(left), wanted, settings["image_size"]))
                shares = counts / counts.sum()
                middles = [(index + 0.5) / len(counts) for index in range(len(counts))]
                drawn = [float(share) if share > 0 else None for share in shares]
                lines.append(Line(middles, drawn, line["label"], look, step=True))
                above = share_above(counts, 0.1)
                below = None if above is None else 1 - above
                found.append((share_above(counts, 0.9), below, rise_to_one(counts)))
            cell_columns = (described["dataset"], described["backbone"], line["method"], line["attribution"])
            for quantity, values in zip(
                ("above_0.9", "below_0.1", "rise_to_one"), zip(*found, strict=True), strict=True
            ):
                numbers.append(Number(*cell_columns, quantity, values))
        panels.append(
            Panel(
                panel_title(settings, described),
                "activation",
                "share of pixels in a bin",
                lines,
                x_limits=(0, 1),
                y_limits=(FLOOR, 1),
                logarithmic=True,
            )
        )
    caption = (
        "Every pixel of the split in 100 bins of one width, on a logarithmic axis; a bin without pixels leaves a gap. "
        "Activations are the score maps that the metrics see: a class activation map by its own minimum and maximum, "
        "F-CAM's probability of foreground as it is. One line a seed."
    )
    return CurvePage(
        title_of_curves({**settings, "split": "test"}),
        caption + left_out_sentence(settings),
        in_rows(settings, panels),
        numbers,
    )


def _scores(path: Path, wanted: Mapping[str, Any], size: int) -> Iterator[Any]:
    """Score maps of a file in blocks; a map that serves every image counts for each of them."""
    from wsol.attribution.store import read_maps
    from wsol.attribution.upsample import score_maps

    store = read_maps(path)
    found = {**store.description["cell"], "attribution": store.description["attribution"]}
    if found != dict(wanted) or store.description["split"] != "test":
        raise DataError(f"{path}: maps of {found}, where the figure shows {dict(wanted)} on test; give its own file")
    order = store.description["upsampling"]["order"]
    for start in range(0, len(store.image_ids), BLOCK):
        yield score_maps(store.block(start, min(start + BLOCK, len(store.image_ids))), size, order)
