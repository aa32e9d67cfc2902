"""Train-time methods, one file each, found by name: `wsol.methods.<name>.Method`."""

from __future__ import annotations

import importlib
from typing import Any

from wsol.errors import ParameterError


def load(name: str) -> Any:
    """The module of a method. Raises ParameterError if there is none of that name."""
    try:
        return importlib.import_module(f"wsol.methods.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"wsol.methods.{name}":
            raise
        raise ParameterError(f"method {name!r} has no code: src/wsol/methods/{name}.py does not exist") from error
