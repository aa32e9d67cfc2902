"""The curve behind the numbers: hits against the threshold, or precision against recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wsol.files import atomic_path

STYLES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"), ("#000000", "-"), ("#56B4E9", "--"))
"""Colours of Okabe and Ito, told apart by colour-blind readers, each with a dash of its own for print in grey."""
METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}
"""Without date and version: the same scores give the same bytes."""


def write_pictures(paths: Sequence[Path], document: Mapping[str, Any]) -> None:
    """The picture of one result as .png or .pdf files."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"font.size": 10, "pdf.fonttype": 42, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(6.4, 4.6), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        axis = figure.subplots()
        if "PxAP" in document["curves"]:
            _precision_recall(axis, document)
        else:
            _thresholds(axis, document)
        figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False, handlelength=3)
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.set_title(f"{document['dataset']} {document['split']}, {document['n_images']} images", fontsize=11)
        for path in paths:
            with atomic_path(path) as temporary:
                figure.savefig(temporary, format=path.suffix[1:], metadata=METADATA[path.suffix])


def _thresholds(axis: Any, document: Mapping[str, Any]) -> None:
    from wsol.standalone.report import thresholds

    grid = thresholds(document)
    order = np.argsort(grid, kind="stable")
    named = sorted(document["thresholds"], key=lambda name: (not name.startswith("Max"), name))
    for (colour, dash), name in zip(_styles(len(named)), named, strict=True):
        curve = np.asarray(document["curves"][name])
        best, value = document["thresholds"][name], document["values"][name]
        axis.plot(
            grid[order],
            curve[order],
            color=colour,
            linestyle=dash,
            linewidth=1.7,
            marker="." if grid.size < 3 else None,
            label=f"{name}: {value:.2f} % at {best:.3g}",
        )
        axis.plot([best], [value], marker="o", markersize=6, color=colour, markeredgecolor="white")
    fixed = document.get("fixed")
    if fixed:
        label = f"fixed threshold {fixed['threshold']:g}"
        axis.axvline(fixed["threshold"], color="#666666", linewidth=1, linestyle=(0, (1, 2)), label=label)
    axis.set_xlim(min(0.0, float(grid.min())), max(1.0, float(grid.max())))
    axis.set_ylim(0, 102)
    axis.set_xlabel("threshold τ, share of each map's maximum")
    axis.set_ylabel("images with a hit, %")


def _precision_recall(axis: Any, document: Mapping[str, Any]) -> None:
    curve = document["curves"]["PxAP"]
    points = [(r, p) for r, p in zip(curve["recall"], curve["precision"], strict=True) if p is not None]
    recall, precision = zip(*reversed(points), strict=True)  # from the highest threshold down, so that recall rises
    # The precision at each recall holds back to the recall before: the area that PxAP adds up.
    colour, dash = STYLES[0]
    label = f"PxAP: {document['values']['PxAP']:.2f} %"
    axis.step(recall, precision, where="pre", color=colour, linestyle=dash, linewidth=1.7, label=label)
    base = precision[-1]
    axis.axhline(
        base, color="#666666", linewidth=1, linestyle=(0, (1, 2)), label=f"precision {base:.3f} at the lowest threshold"
    )
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.01)
    axis.set_xlabel("recall over all pixels")
    axis.set_ylabel("precision")


def _styles(count: int) -> list[tuple[str, str]]:
    return [STYLES[index % len(STYLES)] for index in range(count)]
