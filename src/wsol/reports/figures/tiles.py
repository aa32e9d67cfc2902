"""Pages of tiles: pictures that are coloured already, in blocks beside each other and groups below each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsol.errors import DataError
from wsol.reports.figures.colour import COLOUR_MAPS
from wsol.reports.figures.draw import DPI, EDGE, GAP, HEADING, LINE, MAX_HEIGHT, TEXT, TITLE, WIDTH, save, wrapped
from wsol.reports.pictures import TRUE_COLOUR

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SIDE = 1.25
BLOCK_GAP, GROUP_GAP = 0.14, 0.08
LABEL_LINES = 2


@dataclass(frozen=True)
class Tile:
    """A picture (H, W, 3) uint8 with boxes (x0, y0, x1, y1, colour), a region (H, W) bool outlined, and a note."""

    image: np.ndarray
    boxes: Sequence[tuple[float, float, float, float, str]] = ()
    note: str = ""
    region: np.ndarray | None = None


@dataclass(frozen=True)
class TileRow:
    """A row of tiles, its own label, and the group that it belongs to (rows of a group follow each other)."""

    tiles: Sequence[Tile]
    group: str = ""
    label: str = ""


@dataclass(frozen=True)
class TilePage:
    """Rows of tiles. Each of `blocks` (its heading) has the same columns.

    columns: (heading, sub-headings) of neighbouring columns; legend: (text, colour, whether a line or a patch).
    bar: label and ends of the colour bar of maps.
    """

    title: str
    caption: str
    blocks: Sequence[str]
    columns: Sequence[tuple[str, Sequence[str]]]
    rows: Sequence[TileRow]
    legend: Sequence[tuple[str, str, bool]]
    bar: tuple[str, str, str]

    @property
    def in_block(self) -> int:
        return sum(len(below) for _, below in self.columns)

    def check(self, name: object) -> None:
        """Raise DataError, naming the figure, unless every row has a tile a column."""
        wanted = self.in_block * len(self.blocks)
        if not self.rows or not wanted:
            raise DataError(f"{name}: every figure needs a row and a column; check its settings")
        for number, row in enumerate(self.rows):
            if len(row.tiles) != wanted:
                raise DataError(f"{name}: row {number} has {len(row.tiles)} tiles for {wanted} columns")


def draw_tiles(page: TilePage, png: str | Path, pdf: str | Path) -> None:
    """Write both files. Raises DataError where the page's parts do not fit together. The caller publishes them."""
    page.check(png)
    save(lambda: _compose(page), page.title, png, pdf)


