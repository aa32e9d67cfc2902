"""Pages of pictures: images with their true regions beside the heat maps that methods put on them."""

from __future__ import annotations

import html
import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol.errors import DataError
from wsol.files import atomic_path, write_text

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
CELL_INCHES = 2.2
COLORMAP = "inferno"
HEAT_WEIGHT = 0.5
# Two colours of Okabe and Ito's palette, told apart by colour-blind readers and absent from the colour map.
TRUE_COLOUR = "#009E73"
PREDICTED_COLOUR = "#56B4E9"
LUMINANCE = (0.299, 0.587, 0.114)
OBJECT = 1

Box = Sequence[float]
"""x0, y0, x1, y1 in pixels of the picture."""


@dataclass(frozen=True)
class Panel:
    """One attribution on one image: score map (H, W) in [0, 1], the box drawn from it, and a note such as its IoU."""

    score_map: np.ndarray
    box: Box | None = None
    note: str = ""


@dataclass(frozen=True)
class PictureRow:
    """One image (H, W, 3) uint8 with its true boxes or its mask (H, W; 1 is the object), and a panel a column."""

    image: np.ndarray
    class_name: str
    panels: Sequence[Panel]
    boxes: Sequence[Box] = ()
    mask: np.ndarray | None = None
    image_id: str = ""


