"""Parameter files that a test edits."""

from __future__ import annotations

from wsol.config import scale
from wsol.reports.catalogue import table_specs


def forget() -> None:
    """Read every parameter file anew: they are read once a process, and a test has edited one or changed the folder."""
    for cached in (scale.load_scale, scale.load_method, scale.load_dataset, scale.load_metric, table_specs):
        cached.cache_clear()
