"""What a side of a comparison is at a scale: the line of a report that a claim names, with its value and spread."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wsol.errors import DataError, ParameterError
from wsol.reports.cells import MEASURED, MISSING, NOT_IN_SCALE, ScaleView
from wsol.reports.claims_spec import COUNT_COLUMNS, REPORT_COLUMNS, TABLE_COLUMNS, Side, text_of
from wsol.reports.removal import BY_DEFINITION

COUNTED = (MEASURED, BY_DEFINITION)

Report = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Reading:
    """What a side of a comparison is at a scale; `lacking` says why there is no value."""

    value: float | None = None
    std: float | None = None
    n_seeds: int = 0
    published: float | None = None
    lacking: str = ""
    in_scale: bool = True


def read_report(path: str | Path) -> Report:
    """The lines of a report. Raises DataError where it lacks a column that claims select by, or the value."""
    path = Path(path)
    with open(path, encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        lines = list(reader)
    lacking = [
        name
        for name in (*REPORT_COLUMNS.get(path.name, TABLE_COLUMNS), "value", "std", _count(path.name), "status")
        if name not in (reader.fieldnames or ())
    ]
    if lacking:
        raise DataError(f"{path}: no column {lacking[0]}; delete the file and make it again")
    return lines


def read_side(side: Side, view: ScaleView, reports: Mapping[str, Report | None], where: str) -> Reading:
    """The value that a side names. Raises ParameterError where the selection cannot name one line of the report."""
    if side.number is not None:
        return Reading(side.number, published=side.number)
    lines = reports.get(side.report)
    if lines is None:
        return Reading(lacking=f"{side.report} has not been made")
    wanted = dict(side.select)
    dataset = wanted.get("dataset")
    if dataset is not None and dataset in view.stand_ins:
        measured = view.stand_ins[dataset]
        if not measured:
            return Reading(lacking=f"scale {view.name} measures nothing in place of {dataset}", in_scale=False)
        wanted["dataset"] = measured
    found = [line for line in lines if _matches(line, wanted)]
    if len(found) > 1:
        raise ParameterError(
            f"{where}: {side.text} names {len(found)} lines; add a column of "
            f"{', '.join(REPORT_COLUMNS.get(side.report, TABLE_COLUMNS))}"
        )
    if found:
        return _reading(found[0], side)
    elsewhere = {column: text for column, text in wanted.items() if column not in ("dataset", "backbone")}
    if lines and not any(_matches(line, elsewhere) for line in lines):
        raise ParameterError(f"{where}: {side.text} names no line; correct {', '.join(elsewhere)}")
    return Reading(lacking=f"{side.text} is not in scale {view.name}", in_scale=False)


def _matches(line: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(_same(line[column], text) for column, text in wanted.items())


def _same(written: str, wanted: str) -> bool:
    """As text, or as numbers: 0.30 in a report is 0.3 in a claim."""
    try:
        return written == wanted or text_of(float(written)) == wanted
    except ValueError:
        return False


def _reading(line: Mapping[str, str], side: Side) -> Reading:
    published = _number(line.get("published", ""))
    if line["status"] not in COUNTED or not line["value"]:
        status = line["status"] or MISSING
        return Reading(published=published, lacking=f"{side.text} is {status}", in_scale=status != NOT_IN_SCALE)
    return Reading(_number(line["value"]), _number(line["std"]), int(line[_count(side.report)] or 0), published)


def _count(report: str) -> str:
    return COUNT_COLUMNS.get(report, "n_seeds")


def _number(text: str) -> float | None:
    return float(text) if text else None
