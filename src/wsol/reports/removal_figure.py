"""The curves of remove-and-classify: a panel a data set, a row a backbone, a line an attribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wsol.errors import DataError
from wsol.files import atomic_path
from wsol.reports.cells import MISSING
from wsol.reports.removal import Line, RemovalRow, RemovalSpec

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, those of most contrast on white first; markers and dashes tell lines apart as well."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
PANEL = (2.3, 2.0)  # inches; three panels fill a page of 7 inches with 8-point text
_STYLE = {"font.size": 8, "axes.titlesize": 8, "axes.linewidth": 0.6, "pdf.fonttype": 42, "savefig.dpi": 300}


def draw_removal(spec: RemovalSpec, rows: Sequence[RemovalRow], outs: Sequence[str | Path], title: str) -> None:
    """Draw R_k against the share k of removed pixels into every path of `outs` (.png or .pdf).

    A band shows ± one standard deviation over seeds where there are several; an undefined value leaves a gap, and a
    panel names the lines that are missing. The same rows give the same bytes.
    """
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if len(spec.lines) > len(PALETTE):
        raise DataError(f"{outs[0]}: {len(spec.lines)} lines, but {len(PALETTE)} colours; leave some out of the figure")
    datasets = list(dict.fromkeys(row.dataset for row in rows)) or [""]
    backbones = list(dict.fromkeys(row.backbone for row in rows)) or [""]
    with style.context(["default", _STYLE]):
        height = PANEL[1] * len(backbones) + 0.65
        figure = Figure(figsize=(max(PANEL[0] * len(datasets), 4.0), height), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(backbones), len(datasets), squeeze=False, sharex=True, sharey=True)
        for y, backbone in enumerate(backbones):
            for x, dataset in enumerate(datasets):
                here = [row for row in rows if (row.dataset, row.backbone) == (dataset, backbone)]
                _panel(grid[y][x], spec, here, f"{dataset}, {backbone}" if here else "nothing measured at this scale")
        for axis in grid[-1]:
            axis.set_xlabel("share k of pixels removed")
        for axis in grid[:, 0]:
            axis.set_ylabel("$R_k$ (lower is better)")
        grid[0][0].set_xlim(-0.02, 1.02)
        grid[0][0].set_ylim(bottom=0)
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        figure.suptitle(title, fontsize=9)
        for out in outs:
            _save(figure, Path(out))


def _panel(axis: Any, spec: RemovalSpec, rows: Sequence[RemovalRow], title: str) -> None:
    axis.set_title(title)
    axis.grid(alpha=0.3, linewidth=0.4)
    axis.axhline(1.0, color="0.4", linewidth=0.8, linestyle=":", label="random pixels")
    missing = []
    looks = zip(spec.lines, PALETTE, MARKERS, DASHES, strict=False)
    for index, (line, colour, marker, dash) in enumerate(looks):
        own = sorted(_of(line, rows), key=lambda row: row.k)
        if any(row.status == MISSING for row in own):
            missing.append(line.label)
        shares = [row.k for row in own]
        values = [math.nan if row.value is None else row.value for row in own]
        # Smaller from line to line: of lines on one another, each shows.
        size = max(5.5 - 1.1 * index, 2.2)
        look = {"color": colour, "marker": marker, "markersize": size, "linestyle": dash, "linewidth": 1.2}
        axis.plot(shares, values, label=_text(line.label), **look)
        spread = [row.std or 0.0 for row in own]
        if any(spread):
            low = [value - std for value, std in zip(values, spread, strict=True)]
            high = [value + std for value, std in zip(values, spread, strict=True)]
            axis.fill_between(shares, low, high, color=colour, alpha=0.18, linewidth=0)
    if missing and rows:
        note = "missing: " + ", ".join(map(_text, missing))
        axis.text(0.5, 0.04, note, transform=axis.transAxes, fontsize=6.5, ha="center", va="bottom")


def _of(line: Line, rows: Sequence[RemovalRow]) -> list[RemovalRow]:
    return [row for row in rows if (row.method, row.attribution) == (line.method, line.attribution)]


def _text(label: str) -> str:
    """CALM_EM as the paper sets it, the part behind the underscore below the line."""
    head, _, below = label.partition("_")
    return rf"{head}$_{{\mathrm{{{below}}}}}$" if below else label


def _save(figure: Any, out: Path) -> None:
    kind = out.suffix.removeprefix(".")
    # Time stamp, program and version would make other bytes of the same picture.
    nothing = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
    if kind not in nothing:
        raise DataError(f"{out}: a figure is written as .png or .pdf")
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format=kind, metadata=nothing[kind])
