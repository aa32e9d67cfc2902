"""A figure of curves on a page 17 cm wide, as PNG and PDF; the same values give the same bytes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from wsol.reports.figures.curve_page import CurvePage, Panel
from wsol.reports.figures.draw import CHARACTER_IN_TEXT, DPI, EDGE, LINE, MAX_HEIGHT, TEXT, TITLE, WIDTH, wrapped

COLOURS = ("#D55E00", "#009E73", "#0072B2", "#CC79A7")
"""Okabe and Ito's; the first two are orange and green as in the paper, and dashes tell them apart as well."""
DASHES = ("--", "-", "-.", ":")
MARK = "#CC0000"
PANEL_HEIGHT, WIDEST = 1.75, 3.4  # inches


def draw_curves(page: CurvePage, png: str | Path, pdf: str | Path) -> None:
    """Write both files. Raises DataError where the page's parts do not fit together. The caller publishes them."""
    page.check(png)
    from matplotlib import rc_context, style
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    text: dict[Any, Any] = {
        "pdf.fonttype": 42,
        "font.size": TEXT + 0.5,
        "axes.titlesize": TEXT + 1,
        "axes.linewidth": 0.5,
    }
    ticks: dict[Any, Any] = {"xtick.labelsize": TEXT, "ytick.labelsize": TEXT, "axes.labelpad": 2.0}
    with style.context("default"), rc_context(text | ticks):
        figure = _compose(page)
        FigureCanvasAgg(figure)
        figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
        nothing = {"CreationDate": None, "Creator": None, "Producer": None}
        figure.savefig(pdf, format="pdf", dpi=DPI, metadata={"Title": page.title, **nothing})


def _compose(page: CurvePage) -> Any:
    from matplotlib.figure import Figure

    title, caption = wrapped(page.title, WIDTH, TITLE * 1.02), wrapped(page.caption, WIDTH - 2 * EDGE, TEXT)
    labels = {line.label for row in page.rows for panel in row for line in panel.lines}
    head = 0.08 + len(title) * LINE * TITLE
    foot = (0.24 if len(labels) > 1 else 0.1) + len(caption) * LINE * TEXT
    rows, columns = len(page.rows), len(page.rows[0])
    tall = min(PANEL_HEIGHT, (MAX_HEIGHT - head - foot) / rows)
    wide = min(WIDTH - 2 * EDGE, columns * WIDEST)
    height = head + foot + rows * tall
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    # Whole panels are laid out in a rectangle between title and foot.
    left = (WIDTH - wide) / 2 / WIDTH
    engine = figure.get_layout_engine()
    if engine is not None:
        room = (left, foot / height, wide / WIDTH, rows * tall / height)
        engine.set(rect=room, w_pad=0.03, h_pad=0.03)  # type: ignore[call-arg]
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, panels in zip(grid, page.rows, strict=True):
        for column, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
            _panel(axis, panel, 0.8 * wide / columns, first=column == 0 or panel.y_label != panels[0].y_label)
    figure.text(0.5, 1 - 0.05 / height, "\n".join(title), fontsize=TITLE, ha="center", va="top", linespacing=1.2)
    figure.text(EDGE / WIDTH, 0.03 / height, "\n".join(caption), fontsize=TEXT, va="bottom", linespacing=1.2)
    handles: dict[str, Any] = {}
    for axis in grid.flat:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if len(handles) > 1:
        legend = figure.legend(
            handles.values(),
            handles.keys(),
            loc="center",
            bbox_to_anchor=(0.5, (foot - 0.1) / height),
            ncols=_columns(list(handles)),
            fontsize=TEXT + 0.5,
            frameon=False,
            handlelength=2.6,
        )
        legend.set_in_layout(False)
    return figure


def _columns(labels: list[str]) -> int:
    """As many legend entries a line as fit; they are few, and fit on one."""
    each = max(len(label) for label in labels) * CHARACTER_IN_TEXT * TEXT / 72 + 0.5
    return max(1, min(len(labels), int(WIDTH / each)))


def _panel(axis: Any, panel: Panel, width: float, *, first: bool) -> None:
    # Constrained layout makes no room for a title that is wider than its panel.
    axis.set_title("\n".join(wrapped(panel.title, width, TEXT + 1)), pad=3)
    axis.set_xlabel(panel.x_label)
    if first:
        axis.set_ylabel(panel.y_label)
    axis.grid(alpha=0.3, linewidth=0.4)
    axis.tick_params(length=2, pad=1.5, width=0.5)
    if panel.whole_x:
        axis.xaxis.get_major_locator().set_params(integer=True)
    if panel.logarithmic:
        axis.set_yscale("log")
    if panel.logarithmic_x:
        axis.set_xscale("log")
    seen: set[str] = set()
    for line in panel.lines:
        colour, dash = COLOURS[line.look % len(COLOURS)], DASHES[line.look % len(DASHES)]
        values = [math.nan if value is None else value for value in line.y]
        # One seed's line is named for all of its label.
        label = "_nolegend_" if line.label in seen else line.label
        seen.add(line.label)
        shape = {"drawstyle": "steps-mid"} if line.step else {}
        if line.dots:
            look: dict[str, Any] = {
                "linestyle": "",
                "marker": "^" if line.look == 0 else "o",
                "markersize": 4.5,
                "alpha": 0.5,
            }
        else:
            dot = "o" if len(values) < 12 else ""
            look = {"linestyle": dash, "linewidth": 1.1, "marker": dot, "markersize": 2, **shape}
        axis.plot(line.x, values, color=colour, label=label, **look)
        marked = [(x, y) for x, y in zip(line.x, values, strict=True) if x in line.marks]
        if marked:
            axis.plot(*zip(*marked, strict=True), linestyle="", marker="o", mfc="none", mec=MARK, mew=1.1, markersize=6)
    if panel.x_limits:
        axis.set_xlim(*panel.x_limits)
    if panel.y_limits:
        axis.set_ylim(*panel.y_limits)
