"""Figures 5, F.7 and F.8 of F-CAM: localisation against the threshold τ, with a network's map and with F-CAM's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsol.config.curve_lines import line_cells
from wsol.errors import DataError
from wsol.files import read_json
from wsol.metrics.curve_shape import dice, near_best
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

BOXES, MASKS = "MaxBoxAcc", "PxAP"


def threshold_page(settings: Mapping[str, Any], files: Sequence[Path]) -> CurvePage:
    """The page of score files in the order of `wsol.config.curve_lines.line_files`.

    A data set of boxes has MaxBoxAcc at each τ, one of masks precision against recall as τ falls, which is what PxAP
    sums. Raises DataError for a file of another cell or without its curve.
    """
    left = iter(files)
    panels, numbers = [], []
    for described in settings["panels"]:
        lines = []
        for look, line in enumerate(described["lines"]):
            found = []
            for cell in line_cells(settings, described, line):
                document = _read(next(left), {**cell.as_dict(), "attribution": line["attribution"]})
                x, y, shape, thresholds = curve_of(document)
                lines.append(Line(x, y, line["label"], look))
                place = max(range(len(shape)), key=shape.__getitem__)
                found.append((near_best(shape), shape[place], thresholds[place] if shape[place] > 0 else None))
            cell_columns = (described["dataset"], described["backbone"], line["method"], line["attribution"])
            for quantity, values in zip(("near_best", "best", "best_threshold"), zip(*found, strict=True), strict=True):
                numbers.append(Number(*cell_columns, quantity, values))
        boxes = _is_of_boxes(settings, described)
        panels.append(
            Panel(
                panel_title(settings, described),
                "threshold τ" if boxes else "recall, %",
                "MaxBoxAcc, %" if boxes else "precision, %",
                lines,
                x_limits=(0, 1) if boxes else (0, 100),
                y_limits=(0, 100),
            )
        )
    return CurvePage(
        title_of_curves({**settings, "split": "test"}), _caption(settings), in_rows(settings, panels), numbers
    )


def curve_of(
    document: Mapping[str, Any],
) -> tuple[list[float], list[float | None], list[float], list[float]]:
    """(x, y, shape, thresholds) of a score file: what is drawn, and one number a threshold of which the shape is told.

    Boxes: x is τ, y and shape MaxBoxAcc in per cent. Masks: x is recall and y precision in per cent, and shape is the
    Dice coefficient of both in per cent, at every edge below 1.
    """
    if BOXES in document["curves"]:
        curve = [float(value) for value in document["curves"][BOXES]]
        thresholds = [index / len(curve) for index in range(len(curve))]
        return thresholds, [*curve], curve, thresholds
    if MASKS not in document["curves"]:
        raise DataError(f"{document['cell']}: a score file with neither {BOXES} nor {MASKS}; score the maps again")
    curve = document["curves"][MASKS]
    # JSON has no NaN: where nothing scores that high, precision is null.
    precision = [None if value is None else 100 * value for value in curve["precision"]]
    recall = [100 * value for value in curve["recall"]]
    shape = 100 * dice([float("nan") if value is None else value for value in curve["precision"]], curve["recall"])
    return recall, precision, shape[:-1].tolist(), curve["thresholds"][:-1]


def _read(path: Path, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    document: Mapping[str, Any] = read_json(path)
    if dict(document["cell"]) != dict(wanted) or document["split"] != "test":
        raise DataError(f"{path}: scores of {document['cell']}, where the figure shows {dict(wanted)} on test")
    return document


def _is_of_boxes(settings: Mapping[str, Any], panel: Mapping[str, Any]) -> bool:
    return any(one["dataset"] == panel["dataset"] and one["localisation"] == "boxes" for one in settings["datasets"])


def _caption(settings: Mapping[str, Any]) -> str:
    kinds = {dataset["localisation"] for dataset in settings["datasets"]}
    parts = []
    if "boxes" in kinds:
        parts.append(
            "Boxes: images whose box around the largest region above τ has IoU ≥ 0.5 with a true one. τ is a share of "
            "the map's own maximum; a plateau at the left is where the box is the whole image."
        )
    if "masks" in kinds:
        parts.append(
            "Masks: precision against recall over all pixels of the split; along a curve τ falls from left to right."
        )
    return " ".join(parts) + " One line a seed." + left_out_sentence(settings)
