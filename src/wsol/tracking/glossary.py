"""What people read beside the numbers: the experiments, the metrics, and the columns worth showing first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from wsol.tracking.names import run_name

VIEW = "wsol"
"""The name of the saved view of each experiment."""


def view_address(experiment: str, *, curves: bool = False) -> str:
    """The part of the URL after the host that opens an experiment's saved view, as a table or as curves side by side.

    `workflowType` chooses MLflow's menus for training; without it they are those for language-model applications.
    """
    address = f"#/experiments/{experiment}/runs?viewStateShareKey={VIEW}&workflowType=machine_learning"
    return f"{address}&compareRunsMode=CHART" if curves else address


_EXPERIMENTS = {
    "data": "Data sets as rendered or read: how many images and classes each split has.",
    "train": "One run a trained network: loss and accuracy at every epoch, and localisation on train-fullsup.",
    "search": "One run a draw of hyperparameters: what was tried, its curve, how it ended; and one run a choice.",
    "maps": "One run a set of score maps: which attribution on which split, how many, how fast.",
    "scores": "One run a scored set of maps: localisation and classification, the numbers that tables are made of.",
    "removal": "One run an attribution: images still right without the pixels that it points at, against random ones.",
    "cues": "One run a set of maps of pairs of classes, scored against the parts in which the classes differ.",
    "reports": "Tables and figures: what was measured, what is still missing.",
}

# In the order in which columns are shown: the pattern of a metric's name, whether it is a headline, its meaning.
_METRICS: list[tuple[str, bool, str]] = [
    (r"MaxBoxAccV2", True, "mean over IoU 0.3, 0.5, 0.7 of the best share of images whose box is right (all contours)"),
    (r"MaxBoxAcc(?!V2)", True, "best share of images whose box has IoU ≥ 0.5 with a true one (largest contour)"),
    (r"PxAP", True, "area under the pixel precision–recall curve over all thresholds"),
    (r"BoxAcc", False, "share of images whose box is right, at the IoU level and threshold of the name"),
    (r"R@", True, "right without the highest pixels over right without random ones, at that share; lower is better"),
    (r"point", True, "share of images whose highest score lies on the object"),
    (r"top[-_ ]?1", True, "top-1: class right, and the box too where the name says Loc or localisation"),
    (r"top[-_ ]?5", False, "top-5: true class among the first five, and the box right where the name says Loc"),
    (r"localisation", True, "the data set's headline localisation metric on this split (MaxBoxAccV2 or PxAP)"),
    (r"acc(uracy)?(?![a-z])", True, "share of images whose class is right"),
    (r"loss", True, "mean training objective of the epoch; lower is better"),
    (r"(^|[/_.])(lr|learning_rate)", False, "learning rate at that step"),
    (r"images_per_second|throughput", True, "images processed a second, loading included"),
    (r"seconds|(^|[/_.])time", False, "wall-clock seconds"),
    (r"missing", True, "cells of the table that have no number yet"),
    (r"measured", True, "cells of the table with a number of this project"),
    (r"(^|[/_.])(images|classes|cells)", True, "how many there are"),
]

_MAX_METRIC_COLUMNS = 7
_RUN_NAME_WIDTH, _METRIC_WIDTH = 400, 145  # pixels
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_SECONDARY = re.compile(r"frozen|^train-fullsup", re.IGNORECASE)


def experiment_note(layer: str, address: str) -> str:
    """Markdown for the experiment's page; `address` is the part of the URL after the host that opens the saved view."""
    about = _EXPERIMENTS.get(layer, f"Jobs of the layer {layer}.")
    return (
        f"{about}\n\n[Open the saved view]({address}): the columns that matter, without replaced runs. "
        "The tag `repro.key` names the job; of its runs the newest has `superseded` = false. "
        "Nothing reads these runs: tables come from the files in results/, and `wsol trace` shows how."
    )


def run_note(start: Mapping[str, Any], metric_names: Iterable[str]) -> str:
    """Markdown for a run's page: what it is, how to make it again, what its metrics mean."""
    tags = start.get("tags", {})
    lines = [f"**{str(start.get('layer', '')).capitalize()}** of {run_name(start.get('cell', {}))}.", ""]
    commands = []
    if _COMMIT.fullmatch(str(tags.get("git.commit", ""))):
        commands.append(f"git checkout {tags['git.commit']}")
    if tags.get("target"):
        commands.append(f"snakemake --cores all {tags['target']}")
    elif start.get("command"):
        commands.append(str(start["command"]))
    if commands:
        lines += ["Make it again:", "", "```sh", *commands, "```"]
    if str(tags.get("git.dirty", "")).lower() == "true":
        lines += ["", "The working tree had changes that the commit does not have."]
    meanings = [(name, meaning(name)) for name in sorted(metric_names)]
    known = [f"- `{name}`: {text}" for name, text in meanings if text]
    return "\n".join([*lines, "", "What the metrics mean:", "", *known] if known else lines)


def meaning(metric: str) -> str | None:
    """What a metric is, by its name; None for one that the glossary does not have."""
    rank = _rank(metric)
    if rank is None:
        return None
    return _METRICS[rank][2] + (", for the weights that the run keeps" if metric.startswith("final/") else "")


def saved_view(metric_names: Iterable[str]) -> str:
    """The state of MLflow's run table as JSON: current runs only; a name wide enough to read, and headline metrics.

    The run's name says its whole cell, so columns for the cell are left to whoever wants to sort by them.
    """
    metrics = [f"metrics.`{name}`" for name in headline_metrics(metric_names)]
    name, created, duration = "attributes.`Run Name`", "runDateAndNestInfo", "attributes.`Duration`"
    view = {
        "searchFilter": "tags.superseded = 'false'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "selectedColumns": [duration, *metrics],
        "columnOrder": [name, created, *metrics, duration],
        "columnWidths": {name: _RUN_NAME_WIDTH} | dict.fromkeys(metrics, _METRIC_WIDTH),
        "runsHiddenMode": "FIRST_20_RUNS",
    }
    return json.dumps(view, sort_keys=True)


def headline_metrics(metric_names: Iterable[str]) -> list[str]:
    """At most seven metrics, the most telling first: results before what explains them, test before other splits."""
    ranked = sorted((_order(name), name) for name in set(metric_names))
    return [name for _, name in ranked[:_MAX_METRIC_COLUMNS]]


def primary_metric(metric_names: Iterable[str]) -> str | None:
    return next(iter(headline_metrics(metric_names)), None)


def _order(metric: str) -> tuple[bool, bool, int, bool]:
    rank = _rank(metric)
    if rank is None:
        return True, True, len(_METRICS), True
    return bool(_SECONDARY.search(metric)), not _METRICS[rank][1], rank, not metric.startswith("final/")


def _rank(metric: str) -> int | None:
    return next((n for n, (rule, _, _) in enumerate(_METRICS) if re.search(rule, metric, re.IGNORECASE)), None)
