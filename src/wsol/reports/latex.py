"""A table as LaTeX source for booktabs, ready to be included in a document."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from wsol.reports.cells import MEASURED, Cell, ScaleView, group_header
from wsol.reports.spec import Row, TableSpec
from wsol.reports.text import by_row, cell_text, scale_sentences, status_sentence

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "τ": r"$\tau$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "–": "--",
    "δ": r"$\delta$",
    "𝒴": r"$\mathcal{Y}$",
}


def latex_escape(text: str) -> str:
    """Text in which no character is a LaTeX command, and the symbols that our tables use are."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def latex(spec: TableSpec, cells: Sequence[Cell], view: ScaleView) -> str:
    """A `table` environment: grouped header, a line a row, a rule above the rows that the paper does not print."""
    lines = by_row(spec, cells)
    sentences = [f"{spec.title} ({spec.source}).", *scale_sentences(spec, view)]
    statuses = status_sentence(cells)
    if statuses:
        sentences.append(f"{statuses}.")
    body: list[str] = []
    for index, (row, line) in enumerate(zip(spec.rows, lines, strict=True)):
        if row.extra and index and not spec.rows[index - 1].extra:
            body.append(r"\midrule")
        body.append(" & ".join([_label(row), *(_value(cell, spec.decimals) for cell in line)]) + r" \\")
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_escape(' '.join(sentences))}}}",
            rf"\label{{tab:{spec.paper}-{spec.id}-{view.name}}}",
            rf"\begin{{tabular}}{{l{'r' * len(spec.columns)}}}",
            r"\toprule",
            *_header(spec, view),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _header(spec: TableSpec, view: ScaleView) -> list[str]:
    groups, rules, first = [""], [], 2
    for heading, columns in itertools.groupby(spec.columns, key=lambda column: group_header(column, view)):
        count = len(list(columns))
        groups.append(rf"\multicolumn{{{count}}}{{c}}{{{latex_escape(heading)}}}")
        rules.append(rf"\cmidrule(lr){{{first}-{first + count - 1}}}")
        first += count
    labels = ["", *(latex_escape(column.label) for column in spec.columns)]
    return [" & ".join(groups) + r" \\", " ".join(rules), " & ".join(labels) + r" \\"]


def _label(row: Row) -> str:
    return row.latex if row.latex is not None else latex_escape(row.label)


def _value(cell: Cell, decimals: int) -> str:
    text = latex_escape(cell_text(cell, decimals, " ± "))
    return text if cell.status == MEASURED else rf"\emph{{{text}}}"
