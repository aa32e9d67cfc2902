"""From a number in a table back to the data, code, parameters and environment that made it."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wsol.errors import DataError, ParameterError
from wsol.files import read_json
from wsol.provenance.paths import hash_path, is_external, logical_path, physical_path, repo_root
from wsol.provenance.sidecar import Record, Sidecars

_SCORES = re.compile(
    r"results/(?P<scale>[^/]+)/scores/(?P<dataset>[^/]+)/(?P<backbone>[^/]+)/(?P<method>[^/]+)/s(?P<seed>\d+)"
    r"/(?P<attribution>.+)\.(?P<split>[^./]+)\.json"
)
_RESOLVED = re.compile(r"results/[^/]+/params/.+\.json")
_IDENTITY = ("dataset", "backbone", "metric", "split")
_MEAN = {"", "mean", "all", "total"}
_NO_BACKBONE = "none"


@dataclass
class Step:
    """One file of the chain. `state` is "ok", "changed" or "missing": its bytes now against those that were used."""

    path: str
    sha256: str
    layer: str
    state: str
    cell: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    git: dict[str, Any] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    code: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    inputs: list[Step] = field(default_factory=list)

    def walk(self) -> Iterator[Step]:
        """This step and all below it, each path once."""
        seen: set[str] = set()
        pending = [self]
        while pending:
            step = pending.pop()
            if step.path not in seen:
                seen.add(step.path)
                yield step
                pending.extend(reversed(step.inputs))


@dataclass
class Trace:
    """A cell of a table (`cell` is its line of the cells file), the measured cells it is made of, and its chain."""

    cell: dict[str, str]
    parts: list[dict[str, str]]
    chain: Step

    @property
    def data(self) -> dict[str, str]:
        """SHA-256 of every data file that the cell rests on."""
        found = {step.path: step.sha256 for step in self.chain.walk() if _is_data(step.path)}
        return dict(sorted(found.items()))

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "data": self.data}


def trace(table: Path, row: str, column: str, root: Path | None = None) -> Trace:
    """The chain behind one cell of `table` (a CSV with `<table>.cells.csv` and a sidecar).

    `row` and `column` are the paper's labels; a row may be named by its method or attribution too, and a column by
    words that fit its data set, metric, backbone and split, such as "synthnet MaxBoxAccV2 ResNet".

    Raises ParameterError, which lists what there is, if no cell or more than one fits; DataError if the cell was not
    measured or a sidecar is missing.
    """
    base = root or repo_root()
    stem = table.name.removesuffix(".csv").removesuffix(".cells")
    artefact, cells_file = table.with_name(f"{stem}.csv"), table.with_name(f"{stem}.cells.csv")
    lines = _read_cells(cells_file)
    cell = _find_cell(lines, row, column)
    if not cell.get("value"):
        raise DataError(
            f"{table}: the cell {cell['row']} / {cell['column']} holds no measured value "
            f"(status: {cell.get('status') or 'unknown'}), so there is nothing to trace"
        )
    parts = _parts(lines, cell)
    sidecars = Sidecars(base)
    name = logical_path(artefact if artefact.is_file() else cells_file, base)
    producer = sidecars.producer(name)
    if producer is None:
        raise DataError(f"{name}: no sidecar says how it was made; make it again: snakemake --cores all {name} --force")
    chain = _Walker(sidecars, base, parts).step(name, sidecars.records[producer].outputs[name])
    scores = [step for step in chain.walk() if _SCORES.fullmatch(step.path)]
    if not scores:
        raise DataError(f"{name}: its sidecar {producer} names no score file of {_describe(parts[0])}; make it again")
    return Trace(cell, parts, chain)


def _read_cells(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            lines = list(csv.DictReader(stream))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; a table that can be traced has one beside it") from error
    missing = {"row", "column", "value", "method", *_IDENTITY} - set(lines[0] if lines else ())
    if missing:
        raise DataError(f"{path}: not a cells file; it lacks {', '.join(sorted(missing))}")
    return lines


def _find_cell(lines: Sequence[dict[str, str]], row: str, column: str) -> dict[str, str]:
    rows = [line for line in lines if _same(line["row"], row)]
    rows = rows or [line for line in lines if _same(line["method"], row) or _same(line.get("attribution", ""), row)]
    if not rows:
        raise ParameterError(f"no row {row!r}; there is {_listing(row, (line['row'] for line in lines))}")
    found = [line for line in rows if _same(line["column"], column)]
    found = found or [line for line in rows if _fits(line, column)]
    labels = list(dict.fromkeys((line["row"], line["column"]) for line in found))
    if not found:
        raise ParameterError(
            f"no column {column!r} in row {rows[0]['row']!r}; there is "
            f"{_listing(column, (line['column'] for line in rows))}"
        )
    if len(labels) > 1:
        choices = "; ".join(f"--row {name!r} --column {label!r}" for name, label in labels)
        raise ParameterError(f"row {row!r} and column {column!r} fit {len(labels)} cells; choose one of {choices}")
    return found[0]


def _same(left: str, right: str) -> bool:
    return " ".join(left.split()).casefold() == " ".join(right.split()).casefold()


def _fits(line: Mapping[str, str], query: str) -> bool:
    """Whether each word of the query begins a word of the line's label, data set, backbone, metric or split."""
    words = " ".join(line[key] for key in ("column", *_IDENTITY)).casefold().split()
    asked = query.casefold().split()
    return bool(asked) and all(any(word.startswith(part) for word in words) for part in asked)


