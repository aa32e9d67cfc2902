"""Metrics by name: the modules of this package that have a class `Metric` (`wsol.metrics.blocks.MetricType`).

A metric is such a module and a parameter file `params/metrics/<module>.yaml`; nothing knows the metrics by name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

import wsol.metrics
from wsol.errors import ParameterError
from wsol.metrics.blocks import MetricType


def metric_names() -> list[str]:
    """Modules of `wsol.metrics` that are metrics of the score job."""
    modules = [module.name for module in pkgutil.iter_modules(wsol.metrics.__path__)]
    return [name for name in modules if _find(name) is not None]


def metric_type(name: str) -> type[MetricType]:
    """The class `Metric` of `wsol.metrics.<name>`; raises ParameterError for a name that is no metric."""
    found = _find(name) if name.isidentifier() else None
    if found is None:
        raise ParameterError(f"metric {name!r} is not known; the metrics are {', '.join(metric_names())}")
    return found


def _find(name: str) -> type[MetricType] | None:
    module = f"{wsol.metrics.__name__}.{name}"
    try:
        return getattr(importlib.import_module(module), "Metric", None)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None


def applicable(metrics: Sequence[str], available: Sequence[str]) -> list[str]:
    """Those of `metrics` that need nothing but what is available of "boxes", "masks" and "predictions"."""
    return [name for name in metrics if set(metric_type(name).needs) <= set(available)]
