"""A figure on a page 17 cm wide, as PNG and PDF; the same arrays give the same bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol.reports.figures.colour import COLOUR_MAPS, blend
from wsol.reports.figures.page import FigurePage, FigureRow
from wsol.reports.pictures import TRUE_COLOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, MAX_HEIGHT = 17 / 2.54, 23 / 2.54
"""Inches: the text of an A4 page, with room for a caption below."""
DPI = 220
TITLE, HEADING, TEXT = 8.0, 7.5, 6.0
"""Font sizes in points at print size."""
LINE = 1.25 / 72
"""Inches of a line of text, a point of its size."""
GAP, EDGE, FOOT = 0.035, 0.04, 0.42
MIN_SIDE, MAX_SIDE = 0.4, 1.45
CHARACTER, CHARACTER_IN_TEXT = 0.58, 0.52
"""Width of a character of the sans-serif font, in font sizes: in a short line, and on average over a long one."""
LABEL_LINES = 3


def draw(page: FigurePage, png: str | Path, pdf: str | Path) -> None:
    """Write both files. Raises DataError where the page's parts do not fit together. The caller publishes them."""
    page.check(png)
    save(lambda: _compose(page), page.title, png, pdf)


def save(compose: Callable[[], Figure], title: str, png: str | Path, pdf: str | Path) -> None:
    """Write what `compose` draws, under the same style wherever it runs."""
    from matplotlib import rc_context, style
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    # Fonts as outlines that a printer takes, and no date or random name in the file.
    with style.context("default"), rc_context({"pdf.fonttype": 42, "svg.hashsalt": "wsol", "font.size": TEXT}):
        figure = compose()
        FigureCanvasAgg(figure)
        figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
        nothing = {"CreationDate": None, "Creator": None, "Producer": None}
        figure.savefig(pdf, format="pdf", dpi=DPI, metadata={"Title": title, **nothing})


def _compose(page: FigurePage) -> Figure:
    from matplotlib.figure import Figure

    left, side = _widths(page)
    title = wrapped(page.title, WIDTH, TITLE)
    caption = wrapped(page.caption, WIDTH - 2 * EDGE, TEXT)
    head = 0.06 + len(title) * LINE * TITLE + (LINE * HEADING + 0.05 if page.headings else 0.03)
    foot = FOOT + len(caption) * LINE * TEXT
    heads = [_title_height(row, side) for row in page.rows]
    # Rows that would not fit on the page get smaller panels; their titles wrap at the new width, and need more room.
    while side * len(heads) > (room := MAX_HEIGHT - head - foot - sum(heads) - GAP * len(heads)) + 1e-9:
        side = max(MIN_SIDE, room / len(heads))
        heads = [_title_height(row, side) for row in page.rows]
        if side == MIN_SIDE:
            break  # rather a page that is too high than panels that show nothing
    height = head + foot + sum(heads) + (side + GAP) * len(heads)
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    # Panels stand in the middle of the page where they do not fill it.
    left += max(0.0, (WIDTH - left - EDGE - page.columns * (side + GAP) + GAP) / 2)
    figure.text(0.5, 1 - 0.05 / height, "\n".join(title), fontsize=TITLE, ha="center", va="top", linespacing=1.2)
    for column, heading in enumerate(page.headings):
        centre = left + column * (side + GAP) + side / 2
        figure.text(centre / WIDTH, 1 - (head - 0.03) / height, heading, fontsize=HEADING, ha="center", va="bottom")
    top = height - head
    for row, above in zip(page.rows, heads, strict=True):
        top -= above + side
        _draw_row(figure, page, row, (left, top, side), height)
        top -= GAP
    _draw_foot(figure, page, caption, height)
    return figure


def _widths(page: FigurePage) -> tuple[float, float]:
    """Inches left of the panels, and a panel's side where the height does not matter."""
    side, lines = MAX_SIDE, 0
    for _ in range(2):  # the labels' lines depend on the side, and the side a little on their lines
        left = EDGE + (lines * LINE * TEXT + 0.05 if lines else 0.0)
        side = min((WIDTH - left - EDGE + GAP) / page.columns - GAP, MAX_SIDE)
        lines = max(len(wrapped(row.label, side, TEXT)[:LABEL_LINES]) for row in page.rows)
    return EDGE + (lines * LINE * TEXT + 0.05 if lines else 0.0), side - lines * 0.002


