"""A table as a Markdown page: what was measured, then what the paper prints, with its errata as footnotes."""

from __future__ import annotations

from collections.abc import Sequence

from wsol.reports.cells import Cell, ScaleView, column_header
from wsol.reports.spec import TableSpec
from wsol.reports.text import by_row, cell_text, rounded, scale_sentences, status_sentence


def markdown(spec: TableSpec, cells: Sequence[Cell], view: ScaleView) -> str:
    """The page as text. Differences to the printed values appear at the paper's own scale alone."""
    lines = by_row(spec, cells)
    labels = [row.label for row in spec.rows]
    headers = [column_header(column, view) for column in spec.columns]
    names = [column.name for column in spec.columns]
    measured = [[cell_text(cell, spec.decimals, " ± ") for cell in line] for line in lines]
    parts = [
        f"# {escape(spec.title)}",
        escape(" ".join(scale_sentences(spec, view))),
        _table(headers, labels, measured),
    ]
    statuses = status_sentence(cells)
    if statuses:
        parts.append(escape(statuses) + ".")
    if view.is_paper:
        differences = [
            ["" if cell.delta is None else rounded(cell.delta, spec.decimals, signed=True) for cell in line]
            for line in lines
        ]
        parts += ["## Measured minus published", _table(headers, labels, differences)]
    parts.append("## Published (paper)")
    parts.append(escape(f"{spec.source}: the printed values, on the paper's own data.") + _not_comparable(view))
    parts += _published(spec, lines, names)
    return "\n\n".join(parts) + "\n"


def _not_comparable(view: ScaleView) -> str:
    return "" if view.is_paper else " The data above are others, so the two tables are not to be subtracted."


def _published(spec: TableSpec, lines: Sequence[Sequence[Cell]], names: Sequence[str]) -> list[str]:
    """The printed table, and the notes that its marks point to."""
    notes: list[str] = []

    def mark(note: str) -> str:
        if note not in notes:
            notes.append(note)
        return f"[^{notes.index(note) + 1}]"

    labels, values = [], []
    for row, line in zip(spec.rows, lines, strict=True):
        source = f"Not a row of the printed table; its values are from {row.source}." if row.extra else row.source
        labels.append(escape(row.label) + (mark(escape(source)) if source else ""))
        values.append(
            [_published_text(cell, spec.decimals) + (mark(_note(cell)) if cell.erratum else "") for cell in line]
        )
    return [
        _table([escape(name) for name in names], labels, values, escaped=True),
        *(f"[^{number}]: {note}" for number, note in enumerate(notes, start=1)),
    ]


def _published_text(cell: Cell, decimals: int) -> str:
    return "–" if cell.published is None else rounded(cell.published, decimals)


def _note(cell: Cell) -> str:
    return f"Erratum, {escape(cell.row)}: {escape(cell.erratum)}."


def _table(
    headers: Sequence[str], labels: Sequence[str], values: Sequence[Sequence[str]], escaped: bool = False
) -> str:
    quote = str if escaped else escape
    lines = [["", *map(quote, headers)], ["---", *("---:" for _ in headers)]]
    lines += [[quote(label), *map(quote, line)] for label, line in zip(labels, values, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escape(text: str) -> str:
    for character in "\\|*_<[":
        text = text.replace(character, f"\\{character}")
    return text
