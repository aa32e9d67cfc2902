"""A table's files: as printed (CSV, Markdown, LaTeX) and tidy, one line a cell; and the text for a terminal."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

from wsol.errors import DataError
from wsol.files import write_text
from wsol.reports.cells import CELL_FIELDS, NOT_IN_SCALE, PUBLISHED_ONLY, Cell, ScaleView, column_header
from wsol.reports.latex import latex
from wsol.reports.markdown import markdown
from wsol.reports.spec import TableSpec
from wsol.reports.text import by_row, cell_text, stored

SCALE = "scale"
ROW = "row"


def write_table(spec: TableSpec, cells: Sequence[Cell], view: ScaleView, out_csv: str | Path) -> list[Path]:
    """Write <table>.csv and, beside it, <table>.cells.csv, <table>.md and <table>.tex, each whole or not at all."""
    texts = {
        ".csv": table_csv(spec, cells, view),
        ".cells.csv": cells_csv(cells),
        ".md": markdown(spec, cells, view),
        ".tex": latex(spec, cells, view),
    }
    written = [table_file(out_csv, suffix) for suffix in texts]
    for path, text in zip(written, texts.values(), strict=True):
        write_text(path, text)
    return written


def table_file(out_csv: str | Path, suffix: str) -> Path:
    """The sibling of <table>.csv with another suffix: .cells.csv, .md or .tex."""
    path = Path(out_csv)
    if path.suffix != ".csv":
        raise DataError(f"{path}: a table's main file must end in .csv")
    return path.with_name(path.name.removesuffix(".csv") + suffix)


def table_csv(spec: TableSpec, cells: Sequence[Cell], view: ScaleView) -> str:
    """Laid out as the paper prints it: a line a row, and the data set that was measured in every header."""
    lines = [[SCALE, ROW, *(column_header(column, view) for column in spec.columns)]]
    for row, line in zip(spec.rows, by_row(spec, cells), strict=True):
        lines.append([view.name, row.label, *(cell_text(cell, spec.decimals) for cell in line)])
    return _csv(lines)


def cells_csv(cells: Sequence[Cell]) -> str:
    """Tidy: a line a cell, numbers to six decimals; empty value, std or delta where there is none."""
    lines = [list(CELL_FIELDS)]
    for cell in cells:
        values = (getattr(cell, name) for name in CELL_FIELDS)
        lines.append([stored(value) if isinstance(value, float | None) else str(value) for value in values])
    return _csv(lines)


def terminal_table(csv_path: str | Path) -> str:
    """Aligned text of a <table>.csv. Columns that the scale lacks altogether are named below, not shown.

    Rows quoted from other papers have no number of ours in any column, so they keep none.
    """
    with open(csv_path, encoding="utf-8", newline="") as stream:
        header, *lines = list(csv.reader(stream))
    if header[:2] != [SCALE, ROW] or not lines:
        raise DataError(f"{csv_path}: not a table of this project; delete it and make it again")
    shown = [1] + [
        index
        for index in range(2, len(header))
        if any(line[index] not in (NOT_IN_SCALE, PUBLISHED_ONLY, "") for line in lines)
    ]
    titles = ["", *(header[index] for index in shown[1:])]
    groups, labels = zip(*(_split_title(title) for title in titles), strict=True)
    body = [[line[index] for index in shown] for line in lines]
    widths = [max(len(text) for text in column) for column in zip(labels, *body, strict=True)]
    _widen(widths, groups)
    text = [f"{Path(csv_path).name.removesuffix('.csv')} at scale {lines[0][0]}", "", _group_line(groups, widths)]
    text += [_line(labels, widths), "  ".join("-" * width for width in widths)]
    text += [_line(line, widths) for line in body]
    hidden = [header[index] for index in range(2, len(header)) if index not in shown]
    if hidden:
        text += ["", *_wrapped(f"{NOT_IN_SCALE}: ", hidden)]
    return "\n".join(line.rstrip() for line in text) + "\n"


def _csv(lines: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue()


def _split_title(title: str) -> tuple[str, str]:
    group, _, label = title.rpartition(" ")
    return group, label


def _spans(groups: Sequence[str]) -> list[tuple[str, list[int]]]:
    runs = itertools.groupby(range(len(groups)), key=lambda index: groups[index])
    return [(group, list(indices)) for group, indices in runs]


def _widen(widths: list[int], groups: Sequence[str]) -> None:
    """Make room in a group's last column where its heading is wider than its columns."""
    for group, indices in _spans(groups):
        room = sum(widths[index] for index in indices) + 2 * (len(indices) - 1)
        widths[indices[-1]] += max(0, len(group) - room)


def _group_line(groups: Sequence[str], widths: Sequence[int]) -> str:
    parts = []
    for group, indices in _spans(groups):
        room = sum(widths[index] for index in indices) + 2 * (len(indices) - 1)
        parts.append(f" {group} ".center(room, "-") if group and room >= len(group) + 4 else group.center(room))
    return "  ".join(parts)


def _line(values: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        value.ljust(width) if index == 0 else value.rjust(width)
        for index, (value, width) in enumerate(zip(values, widths, strict=True))
    )
    return "  ".join([first, *others])


def _wrapped(lead: str, names: Sequence[str], width: int = 120) -> list[str]:
    lines = [lead]
    for index, name in enumerate(names):
        piece = name + ("," if index < len(names) - 1 else "")
        if len(lines[-1]) + len(piece) > width:
            lines.append(" " * len(lead))
        lines[-1] += piece + " "
    return lines
