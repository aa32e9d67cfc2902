"""Which files a figure of curves is drawn from, told from its resolved settings alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsol.config import paths
from wsol.config.paths import Cell

OF_MASKS = ("resolution", "resolution_pictures")
"""Kinds that show the true masks of one data set, and no network."""
SEARCHES = ("search", "draws")
"""Kinds that show the draws of searches, one file a line whatever the seeds."""


def line_files(settings: Mapping[str, Any]) -> list[str]:
    """Panel by panel, line by line, seed by seed; `settings` as `wsol.config.curve_figures.curve_settings` gives."""
    if settings["kind"] in SEARCHES:
        return [line["draws"] for panel in settings["panels"] for line in panel["lines"]]
    return [
        _path(settings["kind"], cell, line["attribution"])
        for panel in settings["panels"]
        for line in panel["lines"]
        for cell in line_cells(settings, panel, line)
    ]


def line_cells(settings: Mapping[str, Any], panel: Mapping[str, Any], line: Mapping[str, Any]) -> list[Cell]:
    """The networks of one line, one a seed."""
    return [
        Cell(settings["scale"], panel["dataset"], panel["backbone"], line["method"], seed) for seed in settings["seeds"]
    ]


def _path(kind: str, cell: Cell, attribution: str) -> str:
    if kind == "thresholds":
        return paths.score_path(cell, attribution, "test")
    if kind == "activations":
        return paths.maps_path(cell, attribution, "test")
    return paths.history_path(cell)
