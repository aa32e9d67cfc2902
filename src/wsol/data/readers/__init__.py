"""One module a data set's layout. A reader is a module here with `read(source, options) -> Splits`; its name is its
key."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from wsol.errors import ParameterError


def available() -> list[str]:
    """The names of all readers, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def module_path(name: str) -> Path:
    """The file of a reader: an input of whatever it makes."""
    if name not in available():
        raise ParameterError(f"reader {name!r}: no such reader; use one of {', '.join(available())}")
    return Path(__file__).parent / f"{name}.py"


def get_reader(name: str) -> ModuleType:
    module_path(name)
    return importlib.import_module(f"{__name__}.{name}")
