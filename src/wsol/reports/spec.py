"""A table as data: its rows, columns, printed values and errata, loaded from params/papers/<paper>/ and checked."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsol.config.yamlfile import load_yaml
from wsol.errors import ParameterError

Place = tuple[str, str]
"""Row label and column name: what the printed values and the errata are keyed by, at every scale."""


@dataclass(frozen=True)
class Column:
    """One column as the paper names it. A column with `parts` is the mean of those columns and measures nothing."""

    group: str
    label: str
    dataset: str | None = None
    backbone: str | None = None
    metric: str | None = None
    split: str = "test"
    parts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.group} {self.label}"


@dataclass(frozen=True)
class Row:
    """One row. With `best_of` or `difference`, the labels of rows above it, it is worked out and measures nothing."""

    label: str
    method: str = ""
    attribution: str = ""
    latex: str | None = None
    extra: bool = False
    published_only: bool = False
    source: str | None = None
    best_of: tuple[str, ...] = ()
    difference: tuple[str, ...] = ()

    @property
    def derived_from(self) -> tuple[str, ...]:
        return self.best_of or self.difference


@dataclass(frozen=True)
class Erratum:
    """A printed value that is wrong: by the paper's own numbers (`arithmetic`) or by its own metric (`definition`)."""

    printed: float
    correct: float
    kind: str
    why: str

    @property
    def text(self) -> str:
        return f"printed {self.printed}, correct {self.correct}: {self.why}"


@dataclass(frozen=True)
class TableSpec:
    id: str
    paper: str
    title: str
    source: str
    split: str
    threshold: str
    decimals: int
    pictures: bool
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    published: Mapping[Place, float]
    errata: Mapping[Place, Erratum]


def load_spec(path: str | Path) -> TableSpec:
    """The table in `path`, with the published values and errata that lie beside it.

    Raises ParameterError, naming file and key, for a key, row or column that does not exist, a name given twice,
    a published value that is no number, and an erratum whose printed value is not the published one.
    """
    path = Path(path)
    settings = load_yaml(path, "table")
    columns = _columns(settings, path)
    rows = _rows(settings, path)
    _refuse_duplicates((column.name for column in columns), "column", path)
    row_names, column_names = [row.label for row in rows], [column.name for column in columns]
    published = _load_published(path.parent / settings["published"], row_names, column_names)
    errata: dict[Place, Erratum] = {}
    if "errata" in settings:
        errata = _load_errata(path.parent / settings["errata"], settings["id"], row_names, column_names)
        _check_errata(errata, published, path.parent / settings["errata"])
    return TableSpec(
        id=settings["id"],
        paper=settings["paper"],
        title=settings["title"],
        source=settings["source"],
        split=settings["split"],
        threshold=settings["threshold"],
        decimals=settings["decimals"],
        pictures=settings["pictures"],
        columns=columns,
        rows=rows,
        published=published,
        errata=errata,
    )


def input_files(path: str | Path) -> list[str]:
    """The files that a table's definition is read from: the YAML file itself, published values and errata."""
    path = Path(path)
    settings = load_yaml(path, "table")
    beside = [settings[key] for key in ("published", "errata") if key in settings]
    return [str(path), *(str(path.parent / name) for name in beside)]


def _rows(settings: Mapping[str, Any], path: Path) -> tuple[Row, ...]:
    rows = tuple(
        Row(**row | {name: tuple(row.get(name, ())) for name in ("best_of", "difference")}) for row in settings["rows"]
    )
    _refuse_duplicates((row.label for row in rows), "row", path)
    for index, row in enumerate(rows):
        others = [name for name in ("best_of", "difference", "published_only", "method") if getattr(row, name)]
        if row.derived_from and len(others) > 1:
            raise ParameterError(f"{path}: row {row.label!r} has {' and '.join(others)}; keep one of them")
        for name in row.derived_from:
            _must_be_known(name, [above.label for above in rows[:index]], "row above", path)
    return rows


