"""The file between `wsol figure_maps` and `wsol paper_figure`: native maps of each panel, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol.errors import DataError

if TYPE_CHECKING:
    import numpy as np


def write_figure_maps(
    path: str | Path, figure: str, rows: Sequence[Mapping[str, Any]], maps: Sequence[Sequence[np.ndarray]]
) -> None:
    """Native maps (h, w) of each row's panels, which may differ in size, with what was chosen."""
    from wsol.files import save_tensors

    tensors = {_name(row, panel): one for row, panels in enumerate(maps) for panel, one in enumerate(panels)}
    save_tensors(path, tensors, {"figure": figure, "rows": list(rows), "panels": [len(panels) for panels in maps]})


def read_figure_maps(
    path: str | Path, figure: str, manifest: Any
) -> tuple[list[dict[str, Any]], list[list[np.ndarray]]]:
    """(rows, maps) of `write_figure_maps`. DataError where the file is absent or of another figure or manifest."""
    from wsol.files import load_tensors

    tensors, header = load_tensors(path)
    if header.get("figure") != figure:
        raise DataError(f"{path}: holds maps of figure {header.get('figure')!r}, not of {figure!r}; make it again")
    for row in header["rows"]:
        index = row["image"]
        if index >= len(manifest) or manifest.image_ids[index] != row["image_id"]:
            raise DataError(f"{path}: image {row['image_id']!r} is not at row {index} of the manifest; make it again")
    counts = header["panels"]
    return header["rows"], [[tensors[_name(row, panel)] for panel in range(count)] for row, count in enumerate(counts)]


def _name(row: int, panel: int) -> str:
    return f"row{row}.panel{panel}"
