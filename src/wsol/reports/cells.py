"""From a table's definition and a scale to its cells: which scores it needs, their values, means and status."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from wsol.config import paths
from wsol.errors import DataError, ParameterError
from wsol.files import read_json
from wsol.reports.spec import Column, Row, TableSpec

MEASURED = "measured"
MISSING = "missing"
NOT_IN_SCALE = "not-in-scale"
PUBLISHED_ONLY = "published-only"
STATUSES = (MEASURED, MISSING, NOT_IN_SCALE, PUBLISHED_ONLY)
"""From best to worst; a mean has the worst status of its parts."""

TRAINING_FREE_SEED = 0
MEAN = "mean"


@dataclass(frozen=True)
class ScaleView:
    """What a table needs to know of a scale.

    stand_ins: the paper's data set → the data set that is measured in its place, or None; `backbone_free`: methods
    without a network, measured once a data set; `attributions`: method → attributions that it has (all, if not given);
    `elsewhere`: a method that is none of the scale → the method that is meant here.
    """

    name: str
    stand_ins: Mapping[str, str | None]
    backbones: Sequence[str]
    methods: AbstractSet[str]
    seeds: Sequence[int]
    is_paper: bool = False
    backbone_free: AbstractSet[str] = frozenset()
    attributions: Mapping[str, AbstractSet[str]] | None = None
    purpose: str = ""
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> ScaleView:
        """From what `wsol.config.scale.Scale.as_view_settings` returns, or the file that holds it."""
        methods = settings["methods"]
        attributions = settings.get("attributions")
        return cls(
            name=settings["name"],
            stand_ins=dict(settings["stand_ins"]),
            backbones=tuple(settings["backbones"]),
            methods=frozenset(methods),
            seeds=tuple(settings["seeds"]),
            is_paper=bool(settings["is_paper"]),
            backbone_free=frozenset(name for name, trained in methods.items() if not trained),
            attributions=None if attributions is None else {name: frozenset(has) for name, has in attributions.items()},
            purpose=settings.get("purpose", ""),
            elsewhere=dict(settings.get("elsewhere", {})),
        )


@dataclass(frozen=True, order=True)
class CellKey:
    """One score of one scale; with the scale's name, the whole address of a number."""

    dataset: str
    backbone: str
    method: str
    attribution: str
    split: str
    seed: int
    metric: str


@dataclass(frozen=True)
class Cell:
    """One line of <table>.cells.csv. Values are percentages; `std` is the sample standard deviation over seeds.

    `column` is the header that the table prints; dataset, backbone and metric say `mean` where the cell averages
    over them, and dataset is empty where the scale measures none in the paper's place.
    """

    row: str
    column: str
    dataset: str
    backbone: str
    method: str
    attribution: str
    metric: str
    split: str
    value: float | None
    std: float | None
    n_seeds: int
    published: float | None
    delta: float | None
    status: str
    erratum: str


CELL_FIELDS = tuple(each.name for each in fields(Cell))

Lookup = Callable[[CellKey], float | None]


@dataclass(frozen=True)
class _Scores:
    """Status of one place of the table and, if measured, its value for each seed."""

    status: str
    by_seed: Mapping[int, float]


def required_cells(spec: TableSpec, view: ScaleView) -> list[CellKey]:
    """Every score that the table needs at this scale, each once, in the order of the table."""
    keys: dict[CellKey, None] = {}
    for row in _rows_here(spec, view):
        for column in spec.columns:
            if _measures(row, column, view):
                keys.update(dict.fromkeys(_keys(row, column, view)))
    return list(keys)


def rows_of_method(spec: TableSpec, view: ScaleView, method: str) -> TableSpec:
    """The table with the rows of one method alone, and those worked out from them alone.

    Raises ParameterError where the table has none that this scale measures, with the methods of which it has some.
    """
    here = _rows_here(spec, view)
    measured = {row.method for row in here for column in spec.columns if _measures(row, column, view)}
    if method not in measured:
        known = ", ".join(sorted(measured)) or "none"
        raise ParameterError(f"table {spec.id} has no row of method {method!r} at scale {view.name} (it has: {known})")
    kept: list[str] = []
    for row in here:
        if row.method == method or (row.derived_from and set(row.derived_from) <= set(kept)):
            kept.append(row.label)
    return replace(spec, rows=tuple(row for row in spec.rows if row.label in kept))


def evaluate(spec: TableSpec, view: ScaleView, lookup: Lookup) -> list[Cell]:
    """All cells of the table, row by row; `lookup` gives a score in percent, or None where there is none.

    A value is the mean over the scale's seeds. A mean column averages its parts seed by seed at full precision, so
    that its spread over seeds is that of the mean. A cell lacking the score of any seed is missing. A derived row is
    worked out column by column, means included: the mean of a best-of row is the largest mean, as papers print it.
    """
    lookup = functools.cache(lookup)
    cells: list[Cell] = []
    done: dict[str, dict[str, _Scores]] = {}
    for row in _rows_here(spec, view):
        scores = done.setdefault(row.label, {})
        for column in spec.columns:
            if row.derived_from:
                scores[column.name] = _derive(row, [done[name][column.name] for name in row.derived_from])
            elif column.parts:
                scores[column.name] = _average([scores[part] for part in column.parts])
            else:
                scores[column.name] = _measure(row, column, view, lookup)
            cells.append(_cell(spec, view, row, column, scores[column.name]))
    return cells


def column_header(column: Column, view: ScaleView) -> str:
    """The column's name in the printed table: with the data set that is measured, not the one it stands for."""
    return f"{group_header(column, view)} {column.label}"