def _listing(asked: str, labels: Iterable[str]) -> str:
    """All labels, those nearest to what was asked for first."""
    known = list(dict.fromkeys(labels))
    near = difflib.get_close_matches(asked, known, n=3, cutoff=0.4)
    return ", ".join(repr(label) for label in [*near, *(label for label in known if label not in near)])


def _parts(lines: Sequence[dict[str, str]], cell: dict[str, str]) -> list[dict[str, str]]:
    """The measured cells that a mean is taken over; the cell itself if it is none."""
    if not _is_mean(cell):
        return [cell]
    parts = [
        line
        for line in lines
        if line["row"] == cell["row"]
        and line["value"]
        and not _is_mean(line)
        and all(cell[key].casefold() in _MEAN or line[key] == cell[key] for key in _IDENTITY)
    ]
    if not parts:
        raise DataError(f"{cell['row']} / {cell['column']}: a mean, but no measured cell of its row belongs to it")
    return parts


def _is_mean(line: Mapping[str, str]) -> bool:
    return any(line[key].casefold() in _MEAN for key in ("dataset", "backbone"))


def _describe(part: Mapping[str, str]) -> str:
    return "/".join(part.get(key, "") for key in ("dataset", "backbone", "method", "attribution", "split"))


class _Walker:
    """Follows sidecars upstream, leaving out score files of other cells; every file is visited and hashed once."""

    def __init__(self, sidecars: Sidecars, root: Path, parts: Sequence[Mapping[str, str]]) -> None:
        self._sidecars = sidecars
        self._root = root
        self._parts = parts
        self._steps: dict[tuple[str, str], Step] = {}

    def step(self, path: str, digest: str) -> Step:
        if (path, digest) in self._steps:
            return self._steps[path, digest]
        file = physical_path(path, self._root)
        now = hash_path(file) if file.exists() else None
        state = "missing" if now is None else "ok" if now == digest else "changed"
        producer = self._sidecars.producer(path)
        record = self._sidecars.records[producer] if producer else None
        layer = record.layer if record else _leaf_layer(path)
        step = self._steps[path, digest] = Step(path, digest, layer, state)
        if layer == "parameters" and state != "missing":
            step.parameters = _flatten(read_json(file))
        if record:
            self._fill(step, record)
        return step

    def _fill(self, step: Step, record: Record) -> None:
        step.cell, step.git, step.command = record.cell, record.git, record.command
        step.code, step.environment = record.code, record.environment
        wanted = [(path, digest) for path, digest in record.inputs.items() if self._is_wanted(path)]
        step.inputs = [self.step(path, digest) for path, digest in sorted(wanted, key=_reading_order)]

    def _is_wanted(self, path: str) -> bool:
        found = _SCORES.fullmatch(path)
        return found is None or any(_is_score_of(found.groupdict(), part) for part in self._parts)


def _is_score_of(score: Mapping[str, str], part: Mapping[str, str]) -> bool:
    for key in ("dataset", "method", "attribution", "split", "backbone"):
        wanted = part.get(key, "")
        if wanted and score[key] != wanted and not (key == "backbone" and score[key] == _NO_BACKBONE):
            return False
    return True


def _reading_order(item: tuple[str, str]) -> tuple[bool, str]:
    return _RESOLVED.fullmatch(item[0]) is None, item[0]


def _leaf_layer(path: str) -> str:
    if _RESOLVED.fullmatch(path):
        return "parameters"
    return "data" if _is_data(path) else "file"


def _is_data(path: str) -> bool:
    return is_external(path) or path.startswith("data/")


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings as one mapping with dotted names."""
    if not isinstance(value, dict) or not value:
        return {prefix or "value": value}
    flat: dict[str, Any] = {}
    for key, member in value.items():
        flat.update(_flatten(member, f"{prefix}.{key}" if prefix else str(key)))
    return flat