def _columns(settings: Mapping[str, Any], path: Path) -> tuple[Column, ...]:
    columns: list[Column] = []
    means: list[str] = []
    for group in settings["columns"]["groups"]:
        name = group.get("name", group["dataset"])
        split = group.get("split", settings["split"])
        members = [
            Column(
                group=name,
                label=member["label"],
                dataset=group["dataset"],
                backbone=member["backbone"],
                metric=member.get("metric", group["metric"]),
                split=member.get("split", split),
            )
            for member in group["members"]
        ]
        columns += members
        if "mean" in group:
            parts = tuple(member.name for member in members)
            mean = Column(name, group["mean"], group["dataset"], None, group["metric"], split, parts)
            columns.append(mean)
            means.append(mean.name)
    total = settings["columns"].get("total")
    if total is not None:
        if len(means) < len(settings["columns"]["groups"]):
            raise ParameterError(f"{path}: columns.total is the mean of the groups' means; give every group a `mean`")
        columns.append(Column(total["group"], total["label"], split=settings["split"], parts=tuple(means)))
    return tuple(columns)


def _load_published(path: Path, rows: list[str], columns: list[str]) -> dict[Place, float]:
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            lines = list(csv.reader(stream))
    except FileNotFoundError as error:
        raise ParameterError(f"{path}: no such file; it holds the values that the paper prints") from error
    if not lines or lines[0][:1] != ["row"]:
        raise ParameterError(f"{path}: the first line must be `row` and the column names")
    header = lines[0][1:]
    _refuse_duplicates(header, "column", path)
    _refuse_duplicates((line[0] for line in lines[1:] if line), "row", path)
    for column in header:
        _must_be_known(column, columns, "column", path)
    published: dict[Place, float] = {}
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(header) + 1:
            raise ParameterError(f"{path}: line {number} has {len(line)} fields, the header {len(header) + 1}")
        _must_be_known(line[0], rows, "row", path)
        for column, text in zip(header, line[1:], strict=True):
            if text.strip():
                published[line[0], column] = _number(text, f"{path}: line {number}, column {column!r}")
    return published


def _load_errata(path: Path, table: str, rows: list[str], columns: list[str]) -> dict[Place, Erratum]:
    errata: dict[Place, Erratum] = {}
    for entry in load_yaml(path, "errata")["errata"]:
        if entry.get("table") != table:
            continue
        _must_be_known(entry["row"], rows, "row", path)
        names = entry["column"] if isinstance(entry["column"], list) else [entry["column"]]
        for name in names:
            _must_be_known(name, columns, "column", path)
            if (entry["row"], name) in errata:
                raise ParameterError(f"{path}: two errata for row {entry['row']!r}, column {name!r}")
            errata[entry["row"], name] = Erratum(entry["printed"], entry["correct"], entry["kind"], entry["why"])
    return errata


def _check_errata(errata: Mapping[Place, Erratum], published: Mapping[Place, float], path: Path) -> None:
    for (row, column), erratum in errata.items():
        if published.get((row, column)) != erratum.printed:
            raise ParameterError(
                f"{path}: row {row!r}, column {column!r}: the erratum says {erratum.printed} is printed, "
                f"the published values say {published.get((row, column))}"
            )


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ParameterError(f"{where}: {text!r} is not a number; leave it empty where the paper prints none")
    return value


def _refuse_duplicates(names: Iterable[str], what: str, path: Path) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ParameterError(f"{path}: {what} {name!r} is given twice")
        seen.add(name)


def _must_be_known(name: str, known: list[str], what: str, path: Path) -> None:
    if name not in known:
        by_lower = {other.lower(): other for other in known}
        near = difflib.get_close_matches(name.lower(), by_lower, n=1)
        hint = f"; did you mean {by_lower[near[0]]!r}?" if near else ""
        raise ParameterError(f"{path}: {what} {name!r} is not in the table{hint} (there is {', '.join(known)})")
