"""Scores as a table to read, and as JSON, CSV and curves to keep."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.files import write_json, write_text
from wsol.metrics.levels import threshold_grid

COLUMNS = ("policy", "metric", "value", "low", "high", "threshold", "n")
BEST, FIXED, FROZEN = "best", "fixed", "frozen"
POLICIES = {
    BEST: "each value at the threshold that is best on these very images (the papers' oracle)",
    FIXED: "each value at one threshold, given beforehand",
    FROZEN: "each value at the threshold that was best on another split",
}


@dataclass(frozen=True)
class Scores:
    """Scores of one split; `document` is what the JSON file holds, `images` one column a value and a line an image."""

    document: dict[str, Any]
    images: dict[str, NDArray[Any]] = field(repr=False)

    @property
    def values(self) -> dict[str, float]:
        """Metric to percent, each at its best threshold on these images."""
        return self.document["values"]

    def __str__(self) -> str:
        return table(self.document)

    def write(self, prefix: str | os.PathLike[str]) -> list[Path]:
        """PREFIX.json, .csv, .curves.csv, .png and .pdf; the same scores give the same bytes."""
        from wsol.standalone.picture import write_pictures

        paths = {suffix: with_suffix(prefix, suffix) for suffix in (".json", ".csv", ".curves.csv", ".png", ".pdf")}
        write_json(paths[".json"], self.document)
        write_text(paths[".csv"], _csv(COLUMNS, [list(_exact(row)) for row in rows(self.document)]))
        write_text(paths[".curves.csv"], curves_csv(self.document))
        write_pictures([paths[".png"], paths[".pdf"]], self.document)
        return list(paths.values())


def with_suffix(prefix: str | os.PathLike[str], suffix: str) -> Path:
    """The prefix with a suffix behind it, whatever dots it holds."""
    return Path(f"{os.fspath(prefix)}{suffix}")


def rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a policy and metric, with the keys of `COLUMNS`; None where there is nothing to say."""
    intervals = document.get("intervals") or {}
    found = []
    for policy, part in (
        (BEST, document),
        (FIXED, document.get("fixed") or {}),
        (FROZEN, document.get("frozen") or {}),
    ):
        for metric, value in part.get("values", {}).items():
            low, high = interval_of(intervals, policy, metric)
            threshold = part.get("thresholds", {}).get(metric)
            found.append(
                dict(zip(COLUMNS, (policy, metric, value, low, high, threshold, document["n_images"]), strict=True))
            )
    return found


def interval_of(intervals: Mapping[str, Any], policy: str, metric: str) -> tuple[float | None, float | None]:
    """Ends of the interval in percent, or None where none was computed."""
    ends = intervals.get("values" if policy == BEST else policy, {}).get(metric)
    return (None, None) if ends is None else (float(ends[0]), float(ends[1]))


def table(document: Mapping[str, Any]) -> str:
    """The scores as lines of text, without a last newline."""
    side = document["image_size"]
    lines = [f"{document['dataset']} {document['split']}: {document['n_images']} maps, scored at {side} x {side}"]
    found = rows(document)
    with_intervals = any(row["low"] is not None for row in found)
    head = ["metric", "value", *(["95 % interval"] if with_intervals else []), "threshold", "n"]
    for policy in (BEST, FIXED, FROZEN):
        body = [_cells(row, with_intervals) for row in found if row["policy"] == policy]
        if body:
            lines += ["", _title(policy, document), *_aligned([head, *body])]
    if "breakdown" in document:
        lines += ["", *_sizes(document["breakdown"]["sizes"])]
    counts = document["counts"]
    faults = f"maps with NaN: {counts['nan_maps']}, constant: {counts['constant_maps']}, empty: {counts['empty_maps']}"
    lines += ["", faults, *(f"not as in the papers: {what}" for what in document["not_as_in_the_papers"])]
    return "\n".join(lines)


def curves_csv(document: Mapping[str, Any]) -> str:
    """Threshold and a column a metric, in percent; for PxAP threshold, precision and recall (fractions)."""
    curves = document["curves"]
    if "PxAP" in curves:
        pixels = curves["PxAP"]
        columns = {"threshold": pixels["thresholds"], "precision": pixels["precision"], "recall": pixels["recall"]}
    else:
        columns = {"threshold": thresholds(document).tolist()} | {name: curves[name] for name in sorted(curves)}
    lines = zip(*columns.values(), strict=True)
    return _csv(list(columns), [["" if value is None else repr(float(value)) for value in line] for line in lines])


def thresholds(document: Mapping[str, Any]) -> NDArray[np.float64]:
    """The thresholds of the box curves."""
    return threshold_grid(document["parameters"]["boxes"]["thresholds"])


def _title(policy: str, document: Mapping[str, Any]) -> str:
    if policy == BEST:
        return "at the best threshold on these images" if document["thresholds"] else "over all thresholds"
    if policy == FIXED:
        return f"at the fixed threshold {document['fixed']['threshold']:g}"
    chosen = document["frozen"]["chosen_on"]
    return f"at the thresholds that were best on {chosen['dataset']} {chosen['split']}"


def _sizes(sizes: Mapping[str, Any]) -> list[str]:
    """Values by the object's share of the frame, a column a size."""
    head = ["by size of the object", *sizes["names"]]
    edges = zip(sizes["edges"][:-1], sizes["edges"][1:], strict=True)
    lines = [head, ["share of the frame", *(f"{low:g} to {high:g}" for low, high in edges)]]
    for metric, found in sizes["values"].items():
        lines.append([metric, *("" if value is None else f"{value:.2f}" for value in found["value"])])
    return _aligned([*lines, ["n", *map(str, sizes["n"])]])


def _cells(row: Mapping[str, Any], with_intervals: bool) -> list[str]:
    cells = [row["metric"], f"{row['value']:.2f}"]
    if with_intervals:
        cells.append("" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}")
    threshold = "" if row["threshold"] is None else f"{row['threshold']:.4g}"
    return [*cells, threshold, str(row["n"])]


def _aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]).rstrip()
        for line in cells
    ]


def _exact(row: Mapping[str, Any]) -> list[str]:
    """Every digit, so that nothing is rounded twice."""
    return ["" if value is None else repr(value) if isinstance(value, float) else str(value) for value in row.values()]


def _csv(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return text.getvalue()