def group_header(column: Column, view: ScaleView) -> str:
    if column.dataset is None:
        return column.group
    return f"{view.stand_ins.get(column.dataset) or column.dataset} {column.metric}"


def score_path(scale: str, key: CellKey) -> str:
    """The file that holds the score, relative to the repository root."""
    cell = paths.Cell(scale, key.dataset, key.backbone, key.method, key.seed)
    return paths.score_path(cell, key.attribution, key.split)


def scores_lookup(results_root: str | Path, scale: str, threshold: str = "oracle") -> Lookup:
    """Reads scores from `<results_root>/<scale>/scores/…`; None where the file or the metric in it does not exist.

    threshold: `oracle` takes each value at the threshold that is best on its own split, `frozen` at the one that was
    best on train-fullsup.

    Raises DataError for a file without `values`, or a value that is not a percentage.
    """

    @functools.cache
    def values(path: Path) -> Mapping[str, Any]:
        if not path.is_file():
            return {}
        content = read_json(path)
        part = content.get("frozen") if threshold == "frozen" and isinstance(content, dict) else content
        if not isinstance(part, dict) or not isinstance(part.get("values"), dict):
            raise DataError(f"{path}: not a score file (no `values`); delete it and make it again")
        return part["values"]

    def lookup(key: CellKey) -> float | None:
        path = Path(results_root) / Path(score_path(scale, key)).relative_to("results")
        value = values(path).get(key.metric)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            raise DataError(f"{path}: {key.metric} is {value!r}, not a percentage; delete the file and make it again")
        return float(value)

    return lookup


def _rows_here(spec: TableSpec, view: ScaleView) -> list[Row]:
    return [replace(row, method=view.elsewhere.get(row.method, row.method)) for row in spec.rows]


def _measures(row: Row, column: Column, view: ScaleView) -> bool:
    """The cell is a score, not worked out from others, and the scale has it."""
    return not column.parts and not row.derived_from and _status(row, column, view) == MEASURED


def _status(row: Row, column: Column, view: ScaleView) -> str:
    """What a measuring column's cell can be at this scale, before any score is looked up.

    Being in the scale is a property of the column and so comes before the method: a column is all or not at all.
    """
    if row.published_only:
        return PUBLISHED_ONLY
    if column.dataset is None or not view.stand_ins.get(column.dataset) or column.backbone not in view.backbones:
        return NOT_IN_SCALE
    if row.method not in view.methods:
        return MISSING
    if view.attributions is not None and row.attribution not in view.attributions.get(row.method, ()):
        return MISSING
    return MEASURED


def _keys(row: Row, column: Column, view: ScaleView) -> list[CellKey]:
    dataset = view.stand_ins[column.dataset or ""]
    assert dataset is not None and column.metric is not None
    seeds = [TRAINING_FREE_SEED] if row.method in view.backbone_free else view.seeds
    backbone = _backbone(row, column, view)
    return [
        CellKey(dataset, backbone, row.method, row.attribution, column.split, seed, column.metric) for seed in seeds
    ]


def _backbone(row: Row, column: Column, view: ScaleView) -> str:
    if column.parts:
        return MEAN
    return paths.NO_BACKBONE if row.method in view.backbone_free else column.backbone or ""


def _measure(row: Row, column: Column, view: ScaleView, lookup: Lookup) -> _Scores:
    status = _status(row, column, view)
    if status != MEASURED:
        return _Scores(status, {})
    by_seed: dict[int, float] = {}
    for key in _keys(row, column, view):
        value = lookup(key)
        if value is None:
            return _Scores(MISSING, {})
        by_seed[key.seed] = value
    return _Scores(MEASURED, by_seed)


def _average(parts: Sequence[_Scores]) -> _Scores:
    worst = max((part.status for part in parts), key=STATUSES.index)
    if worst != MEASURED:
        return _Scores(worst, {})
    # All parts belong to one row, hence to one method and one list of seeds.
    return _Scores(MEASURED, {seed: _mean([part.by_seed[seed] for part in parts]) for seed in parts[0].by_seed})


def _derive(row: Row, scores: Sequence[_Scores]) -> _Scores:
    worst = max((each.status for each in scores), key=STATUSES.index)
    if worst != MEASURED:
        return _Scores(worst, {})
    if row.best_of:
        return max(scores, key=lambda each: _mean(list(each.by_seed.values())))
    first, second = (each.by_seed for each in scores)
    if first.keys() == second.keys():
        return _Scores(MEASURED, {seed: first[seed] - second[seed] for seed in first})
    # A method without a network has one seed, another as many as the scale: no pairs to subtract.
    return _Scores(MEASURED, {TRAINING_FREE_SEED: _mean(list(first.values())) - _mean(list(second.values()))})


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _cell(spec: TableSpec, view: ScaleView, row: Row, column: Column, scores: _Scores) -> Cell:
    values = list(scores.by_seed.values())
    value = _mean(values) if values else None
    published = spec.published.get((row.label, column.name))
    erratum = spec.errata.get((row.label, column.name))
    delta = value - published if view.is_paper and value is not None and published is not None else None
    return Cell(
        row=row.label,
        column=column_header(column, view),
        dataset=MEAN if column.dataset is None else view.stand_ins.get(column.dataset) or "",
        backbone=_backbone(row, column, view),
        method=row.method,
        attribution=row.attribution,
        metric=column.metric or MEAN,
        split=column.split,
        value=value,
        std=statistics.stdev(values) if len(values) > 1 else None,
        n_seeds=len(values),
        published=published,
        delta=delta,
        status=scores.status,
        erratum=erratum.text if erratum else "",
    )
