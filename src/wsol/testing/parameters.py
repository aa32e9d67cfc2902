"""Parameter files that a test edits."""

from __future__ import annotations

from wsol.config.dataset import load_dataset, load_metric
from wsol.config.method import load_method
from wsol.config.scale import load_scale
from wsol.reports.catalogue import table_specs


def forget() -> None:
    """Read every parameter file anew: they are read once a process, and a test has edited one or changed the folder."""
    for cached in (load_scale, load_method, load_dataset, load_metric, table_specs):
        cached.cache_clear()
