"""Which parameter files there are: the names that other files, tables and messages may use."""

from __future__ import annotations

from wsol.config.yamlfile import PARAMS


def all_scales() -> list[str]:
    return sorted(path.stem for path in (PARAMS / "scales").glob("*.yaml"))


def available_methods() -> list[str]:
    """Methods with a parameter file; the order is that of the names."""
    return sorted(path.stem for path in (PARAMS / "methods").glob("*.yaml"))
