"""Which tables there are: every params/papers/<paper>/*.yaml that defines rows and columns, by its id."""

from __future__ import annotations

import functools
from pathlib import Path

import yaml

from wsol.config.yamlfile import PARAMS
from wsol.errors import ParameterError


@functools.cache
def table_specs() -> dict[str, Path]:
    """Table id to the file that defines it. Raises ParameterError for an id that two files claim."""
    found: dict[str, Path] = {}
    for path in sorted((PARAMS / "papers").glob("*/*.yaml")):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ParameterError(f"{path}: not valid YAML: {error}") from error
        if not isinstance(content, dict) or not {"id", "rows", "columns"} <= set(content):
            continue
        name = content["id"]
        if name in found:
            raise ParameterError(f"{path}: table id {name!r} is already that of {found[name]}; give it another")
        found[name] = path
    return found