def _draw_row(
    figure: Figure, page: FigurePage, row: FigureRow, place: tuple[float, float, float], height: float
) -> None:
    left, bottom, side = place

    def axis_at(column: int, title: str) -> Axes:
        box = ((left + column * (side + GAP)) / WIDTH, bottom / height, side / WIDTH, side / height)
        axis = figure.add_axes(box)
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_linewidth(0.4)
        if title:
            axis.set_title("\n".join(wrapped(title, side, TEXT)), fontsize=TEXT, pad=2, linespacing=1.1)
        return axis

    for column, picture in enumerate(row.pictures):
        axis = axis_at(column, picture.title)
        axis.imshow(picture.image, interpolation="none")
        if column == 0 and row.label:
            lines = wrapped(row.label, side, TEXT)[:LABEL_LINES]
            axis.set_ylabel("\n".join(lines), fontsize=TEXT, labelpad=2, linespacing=1.1)
        if picture.outlined:
            _draw_truth(axis, row, page)
    for column, panel in enumerate(row.panels, start=len(row.pictures)):
        axis = axis_at(column, panel.title)
        axis.imshow(blend(row.pictures[0].image, panel.values, panel.limits, page.colours), interpolation="none")
        _draw_truth(axis, row, page)
        if panel.note:
            frame = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
            axis.text(0.03, 0.03, panel.note, transform=axis.transAxes, fontsize=TEXT, va="bottom", bbox=frame)


def _draw_truth(axis: Axes, row: FigureRow, page: FigurePage) -> None:
    """Two strokes, so that the line is seen on every colour."""
    strokes = outline_strokes(page)
    from matplotlib.patches import Rectangle

    for x0, y0, x1, y1 in row.boxes:
        for colour, width in strokes:
            # Pixel centres are whole numbers to imshow.
            corner = (float(x0) - 0.5, float(y0) - 0.5)
            patch = Rectangle(corner, float(x1 - x0), float(y1 - y0), fill=False, edgecolor=colour, linewidth=width)
            axis.add_patch(patch)
    if row.region is not None and row.region.any() and not row.region.all():
        for colour, width in strokes:
            # Thinner than a box: a mask may have holes as fine as a wheel's.
            axis.contour(row.region.astype(float), levels=[0.5], colors=[colour], linewidths=0.75 * width)


def outline_strokes(page: FigurePage) -> Sequence[tuple[str, float]]:
    """(colour, points) of the outer and the inner line: green on inferno, which has none; black on red and blue."""
    if page.colours == "sequential":
        return ("black", 1.9), (TRUE_COLOUR, 1.1)
    return ("white", 1.7), ("black", 0.9)


def _draw_foot(figure: Figure, page: FigurePage, caption: Sequence[str], height: float) -> None:
    import matplotlib
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import Normal, Stroke

    figure.text(EDGE / WIDTH, 0.03 / height, "\n".join(caption), fontsize=TEXT, va="bottom", ha="left", linespacing=1.2)
    centre = (0.03 + len(caption) * LINE * TEXT + 0.16) / height
    (outer, outer_width), (inner, inner_width) = outline_strokes(page)
    effects: list[Any] = [Stroke(linewidth=outer_width, foreground=outer), Normal()]
    handle = Line2D([], [], color=inner, linewidth=inner_width, path_effects=effects, label=page.outline)
    figure.legend(
        handles=[handle],
        loc="center left",
        bbox_to_anchor=(0.0, centre),
        fontsize=TEXT,
        frameon=False,
        handlelength=1.6,
    )
    label, low, high = page.bar
    right = WIDTH - EDGE - len(high) * 1.1 * CHARACTER * TEXT / 72 - 0.06
    bar = figure.add_axes(((right - 1.1) / WIDTH, centre - 0.05 / height, 1.1 / WIDTH, 0.1 / height))
    scale = matplotlib.cm.ScalarMappable(cmap=COLOUR_MAPS[page.colours])
    figure.colorbar(scale, cax=bar, orientation="horizontal", ticks=[])
    figure.text((right - 1.15) / WIDTH, centre, f"{label}   {low}", fontsize=TEXT, ha="right", va="center")
    figure.text((right + 0.05) / WIDTH, centre, high, fontsize=TEXT, ha="left", va="center")


def wrapped(text: str, inches: float, points: float) -> list[str]:
    """Lines of a text that fit into a width at a font size."""
    average = CHARACTER_IN_TEXT if inches > WIDTH / 2 else CHARACTER
    characters = max(8, int(inches * 72 / (average * points)))
    return [line for part in text.split("\n") for line in (textwrap.wrap(part, characters) or [""])] if text else []


def _title_height(row: FigureRow, side: float) -> float:
    titles = [picture.title for picture in row.pictures] + [panel.title for panel in row.panels]
    lines = max(len(wrapped(title, side, TEXT)) for title in titles)
    return lines * LINE * TEXT + 0.05 if lines else 0.0
