"""Table A of CALM (ICCV 2021, supplement): the ImageNet-1k classes below each superset node, counted and as printed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsol.data.annotation import Annotation, load_annotation
from wsol.data.taxonomy import Supersets, Taxonomy, partition
from wsol.data.wordnet import Nouns, as_nouns, build_taxonomy, load_wnids
from wsol.errors import DataError, ParameterError
from wsol.files import write_text

COLUMNS = ("wnid", "name", "num_classes", "published", "note")
PUBLISHED_COLUMNS = ["name", "wnid", "num_classes"]


@dataclass(frozen=True)
class PrintedRow:
    name: str
    wnid: str
    num_classes: int


@dataclass(frozen=True)
class Row:
    wnid: str
    name: str
    num_classes: int
    published: int
    note: str


@dataclass(frozen=True)
class TableA:
    mode: str
    rows: tuple[Row, ...]
    supersets: Supersets

    @property
    def differing(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.num_classes != row.published)


def load_published(path: str | os.PathLike[str]) -> list[PrintedRow]:
    """The printed rows in the printed order."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; it should hold the printed rows of Table A") from error
    reader = csv.DictReader(io.StringIO(text))
    if reader.fieldnames != PUBLISHED_COLUMNS:
        raise DataError(f"{path}: the columns are {reader.fieldnames}; they should be {', '.join(PUBLISHED_COLUMNS)}")
    try:
        return [PrintedRow(row["name"], row["wnid"], int(row["num_classes"])) for row in reader]
    except ValueError as error:
        raise DataError(f"{path}, line {reader.line_num}: num_classes must be a whole number ({error})") from error


def table_a(
    nouns: Nouns,
    wnids: Sequence[str],
    annotation: Annotation,
    printed: Sequence[PrintedRow],
    mode: str = "paper",
    readings: Mapping[str, str] | None = None,
) -> TableA:
    """Count the classes at or below each printed node.

    mode: `paper`, on the tree that the annotation describes; `wordnet`, over all descendants. readings: by wnid, how a
    printed row was read. The notes tell double rows, rows below other rows, and what a count that differs counts.
    """
    tree = build_taxonomy(nouns, wnids, "paper", annotation)
    taxonomy = tree if mode == "paper" else build_taxonomy(nouns, wnids, mode, annotation)
    positions: dict[str, list[int]] = {}
    for position, row in enumerate(printed, start=1):
        if row.wnid not in nouns:
            raise DataError(f"row {position} of Table A: {row.wnid} ({row.name}) is no noun of WordNet 3.0")
        positions.setdefault(row.wnid, []).append(position)
    rows = []
    for row in printed:
        count = len(taxonomy.leaves(row.wnid))
        notes = [(readings or {}).get(row.wnid, "")]
        if len(positions[row.wnid]) > 1:
            notes.append(f"printed {len(positions[row.wnid])} times, as rows {_listed(positions[row.wnid])}")
        above = taxonomy.ancestors(row.wnid) if row.wnid in taxonomy.parents else set()
        notes.extend(f"below {taxonomy.name(node)} {node}, which is printed too" for node in positions if node in above)
        if count != row.num_classes:
            notes.append(_explain(row, tree, annotation, mode))
        rows.append(Row(row.wnid, row.name.rstrip(","), count, row.num_classes, "; ".join(filter(None, notes))))
    return TableA(mode, tuple(rows), partition(taxonomy, annotation.nodes(mode), mode))


def _explain(row: PrintedRow, tree: Taxonomy, annotation: Annotation, mode: str) -> str:
    """What the printed count counts, as far as the annotation knows it."""
    for mark in annotation.marks:
        if mark.printed_as == row.wnid and len(tree.leaves(mark.wnid)) == row.num_classes:
            return f"{row.num_classes} is the count of {tree.name(mark.wnid)} {mark.wnid} in the paper's tree"
    if mode != "paper" and len(tree.leaves(row.wnid)) == row.num_classes:
        return f"{row.num_classes} in the paper's tree, where each node has one parent"
    return "unexplained"


def _listed(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def write_table_a(
    data_noun: str | os.PathLike[str] | Nouns | None,
    wnids_file: str | os.PathLike[str],
    annotation_yaml: str | os.PathLike[str],
    published_csv: str | os.PathLike[str],
    out_csv: str | os.PathLike[str],
    mode: str = "paper",
    *,
    spec_yaml: str | os.PathLike[str] | None = None,
    out_md: str | os.PathLike[str] | None = None,
) -> TableA:
    """Write the table as CSV, and as Markdown with the totals and the paper's claims if `out_md` is given.

    spec_yaml: params/papers/calm/table_a.yaml, for the readings and the claims.
    """
    spec = _load_spec(spec_yaml) if spec_yaml is not None else {}
    table = table_a(
        as_nouns(data_noun),
        load_wnids(wnids_file),
        load_annotation(annotation_yaml),
        load_published(published_csv),
        mode,
        {reading["wnid"]: reading["why"] for reading in spec.get("readings", [])},
    )
    write_text(out_csv, as_csv(table))
    if out_md is not None:
        write_text(out_md, as_markdown(table, spec.get("claims", {})))
    return table


def as_csv(table: TableA) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(row, column) for column in COLUMNS] for row in table.rows)
    return stream.getvalue()


def as_markdown(table: TableA, claims: Mapping[str, int] | None = None) -> str:
    """The rows, then the totals beside what the paper says of the whole list."""
    lines = [
        "# Table A: supersets of the ImageNet-1k classes",
        "",
        f"Counted in WordNet 3.0, mode `{table.mode}`; {len(table.rows) - len(table.differing)} of {len(table.rows)}"
        " counts equal the printed ones.",
        "",
        "| wnid | name | classes | published | note |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    lines += [f"| {row.wnid} | {row.name} | {row.num_classes} | {row.published} | {row.note} |" for row in table.rows]
    lines += ["", "| total | counted | claimed |", "| --- | ---: | ---: |"]
    claims = claims or {}
    lines += [f"| {label} | {value} | {claims.get(key, '')} |" for label, key, value in _totals(table)]
    return "\n".join(lines) + "\n"


def _totals(table: TableA) -> list[tuple[str, str, int]]:
    found = table.supersets
    distinct = len({row.wnid for row in table.rows})
    return [
        ("rows", "non_singleton", len(table.rows)),
        ("distinct nodes among the rows", "", distinct),
        ("classes in a non-singleton superset", "", found.num_covered),
        ("singleton supersets", "singletons", found.num_singletons),
        ("rows and singletons", "supersets", len(table.rows) + found.num_singletons),
        ("distinct supersets", "", found.num_distinct),
        ("parts of the partition", "", found.num_supersets),
    ]


def _load_spec(path: str | os.PathLike[str]) -> dict[str, Any]:
    import yaml

    try:
        spec = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParameterError(f"{path}: no such file; it should be the spec of Table A") from error
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: not valid YAML: {error}") from error
    known = {"id", "paper", "title", "source", "published", "order", "claims", "readings"}
    unknown = set(spec) - known if isinstance(spec, dict) else {"no mapping at the top level"}
    if unknown:
        raise ParameterError(f"{path}: unknown key {', '.join(sorted(unknown))} (known: {', '.join(sorted(known))})")
    return spec
