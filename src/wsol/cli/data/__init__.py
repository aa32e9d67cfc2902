"""Render synthetic images, prepare manifests of any data set, or draw a contact sheet."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wsol.cli.common import environment_input
from wsol.errors import ParameterError

if TYPE_CHECKING:
    from pathlib import Path

VERBS = ("render", "prepare", "preview")


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in VERBS:
        if argv and argv[0] not in ("-h", "--help"):
            raise ParameterError(f"wsol data: no verb {argv[0]!r}; there is {', '.join(VERBS)}")
        print(f"usage: wsol data {{{','.join(VERBS)}}} [options]\n\n{__doc__}")
        return 0
    return int(importlib.import_module(f"wsol.cli.data.{argv[0]}").main(argv[1:]))


def cell_of(settings_path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The data set's cell: its scale stands in the path of the resolved settings."""
    return {"scale": settings_path.parts[1], "dataset": settings["name"]}


def common_inputs(settings: Path) -> dict[str, Any]:
    return {"settings": settings, "environment": environment_input(settings)}
