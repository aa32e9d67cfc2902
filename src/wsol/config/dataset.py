"""Parameter files of data sets, and of the metrics that they name."""

from __future__ import annotations

import functools
from typing import Any

from wsol.config.yamlfile import PARAMS, load_yaml
from wsol.errors import ParameterError


@functools.cache
def load_dataset(name: str) -> dict[str, Any]:
    settings = load_yaml(PARAMS / "datasets" / f"{name}.yaml", "dataset")
    if settings["name"] != name:
        raise ParameterError(f"params/datasets/{name}.yaml: name is {settings['name']!r}; it must be the file's name")
    return settings


@functools.cache
def load_metric(name: str) -> dict[str, Any]:
    return load_yaml(PARAMS / "metrics" / f"{name}.yaml", "metric")
