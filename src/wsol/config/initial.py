"""Where a network's first weights come from: a released file, or a model that the scale trains itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsol.config.paths import Cell, checkpoint_path
from wsol.data.images import resolve_source
from wsol.errors import ParameterError

CHECKPOINT = re.compile(r"checkpoint:(?P<dataset>[A-Za-z0-9_]+)/(?P<method>[a-z0-9_]+)/s(?P<seed>\d+)")


def source_cell(pretrained: str | None, scale: str, backbone: str) -> Cell | None:
    """The model that `checkpoint:<dataset>/<method>/s<seed>` names, on the same backbone; None for anything else.

    Raises ParameterError for a text that begins with `checkpoint:` and goes on otherwise.
    """
    if not pretrained or not pretrained.startswith("checkpoint:"):
        return None
    found = CHECKPOINT.fullmatch(pretrained)
    if not found:
        raise ParameterError(
            f"params/scales/{scale}.yaml: pretrained {pretrained!r} of {backbone} is not "
            "checkpoint:<dataset>/<method>/s<seed>"
        )
    return Cell(scale, found["dataset"], backbone, found["method"], int(found["seed"]))


def classifier_cell(settings: Mapping[str, Any], seed: int) -> Cell | None:
    """The model that a cell's method keeps as its classifier: the same cell of the method that its settings name.

    settings: those of `wsol.config.resolve.train_settings`. None for a method that trains its whole network.
    """
    if settings["classifier"] is None:
        return None
    return Cell(settings["scale"], settings["dataset"], settings["backbone"], settings["classifier"], seed)


def weights_path(pretrained: str, scale: str, backbone: str) -> Path:
    """The file that `pretrained` of a scale's architecture means; `raw:` is below $WSOL_DATA. It need not exist."""
    cell = source_cell(pretrained, scale, backbone)
    return resolve_source(pretrained) if cell is None else Path(checkpoint_path(cell))