def _compose(page: TilePage) -> Figure:
    from matplotlib.figure import Figure

    title, caption = wrapped(page.title, WIDTH, TITLE), wrapped(page.caption, WIDTH - 2 * EDGE, TEXT)
    groups = sum(first.group != second.group for first, second in zip(page.rows, page.rows[1:], strict=False))
    noted = any(tile.note for row in page.rows for tile in row.tiles) * (LINE * TEXT + 0.02)
    head = 0.08 + len(title) * LINE * TITLE + any(page.blocks) * LINE * HEADING + LINE * TEXT + 0.04
    foot = 0.38 + len(caption) * LINE * TEXT
    labelled = any(row.label for row in page.rows)
    left = EDGE + any(row.group for row in page.rows) * (LINE * HEADING + 0.03) + labelled * LABEL_LINES * LINE * TEXT
    columns, blocks = page.in_block * len(page.blocks), len(page.blocks)
    lines = 0
    headings: list[list[str]] = [[""]]
    # Narrower tiles may need more lines above them, and these leave less height for tiles.
    while (needed := max(map(len, headings))) > lines:
        head, lines = head + (needed - lines) * LINE * HEADING, needed
        side = min(
            (WIDTH - left - EDGE - (blocks - 1) * BLOCK_GAP + GAP) / columns - GAP,
            (MAX_HEIGHT - head - foot - groups * GROUP_GAP) / len(page.rows) - GAP - noted,
            MAX_SIDE,
        )
        # Names such as Grad-CAM++ are of wide characters.
        headings = [
            wrapped(text, 0.85 * (len(below) * (side + GAP) - GAP), HEADING) or [""] for text, below in page.columns
        ]
    height = head + foot + groups * GROUP_GAP + (side + noted + GAP) * len(page.rows)
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    width = columns * (side + GAP) - GAP + (blocks - 1) * BLOCK_GAP
    left += max(0.0, (WIDTH - left - EDGE - width) / 2)
    starts = [left + place * (side + GAP) + place // page.in_block * BLOCK_GAP for place in range(columns)]
    figure.text(0.5, 1 - 0.05 / height, "\n".join(title), fontsize=TITLE, ha="center", va="top", linespacing=1.2)
    _draw_headings(figure, page, headings, starts, side, (height - head, height))
    top = height - head
    group_top = top
    for number, row in enumerate(page.rows):
        if number and row.group != page.rows[number - 1].group:
            top -= GROUP_GAP
            group_top = top
        top -= side
        for tile, start in zip(row.tiles, starts, strict=True):
            axis = figure.add_axes((start / WIDTH, top / height, side / WIDTH, side / height))
            _draw_tile(axis, tile)
        if row.label:
            text = "\n".join(wrapped(row.label, side, TEXT)[:LABEL_LINES])
            x, y = (starts[0] - 0.03) / WIDTH, (top + side / 2) / height
            figure.text(x, y, text, fontsize=TEXT, rotation=90, ha="right", va="center", linespacing=1.1)
        last = number + 1 == len(page.rows) or page.rows[number + 1].group != row.group
        if last and row.group:
            x = (starts[0] - 0.05 - labelled * LABEL_LINES * LINE * TEXT) / WIDTH
            y = (group_top + top) / 2 / height
            figure.text(x, y, row.group, fontsize=HEADING, rotation=90, ha="right", va="center")
        top -= noted + GAP
    _draw_foot(figure, page, caption, height)
    return figure


def _draw_headings(
    figure: Figure,
    page: TilePage,
    headings: Sequence[Sequence[str]],
    starts: Sequence[float],
    side: float,
    heights: tuple[float, float],
) -> None:
    bottom, height = heights
    lines = max(map(len, headings))
    for block, name in enumerate(page.blocks):
        first = block * page.in_block
        centre = (starts[first] + starts[first + page.in_block - 1] + side) / 2
        y = bottom + 0.03 + LINE * (TEXT + lines * HEADING)
        figure.text(centre / WIDTH, y / height, name, fontsize=HEADING, ha="center", va="bottom")
        place = first
        for heading, (_, below) in zip(headings, page.columns, strict=True):
            centre = (starts[place] + starts[place + len(below) - 1] + side) / 2
            y = bottom + 0.03 + LINE * TEXT
            text = "\n".join(heading)
            figure.text(centre / WIDTH, y / height, text, fontsize=HEADING, ha="center", va="bottom", linespacing=1.1)
            for text in below:
                centre = starts[place] + side / 2
                figure.text(centre / WIDTH, (bottom + 0.03) / height, text, fontsize=TEXT, ha="center", va="bottom")
                place += 1


def _draw_tile(axis: Axes, tile: Tile) -> None:
    from matplotlib.patches import Rectangle

    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_linewidth(0.4)
    axis.imshow(tile.image, interpolation="none")
    for x0, y0, x1, y1, colour in tile.boxes:
        for stroke, points in (("black", 1.7), (colour, 1.0)):
            # Pixel centres are whole numbers to imshow.
            corner = (float(x0) - 0.5, float(y0) - 0.5)
            size = float(x1 - x0), float(y1 - y0)
            axis.add_patch(Rectangle(corner, *size, fill=False, edgecolor=stroke, linewidth=points))
    if tile.region is not None and tile.region.any() and not tile.region.all():
        for stroke, points in (("black", 1.4), (TRUE_COLOUR, 0.8)):
            axis.contour(tile.region.astype(float), levels=[0.5], colors=[stroke], linewidths=points)
    if tile.note:
        # Below the picture, of which it would hide a corner.
        axis.annotate(
            tile.note, (0.5, 0), (0, -2), "axes fraction", "offset points", ha="center", va="top", fontsize=TEXT
        )


def _draw_foot(figure: Figure, page: TilePage, caption: Sequence[str], height: float) -> None:
    import matplotlib
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.patheffects import Normal, Stroke

    figure.text(EDGE / WIDTH, 0.03 / height, "\n".join(caption), fontsize=TEXT, va="bottom", ha="left", linespacing=1.2)
    centre = (0.03 + len(caption) * LINE * TEXT + 0.16) / height
    edge = [Stroke(linewidth=1.7, foreground="black"), Normal()]
    handles = [
        Line2D([], [], color=colour, linewidth=1.0, path_effects=edge, label=text)
        if is_line
        else Patch(facecolor=colour, edgecolor="black", linewidth=0.4, label=text)
        for text, colour, is_line in page.legend
    ]
    figure.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(0.0, centre),
        fontsize=TEXT,
        frameon=False,
        ncols=len(handles),
        handlelength=1.4,
        columnspacing=1.2,
        handletextpad=0.5,
    )
    label, low, high = page.bar
    right = WIDTH - EDGE - 0.1
    bar = figure.add_axes(((right - 0.8) / WIDTH, centre - 0.05 / height, 0.8 / WIDTH, 0.1 / height))
    scale = matplotlib.cm.ScalarMappable(cmap=COLOUR_MAPS["sequential"])
    figure.colorbar(scale, cax=bar, orientation="horizontal", ticks=[])
    figure.text((right - 0.85) / WIDTH, centre, f"{label}   {low}", fontsize=TEXT, ha="right", va="center")
    figure.text((right + 0.05) / WIDTH, centre, high, fontsize=TEXT, ha="left", va="center")