@dataclass(frozen=True)
class Page:
    """A picture file with its place in the index."""

    title: str
    picture: Path
    caption: str = ""
    links: Sequence[tuple[str, Path]] = field(default=())


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """Indices of `wanted` items out of `count`, the middles of equal stretches: a choice without a chooser."""
    if count < 0 or wanted < 0:
        raise ValueError(f"cannot choose {wanted} of {count} items")
    wanted = min(count, wanted)
    return [(2 * index + 1) * count // (2 * wanted) for index in range(wanted)]


def overlay(image: np.ndarray, score_map: np.ndarray) -> np.ndarray:
    """The image in grey under the score map in colour, (H, W, 3) float in [0, 1]: colour says score alone."""
    import matplotlib
    import numpy as np

    grey = (np.asarray(image, dtype=np.float64) / 255) @ np.array(LUMINANCE)
    heat = matplotlib.colormaps[COLORMAP](np.clip(score_map, 0, 1))[..., :3]
    return (1 - HEAT_WEIGHT) * grey[..., None] + HEAT_WEIGHT * heat


def picture_page(rows: Sequence[PictureRow], out_png: str | Path, title: str, captions: Sequence[str]) -> None:
    """Draw one line an image: the image with its true boxes or outline, then a heat map a column with both boxes.

    captions: heading of each heat map column, such as the method's name and its score on the data set.
    The same arrays give the same bytes. Raises DataError where shapes or numbers of panels do not fit.
    """
    _check(rows, captions, out_png)
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context("default"):
        width, height = CELL_INCHES * (len(captions) + 1) + 0.54, CELL_INCHES * len(rows) + 1.08
        figure = Figure(figsize=(width, height), dpi=DPI)
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(rows), len(captions) + 1, squeeze=False)
        figure.subplots_adjust(
            left=0.48 / width,
            right=1 - 0.06 / width,
            bottom=0.36 / height,
            top=1 - 0.72 / height,
            wspace=0.03,
            hspace=0.03,
        )
        figure.suptitle(title, fontsize=11, y=1 - 0.12 / height, va="top")
        for line, row in zip(axes, rows, strict=True):
            _draw_truth(line[0], row)
            for axis, panel in zip(line[1:], row.panels, strict=True):
                _draw_panel(axis, row, panel)
        for axis, caption in zip(axes[0], ["image", *captions], strict=True):
            axis.set_title(caption, fontsize=9)
        _legend(figure, height)
        with atomic_path(out_png) as temporary:
            figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def index_html(pages: Sequence[Page], out_html: str | Path, title: str = "Pictures") -> None:
    """One HTML page with every picture and its caption; its links are relative, so that the folder works offline."""
    folder = Path(out_html).parent
    entries = "\n".join(_entry(page, folder) for page in pages) or "<p>No pictures yet.</p>"
    write_text(
        out_html,
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>
body {{ font-family: sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; line-height: 1.4; }}
figure {{ margin: 0 0 3rem; }}
img {{ max-width: 100%; height: auto; border: 1px solid #ccc; }}
</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
{entries}
</body>
</html>
""",
    )


def _entry(page: Page, folder: Path) -> str:
    picture = _relative(page.picture, folder)
    links = " ".join(f'<a href="{_relative(path, folder)}">{html.escape(name)}</a>' for name, path in page.links)
    return f"""<figure>
<h2>{html.escape(page.title)}</h2>
<a href="{picture}"><img src="{picture}" alt="{html.escape(page.title)}"></a>
<figcaption>{html.escape(page.caption)} {links}</figcaption>
</figure>"""


def _relative(path: Path, folder: Path) -> str:
    from urllib.parse import quote

    return html.escape(quote(Path(os.path.relpath(path, folder)).as_posix()))


def _check(rows: Sequence[PictureRow], captions: Sequence[str], out_png: str | Path) -> None:
    if not rows or not captions:
        raise DataError(f"{out_png}: a page needs at least one image and one heat map; check the choice of images")
    for row in rows:
        name = row.image_id or row.class_name
        if row.image.ndim != 3 or row.image.shape[2] != 3 or row.image.dtype.name != "uint8":
            raise DataError(f"{name}: image is {row.image.dtype.name} {row.image.shape}, must be uint8 (H, W, 3)")
        if len(row.panels) != len(captions):
            raise DataError(f"{name}: {len(row.panels)} heat maps for {len(captions)} columns")
        layers = [panel.score_map for panel in row.panels] + ([] if row.mask is None else [row.mask])
        for layer in layers:
            if layer.shape != row.image.shape[:2]:
                raise DataError(
                    f"{name}: a map of {layer.shape} on an image of {row.image.shape[:2]}; bring both to one frame"
                )


def _draw_truth(axis: Axes, row: PictureRow) -> None:
    axis.imshow(row.image, interpolation="nearest")
    _bare(axis)
    axis.set_ylabel(textwrap.fill(row.class_name, width=24), fontsize=8)
    _draw_regions(axis, row)


def _draw_panel(axis: Axes, row: PictureRow, panel: Panel) -> None:
    axis.imshow(overlay(row.image, panel.score_map), interpolation="nearest")
    _bare(axis)
    _draw_regions(axis, row)
    if panel.box is not None:
        _draw_box(axis, panel.box, PREDICTED_COLOUR, "--")
    if panel.note:
        style = {"boxstyle": "square,pad=0.2", "facecolor": "black", "edgecolor": "none", "alpha": 0.7}
        axis.text(0.02, 0.02, panel.note, transform=axis.transAxes, fontsize=7, color="white", va="bottom", bbox=style)


def _draw_regions(axis: Axes, row: PictureRow) -> None:
    for box in row.boxes:
        _draw_box(axis, box, TRUE_COLOUR, "-")
    if row.mask is not None and (row.mask == OBJECT).any():
        inside = (row.mask == OBJECT).astype(float)
        axis.contour(inside, levels=[0.5], colors="black", linewidths=3)
        axis.contour(inside, levels=[0.5], colors=TRUE_COLOUR, linewidths=1.5)


def _draw_box(axis: Axes, box: Box, colour: str, line: str) -> None:
    from matplotlib.patches import Rectangle

    x0, y0, x1, y1 = (float(value) for value in box)
    # Pixel centres are whole numbers to imshow; a black edge below keeps the line visible on any picture.
    corner, width, height = (x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0
    axis.add_patch(Rectangle(corner, width, height, fill=False, edgecolor="black", linewidth=3))
    axis.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=colour, linewidth=1.8, linestyle=line))


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])


def _legend(figure: Figure, height: float) -> None:
    import matplotlib
    from matplotlib.lines import Line2D

    handles: list[Any] = [
        Line2D([], [], color=TRUE_COLOUR, linewidth=2, label="ground truth"),
        Line2D([], [], color=PREDICTED_COLOUR, linewidth=2, linestyle="--", label="predicted box"),
    ]
    width, centre = figure.get_figwidth(), 0.17 / height
    figure.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(0.2 / width, centre),
        ncols=2,
        fontsize=8,
        frameon=False,
        columnspacing=1.0,
    )
    right = 1 - 0.25 / width
    bar = figure.add_axes((right - 1.0 / width, 0.11 / height, 1.0 / width, 0.12 / height))
    scale = matplotlib.cm.ScalarMappable(cmap=COLORMAP)
    scale.set_clim(0, 1)
    figure.colorbar(scale, cax=bar, orientation="horizontal", ticks=[])
    figure.text(right - 1.05 / width, centre, "score 0", fontsize=8, ha="right", va="center")
    figure.text(right + 0.05 / width, centre, "1", fontsize=8, ha="left", va="center")
