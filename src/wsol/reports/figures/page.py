"""What a figure holds before it is drawn: rows of pictures and maps, with the limits of their colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wsol.errors import DataError

if TYPE_CHECKING:
    import numpy as np

Colours = Literal["sequential", "diverging"]


@dataclass(frozen=True)
class MapPanel:
    """A map (H, W) in the picture's frame with the values that the ends of the colour map stand for."""

    values: np.ndarray
    limits: tuple[float, float]
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """An image (H, W, 3) uint8; `outlined` says whether the row's boxes and regions belong on it."""

    image: np.ndarray
    title: str = ""
    outlined: bool = True


@dataclass(frozen=True)
class FigureRow:
    """Pictures, then maps on the first of them. Boxes (M, 4) x0 y0 x1 y1 and region (H, W) bool are outlined."""

    pictures: Sequence[Picture]
    panels: Sequence[MapPanel]
    label: str = ""
    boxes: Sequence[Sequence[float]] = ()
    region: np.ndarray | None = None


@dataclass(frozen=True)
class FigurePage:
    """A figure: headings of the columns, rows, which colours, what their ends mean, and what is said below.

    `headings` has one entry a column or is empty; `bar` is the label of the colour bar and its ends, low and high.
    """

    title: str
    caption: str
    headings: Sequence[str]
    rows: Sequence[FigureRow]
    colours: Colours
    bar: tuple[str, str, str]
    outline: str

    @property
    def columns(self) -> int:
        return max(len(row.pictures) + len(row.panels) for row in self.rows)

    def check(self, name: object) -> None:
        """Raise DataError, naming the figure, unless everything fits together."""
        if not self.rows or any(not row.pictures or not row.panels for row in self.rows):
            raise DataError(f"{name}: every figure needs a row, and every row a picture and a map; check its settings")
        if self.headings and len(self.headings) != self.columns:
            raise DataError(f"{name}: {len(self.headings)} headings for {self.columns} columns")
        for number, row in enumerate(self.rows):
            frame = row.pictures[0].image.shape[:2]
            layers = [panel.values for panel in row.panels] + ([] if row.region is None else [row.region])
            for layer in layers:
                if layer.shape != frame:
                    raise DataError(f"{name}: row {number} has a map of {layer.shape} on an image of {frame}")
            for panel in row.panels:
                low, high = panel.limits
                if not low < high or (self.colours == "diverging" and low != -high):
                    raise DataError(
                        f"{name}: row {number} has colour limits {low} to {high}; they must grow, and diverging "
                        "colours need the same distance on both sides of 0"
                    )
