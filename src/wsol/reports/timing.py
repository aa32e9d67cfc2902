"""A table of parameters, map sizes and run times: from the timings of each backbone to lines, beside the printed ones.

Reading what is printed is `timing_printed`, writing files `timing_text`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from wsol.reports.cells import MEASURED, MISSING, NOT_IN_SCALE

TOO_LONG = "too-long"
STATUSES = (MEASURED, MISSING, TOO_LONG, NOT_IN_SCALE)
"""From best to worst; the mean of the baselines has the worst status of them."""
MEAN = "Mean"
PAPER_WAY = ", paper's way"
"""Of rows at the end that compare F-CAM with the baselines as the paper did: with value and spread of those times."""
MILLISECONDS, MILLIONS, MAPS, PIXELS = "ms", "million", "maps", "pixels"
DETAILS = {
    "#PCL": ("parameters of the classifier", MILLIONS),
    "#NFM": ("feature maps of the CAM layer", MAPS),
    "SFM": ("side of these maps", PIXELS),
    "#PDEC": ("parameters of the decoder without its scores", MILLIONS),
}
"""Rows that are not times: the printed label, what it means, its unit."""


@dataclass(frozen=True)
class TimingLine:
    """One value. Times are medians over `repeats`, from the image to its map at full size, device waited for; `std` is
    their sample standard deviation; `paper_way` the median without waiting and, for a baseline, of a backward pass
    alone; `published` the printed value in the same unit."""

    row: str
    backbone: str
    unit: str
    value: float | None
    std: float | None
    repeats: int | None
    paper_way: float | None
    published: float | None
    status: str
    note: str
    image_size: int | None
    width: float | None
    device: str
    hardware: str
    threads: int | None
    erratum: str


TIMING_FIELDS = tuple(field.name for field in fields(TimingLine))


def timing_lines(
    definition: Mapping[str, Any],
    timings: Mapping[str, Mapping[str, Any]],
    published: Mapping[tuple[str, str], float],
    errata: Mapping[tuple[str, str], str],
) -> list[TimingLine]:
    """Every line of the table. timings: backbone → what `wsol time_maps` wrote; others are not in the scale."""
    lines: list[TimingLine] = []
    labels = row_labels(definition)
    compared = [MEAN, *(row["label"] for row in definition["rows"] if row["decoder"])]
    for row in [*DETAILS, *labels, *(label + PAPER_WAY for label in compared if label in labels)]:
        for network in definition["networks"]:
            timing = timings.get(network["backbone"])
            place = row.removesuffix(PAPER_WAY), network["label"]
            if row.endswith(PAPER_WAY):
                measured = _row_times(definition, place[0], timing, "paper_seconds") | {"paper_way": None}
            elif row in DETAILS:
                measured = _detail(row, timing)
            else:
                measured = _row_times(definition, row, timing, "seconds")
            lines.append(
                TimingLine(
                    row=row,
                    backbone=network["backbone"],
                    unit=DETAILS[row][1] if row in DETAILS else MILLISECONDS,
                    **measured,
                    published=published.get(place),
                    image_size=timing["image_size"] if timing else None,
                    width=timing["width"] if timing else None,
                    device=timing["device"] if timing else "",
                    hardware=timing["hardware"] if timing else "",
                    threads=timing["threads"] if timing else None,
                    erratum=errata.get(place, ""),
                )
            )
    return lines


def row_labels(definition: Mapping[str, Any]) -> list[str]:
    """The rows of times, the baselines' mean after the last of them, as the paper has it."""
    labels = []
    last = max((index for index, row in enumerate(definition["rows"]) if row["baseline"]), default=-1)
    for index, row in enumerate(definition["rows"]):
        labels += [row["label"]] + ([MEAN] if index == last else [])
    return labels


def _empty(status: str, note: str = "") -> dict[str, Any]:
    return {"value": None, "std": None, "repeats": None, "paper_way": None, "status": status, "note": note}


def _detail(row: str, timing: Mapping[str, Any] | None) -> dict[str, Any]:
    if timing is None:
        return _empty(NOT_IN_SCALE)
    facts = timing["network"]
    square = facts["map_height"] == facts["map_width"]
    note = "" if row != "SFM" or square else f"{facts['map_height']}×{facts['map_width']}"
    values = {
        "#PCL": _millions(facts["classifier_parameters"]),
        "#NFM": float(facts["feature_maps"]),
        "SFM": float(facts["map_height"]),
        "#PDEC": _millions(facts["decoder_parameters"]),
    }
    value = values[row]
    return _empty(MISSING) if value is None else _empty(MEASURED, note) | {"value": value}


def _millions(count: int | None) -> float | None:
    return None if count is None else count / 1e6


def _row_times(definition: Mapping[str, Any], row: str, timing: Mapping[str, Any] | None, which: str) -> dict[str, Any]:
    """A row's times, `seconds` or `paper_seconds`; those of `MEAN` are the baselines' means."""
    if row != MEAN:
        return _time(row, timing, which)
    return _mean([_time(each["label"], timing, which) for each in definition["rows"] if each["baseline"]])


def _time(row: str, timing: Mapping[str, Any] | None, which: str) -> dict[str, Any]:
    if timing is None:
        return _empty(NOT_IN_SCALE)
    found = timing["rows"].get(row)
    if found is None:
        return _empty(MISSING)
    if not found["seconds"]:
        return _empty(TOO_LONG, f"not run: about {found['estimate']:.0f} s by its number of forward passes")
    times = [1000 * each for each in found[which]]
    return {
        "value": statistics.median(times),
        "std": statistics.stdev(times) if len(times) > 1 else None,
        "repeats": len(times),
        "paper_way": 1000 * statistics.median(found["paper_seconds"]),
        "status": MEASURED,
        "note": "",
    }


def _mean(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    worst = max((part["status"] for part in parts), key=STATUSES.index)
    if worst != MEASURED:
        return _empty(worst)
    spreads = [part["std"] for part in parts if part["std"] is not None]
    return {
        "value": statistics.fmean(part["value"] for part in parts),
        "std": math.hypot(*spreads) / len(parts) if len(spreads) == len(parts) else None,
        "repeats": min(part["repeats"] for part in parts),
        "paper_way": statistics.fmean(part["paper_way"] for part in parts),
        "status": MEASURED,
        "note": "",
    }
