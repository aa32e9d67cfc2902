"""What a figure of curves holds before it is drawn, and the numbers that are written beside it."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wsol.config.curve_lines import SEARCHES
from wsol.errors import DataError
from wsol.reports.cells import MEASURED
from wsol.reports.figures.text import PAPERS, place_name

COLUMNS = ("dataset", "backbone", "method", "attribution", "quantity", "at", "value", "std", "n_seeds", "status")
UNDEFINED = "undefined"
"""Status of a quantity that has no value for these data, such as the width of a curve that is zero everywhere."""


@dataclass(frozen=True)
class Line:
    """A line of a panel: values of y at x (None leaves a gap), with a look that is its label's in every panel.

    `marks` are points of x at which a ring is drawn; `dots` are points without a line.
    """

    x: Sequence[float]
    y: Sequence[float | None]
    label: str
    look: int
    marks: Sequence[float] = ()
    step: bool = False
    dots: bool = False


@dataclass(frozen=True)
class Panel:
    """Lines on one pair of axes; `logarithmic` is the y axis, `whole_x` for places that are whole, such as epochs."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    logarithmic: bool = False
    logarithmic_x: bool = False
    whole_x: bool = False


@dataclass(frozen=True)
class Number:
    """A quantity that the figure shows: one value a seed, None where it is undefined; `at` is a place on an axis."""

    dataset: str
    backbone: str
    method: str
    attribution: str
    quantity: str
    values: Sequence[float | None]
    at: str = ""


@dataclass(frozen=True)
class CurvePage:
    """A figure: rows of as many panels each, a title and a caption; `numbers` go into a table beside it."""

    title: str
    caption: str
    rows: Sequence[Sequence[Panel]]
    numbers: Sequence[Number] = field(default=())

    def check(self, name: object) -> None:
        """Raise DataError, naming the figure, unless everything fits together."""
        widths = {len(row) for row in self.rows}
        if len(widths) != 1 or widths == {0}:
            raise DataError(f"{name}: a figure needs panels, as many in each row; it has {sorted(widths)}")
        for panel in (panel for row in self.rows for panel in row):
            for line in panel.lines:
                if len(line.x) != len(line.y):
                    raise DataError(f"{name}: line {line.label!r} has {len(line.x)} places and {len(line.y)} values")


def numbers_csv(numbers: Sequence[Number]) -> str:
    """A line a number: mean over the seeds and their sample standard deviation (empty for one seed), six decimals.

    A quantity without a value at one of the seeds is `undefined` as a whole: a mean over the others would say too much.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for number in numbers:
        values = [value for value in number.values if value is not None]
        defined = len(values) == len(number.values) > 0
        writer.writerow(
            {
                **{key: getattr(number, key) for key in COLUMNS[:6]},
                "value": f"{statistics.fmean(values):.6f}" if defined else "",
                "std": f"{statistics.stdev(values):.6f}" if defined and len(values) > 1 else "",
                "n_seeds": len(number.values),
                "status": MEASURED if defined else UNDEFINED,
            }
        )
    return stream.getvalue()


def in_rows(settings: Mapping[str, Any], panels: Sequence[Panel]) -> list[list[Panel]]:
    """The panels of a figure's settings, in their order, as rows of one label and data set."""
    rows: dict[tuple[str, str], list[Panel]] = {}
    for described, panel in zip(settings["panels"], panels, strict=True):
        rows.setdefault((described["dataset"], described["row"]), []).append(panel)
    return list(rows.values())


def title_of_curves(settings: Mapping[str, Any]) -> str:
    """`settings` as `wsol.config.curve_figures.curve_settings` gives them."""
    shown = [place_name(dataset) for dataset in settings["datasets"]]
    seeds = ", ".join(str(seed) for seed in settings["seeds"])
    seeded = settings["panels"] and settings["kind"] not in SEARCHES
    tail = f", seed{'s' if len(settings['seeds']) > 1 else ''} {seeds}" if seeded else ""
    number = f", figure {settings['number']}" if settings["number"] else ""
    return (
        f"{PAPERS[settings['paper']]}{number}: {settings['title']}\n"
        f"{'; '.join(shown)}; split {settings['split']}, scale {settings['scale']}{tail}"
    )


def panel_title(settings: Mapping[str, Any], panel: Mapping[str, Any]) -> str:
    """The row's label and the data set, each where the figure has several, and the backbone."""
    several = {key: len({other[key] for other in settings["panels"]}) > 1 for key in ("row", "dataset")}
    return ", ".join([*(panel[key] for key in ("dataset", "row") if several[key]), panel["backbone"]])


def metric_of(panel: Mapping[str, Any]) -> str:
    """The metric by which the panel's epochs or draws are chosen; of several lines, each of theirs once."""
    return " and ".join(dict.fromkeys(str(line["metric"]) for line in panel["lines"]))


def left_out_sentence(settings: Mapping[str, Any]) -> str:
    return f" Not at this scale: {', '.join(settings['left_out'])}." if settings["left_out"] else ""
