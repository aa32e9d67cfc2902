"""The modules that a job of each layer starts from, those found by name at run time included.

The workflow turns them into input files and the job records them in its sidecar, so both speak of the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wsol.config.cues import cue_module
from wsol.config.dataset import load_dataset
from wsol.config.method import load_method
from wsol.config.timing import timing_settings


def render_roots() -> list[str]:
    return ["wsol.cli.data.render"]


def preview_roots() -> list[str]:
    return ["wsol.cli.data.preview"]


def table_roots() -> list[str]:
    return ["wsol.cli.table"]


def center_roots() -> list[str]:
    return ["wsol.cli.center"]


def picture_roots() -> list[str]:
    return ["wsol.cli.figure"]


def figure_map_roots(settings: Mapping[str, Any]) -> list[str]:
    """Of a figure's resolved settings (`wsol.config.figures.figure_settings`)."""
    parts = [f"wsol.data.cues.{settings['reader']}"] if settings["kind"] == "counterfactual" else []
    return [
        "wsol.cli.figure_maps",
        *parts,
        f"wsol.models.backbones.{settings['cell']['backbone']}",
        *sorted({method_module(column["method"]) for column in settings["columns"]}),
        *sorted({module for column in settings["columns"] for module in attribution_modules(column["attribution"])}),
    ]


def paper_figure_roots() -> list[str]:
    return ["wsol.cli.paper_figure"]


def paper_curve_roots() -> list[str]:
    return ["wsol.cli.paper_curves"]


def manifest_roots(reader: str) -> list[str]:
    return ["wsol.cli.data.prepare", f"wsol.data.readers.{reader}"]


def superset_roots() -> list[str]:
    return ["wsol.cli.supersets"]


def train_roots(dataset: str, backbone: str, method: str, attribution: str) -> list[str]:
    """Training selects its best epoch by localisation on train-fullsup: maps and metrics are part of it."""
    return [
        "wsol.cli.train",
        f"wsol.models.backbones.{backbone}",
        method_module(method),
        *attribution_modules(attribution),
        _metric_modules(dataset)[0],
    ]


def draw_roots(dataset: str, backbone: str, method: str, attribution: str) -> list[str]:
    """A draw of a search trains as `wsol.cli.train` does."""
    return ["wsol.cli.search.draw", *train_roots(dataset, backbone, method, attribution)[1:]]


def choose_roots() -> list[str]:
    return ["wsol.cli.search.choose"]


def map_roots(backbone: str, method: str, attribution: str) -> list[str]:
    return [
        "wsol.cli.maps",
        f"wsol.models.backbones.{backbone}",
        method_module(method),
        *attribution_modules(attribution),
    ]


def image_free_map_roots(method: str) -> list[str]:
    return ["wsol.cli.maps", method_module(method)]


def score_roots(dataset: str) -> list[str]:
    return ["wsol.cli.score", *_metric_modules(dataset)]


def removal_roots(backbone: str, method: str) -> list[str]:
    """The network alone: which attribution made the maps is in the maps."""
    return ["wsol.cli.removal", f"wsol.models.backbones.{backbone}", method_module(method)]


def removal_report_roots() -> list[str]:
    return ["wsol.cli.removal_report"]


def timing_roots(scale: str, backbone: str) -> list[str]:
    """Of the networks and attributions that are timed at a scale (`wsol.config.timing.timing_settings`)."""
    rows = timing_settings(scale, backbone)["rows"]
    modules = {f"wsol.models.heads.{row['head']}" for row in rows}
    modules |= {module for row in rows for module in attribution_modules(row["attribution"])}
    modules |= {"wsol.models.families.fcam" for row in rows if row["decoder"]}
    return ["wsol.cli.time_maps", f"wsol.models.backbones.{backbone}", *sorted(modules)]


def timing_report_roots() -> list[str]:
    return ["wsol.cli.timing_report"]


def architecture_roots(backbones: Iterable[str]) -> list[str]:
    return ["wsol.cli.architecture", "wsol.models.heads.cam", *(f"wsol.models.backbones.{name}" for name in backbones)]


def claims_roots() -> list[str]:
    return ["wsol.cli.claims"]


def cue_roots(dataset: str, backbone: str, method: str, attribution: str) -> list[str]:
    return [
        "wsol.cli.cues",
        f"wsol.models.backbones.{backbone}",
        method_module(method),
        f"wsol.attribution.{cue_module(method, attribution)}",
        f"wsol.data.cues.{load_dataset(dataset)['reader']}",
    ]


def cue_table_roots() -> list[str]:
    return ["wsol.cli.cue_table"]


def method_module(method: str) -> str:
    """Several methods may share code and differ in their parameters: `code` of their files."""
    return f"wsol.methods.{load_method(method)['code']}"


def attribution_modules(attribution: str) -> list[str]:
    """`cam+superset` is computed by wsol.attribution.cam and wsol.attribution.superset."""
    return [f"wsol.attribution.{part}" for part in attribution.split("+")]


def _metric_modules(dataset: str) -> list[str]:
    return [f"wsol.metrics.{name}" for name in load_dataset(dataset)["metrics"]]
