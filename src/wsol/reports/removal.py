"""reports/remove_and_classify.csv: R_k of every attribution at every share k of removed pixels, over all seeds."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from wsol.config import paths
from wsol.config.yamlfile import load_yaml
from wsol.errors import DataError, ParameterError
from wsol.files import read_json
from wsol.reports.cells import MEASURED, MISSING, ScaleView
from wsol.reports.text import stored

UNDEFINED = "undefined"
"""Of some seed the baseline has no image right, so its ratio does not exist."""
BY_DEFINITION = "by-definition"
"""R_0 = R_1 = 1, whatever the counts."""


@dataclass(frozen=True)
class Line:
    """One line of the figure."""

    label: str
    method: str
    attribution: str


@dataclass(frozen=True)
class RemovalSpec:
    """What params/papers/<paper>/remove_and_classify.yaml says; data sets are the paper's."""

    title: str
    source: str
    shares: tuple[float, ...]
    datasets: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class RemovalRow:
    """One line of the report.

    Counts and images are sums over the seeds; `value` is the mean of the seeds' ratios R_k, `std` their sample standard
    deviation.
    """

    dataset: str
    backbone: str
    method: str
    attribution: str
    k: float
    correct_top: int | None
    correct_random: int | None
    n_images: int | None
    value: float | None
    std: float | None
    n_seeds: int
    status: str


REMOVAL_FIELDS = tuple(field.name for field in fields(RemovalRow))

Lookup = Callable[[paths.Cell, str], Mapping[str, Any] | None]


def load_removal_spec(path: str | Path) -> RemovalSpec:
    """Raises ParameterError for an unknown key, and shares that do not ascend."""
    settings = load_yaml(Path(path), "removal")
    if settings["shares"] != sorted(settings["shares"]):
        raise ParameterError(f"{path}: shares {settings['shares']} do not ascend; sort them")
    return RemovalSpec(
        title=settings["title"],
        source=settings["source"],
        shares=tuple(settings["shares"]),
        datasets=tuple(settings["datasets"]),
        lines=tuple(Line(**line) for line in settings["lines"]),
    )


def required_cells(spec: RemovalSpec, view: ScaleView) -> list[tuple[paths.Cell, str]]:
    """Every (cell, attribution) that the report needs at this scale: a count file each.

    Raises ParameterError for a line of a method without a network, which classifies nothing.
    """
    for line in spec.lines:
        if line.method in view.backbone_free:
            raise ParameterError(
                f"remove_and_classify.yaml: {line.method} has no network to classify with; leave it out"
            )
    return [
        (cell, line.attribution)
        for dataset, backbone, line in _places(spec, view)
        if _exists(line, view)
        for cell in _cells(dataset, backbone, line, view)
    ]


def removal_rows(spec: RemovalSpec, view: ScaleView, lookup: Lookup) -> list[RemovalRow]:
    """All lines of the report; `lookup` gives the content of a count file, or None where there is none.

    A line that lacks any seed is missing. Raises DataError for a count file of other shares than the definition's.
    """
    rows: list[RemovalRow] = []
    for dataset, backbone, line in _places(spec, view):
        found = [lookup(cell, line.attribution) for cell in _cells(dataset, backbone, line, view)]
        documents = [document for document in found if document is not None]
        complete = _exists(line, view) and len(documents) == len(found)
        for document in documents:
            if tuple(document["shares"]) != spec.shares:
                raise DataError(
                    f"{dataset}/{backbone}/{line.method}: counted at shares {document['shares']}, the definition has "
                    f"{list(spec.shares)}; make the count files again"
                )
        for share in (0.0, *spec.shares, 1.0):
            place = (dataset, backbone, line.method, line.attribution, share)
            if complete:
                rows.append(_measured(place, documents))
            else:
                rows.append(RemovalRow(*place, None, None, None, None, None, 0, MISSING))
    return rows


def counts_lookup(results_root: str | Path = "results") -> Lookup:
    """Reads results/<scale>/removal/…; None where there is none. Raises DataError for other content."""

    def lookup(cell: paths.Cell, attribution: str) -> Mapping[str, Any] | None:
        path = Path(results_root) / Path(paths.removal_path(cell, attribution)).relative_to("results")
        if not path.is_file():
            return None
        content = read_json(path)
        if not isinstance(content, dict) or not {"shares", "correct_top", "correct_random"} <= set(content):
            raise DataError(f"{path}: not a count file of remove-and-classify; delete it and make it again")
        return content

    return lookup


def removal_csv(rows: Sequence[RemovalRow]) -> str:
    """The report's text; numbers to six decimals, empty where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(REMOVAL_FIELDS)
    for row in rows:
        writer.writerow([_field(name, getattr(row, name)) for name in REMOVAL_FIELDS])
    return text.getvalue()


def _places(spec: RemovalSpec, view: ScaleView) -> list[tuple[str, str, Line]]:
    """(measured data set, backbone, line), the paper's data sets without a stand-in left out."""
    measured = [view.stand_ins.get(dataset) for dataset in spec.datasets]
    return [(name, backbone, line) for name in measured if name for backbone in view.backbones for line in spec.lines]


def _exists(line: Line, view: ScaleView) -> bool:
    if line.method not in view.methods:
        return False
    return view.attributions is None or line.attribution in view.attributions.get(line.method, ())


def _cells(dataset: str, backbone: str, line: Line, view: ScaleView) -> list[paths.Cell]:
    return [paths.Cell(view.name, dataset, backbone, line.method, seed) for seed in view.seeds]


def _measured(place: tuple[str, str, str, str, float], documents: Sequence[Mapping[str, Any]]) -> RemovalRow:
    share = place[4]
    counts = [_counts(document, share) for document in documents]
    top, random = sum(a for a, _ in counts), sum(b for _, b in counts)
    images, seeds = sum(int(document["n_images"]) for document in documents), len(documents)
    if share in (0.0, 1.0):
        return RemovalRow(*place, top, random, images, 1.0, None, seeds, BY_DEFINITION)
    if not all(b for _, b in counts):
        return RemovalRow(*place, top, random, images, None, None, seeds, UNDEFINED)
    ratios = [a / b for a, b in counts]
    std = statistics.stdev(ratios) if seeds > 1 else None
    return RemovalRow(*place, top, random, images, math.fsum(ratios) / seeds, std, seeds, MEASURED)


def _counts(document: Mapping[str, Any], share: float) -> tuple[int, int]:
    """Images right with the top and with random pixels removed; the same images where nothing or everything is."""
    if share in (0.0, 1.0):
        right = int(document["correct_blank" if share else "correct_intact"])
        return right, right
    index = document["shares"].index(share)
    return int(document["correct_top"][index]), int(document["correct_random"][index])


def _field(name: str, value: Any) -> str:
    if name == "k":
        return f"{value:g}"
    return stored(value) if isinstance(value, float | None) else str(value)
