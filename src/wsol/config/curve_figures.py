"""What the papers' figures of curves are at a scale: panels, lines, and what the scale lacks of them."""

from __future__ import annotations

from typing import Any

from wsol.config.curve_lines import OF_MASKS, SEARCHES
from wsol.config.curve_specs import curve_specs
from wsol.config.dataset import load_dataset
from wsol.config.figures import main_backbone
from wsol.config.method import load_method
from wsol.config.scale import Scale, load_scale
from wsol.errors import ParameterError


def curves_of(scale: str) -> list[str]:
    """The figures of curves of which a scale can have a panel, but for those that train what no table shows."""
    asked = [name for name, spec in curve_specs().items() if spec["kind"] not in SEARCHES]
    return [name for name in asked if _lacking(name, load_scale(scale)) is None]


def curve_settings(scale: str, name: str) -> dict[str, Any]:
    """All that drawing a figure of curves needs to know. ParameterError where the scale has none of its panels.

    `panels` are those the scale has, row by row: each with its data set, backbone and lines, each line with its method
    and attribution. What the scale lacks of the figure is in `left_out`, in words.
    """
    if name not in curve_specs():
        raise ParameterError(f"figure {name!r} is in no curves.yaml; there is {', '.join(curve_specs())}")
    view = load_scale(scale)
    spec = _spec_here(name, view)
    lacking = _lacking(name, view)
    if lacking:
        raise ParameterError(f"figure {name} cannot be drawn at scale {scale}: {lacking}")
    used = [dataset for dataset in spec["datasets"] if dataset in view.stand_ins]
    return {
        "name": name,
        **{
            key: spec[key]
            for key in ("number", "kind", "title", "paper", "source", "factors", "images", "option", "symbol")
        },
        "scale": scale,
        "image_size": view.image_size,
        "seeds": view.seeds,
        "datasets": [_dataset(paper_name, view) for paper_name in used],
        "panels": _panels(spec, view),
        "left_out": _left_out(spec, view),
        **({"least_accuracy": view.settings["search"]["least_accuracy"]} if spec["kind"] == "draws" else {}),
    }


def _spec_here(name: str, view: Scale) -> dict[str, Any]:
    """The figure's definition, with the methods that its lines mean at a scale."""
    spec = curve_specs()[name]
    rows = [
        {**row, "lines": [{**line, "method": view.method_here(line["method"])} for line in row["lines"]]}
        for row in spec["rows"]
    ]
    return {**spec, "rows": rows}


def _panels(spec: dict[str, Any], view: Scale) -> list[dict[str, Any]]:
    return [
        {
            "row": row["label"],
            "dataset": view.stand_ins[dataset],
            "backbone": backbone,
            "lines": [_line(spec["kind"], line, view, view.stand_ins[dataset], backbone) for line in row["lines"]],
        }
        for dataset in spec["datasets"]
        if dataset in view.stand_ins
        for row in spec["rows"]
        if not _missing(row, view, view.stand_ins[dataset])
        for backbone in _backbones(spec["kind"], view)
    ]


def _backbones(kind: str, view: Scale) -> list[str]:
    """All, but for the draws of many searches: a row there is a method, and its columns are data sets."""
    return [main_backbone(view)] if kind == "draws" else view.backbones


def _line(kind: str, line: dict[str, Any], view: Scale, dataset: str, backbone: str) -> dict[str, Any]:
    # These build on this module.
    from wsol.config.resolve import train_settings
    from wsol.config.search import search_folder

    if kind not in ("convergence", *SEARCHES):
        return line
    settings = train_settings(view.name, dataset, backbone, line["method"])
    line = {**line, "metric": settings["selection"]["headline_metric"]}
    if kind in SEARCHES:
        return {**line, "draws": f"{search_folder(view.name, dataset, backbone, line['method'])}/draws.csv"}
    return {**line, "checkpoint": settings["hyperparameters"]["checkpoint"]}


def _missing(row: dict[str, Any], view: Scale, dataset: str) -> str | None:
    """The first of the row's methods that the scale does not have on a data set."""
    for line in row["lines"]:
        method = line["method"]
        if method not in view.methods or dataset not in {cell.dataset for cell in view.cells(method)}:
            return str(method)
        if line["attribution"] not in load_method(method)["attributions"]:
            raise ParameterError(f"params/methods/{method}.yaml lists no attribution {line['attribution']!r}")
    return None


def _left_out(spec: dict[str, Any], view: Scale) -> list[str]:
    found = [f"{dataset} (no stand-in)" for dataset in spec["datasets"] if dataset not in view.stand_ins]
    missing = [
        row["label"]
        for row in spec["rows"]
        if any(_missing(row, view, view.stand_ins[name]) for name in spec["datasets"] if name in view.stand_ins)
    ]
    return found + missing


def _dataset(paper_name: str, view: Scale) -> dict[str, Any]:
    shown = view.stand_in(paper_name)
    return shown | {"localisation": load_dataset(shown["dataset"])["localisation"]}


def _lacking(name: str, view: Scale) -> str | None:
    spec = _spec_here(name, view)
    used = [view.stand_ins[dataset] for dataset in spec["datasets"] if dataset in view.stand_ins]
    if not used:
        return f"params/scales/{view.name}.yaml has no stand-in for {' or '.join(spec['datasets'])}"
    if spec["kind"] in OF_MASKS:
        localisation = load_dataset(used[0])["localisation"]
        return None if localisation == "masks" else f"{used[0]} has {localisation} and no masks"
    if not _panels(spec, view):
        return "it has no pair of methods that the figure compares"
    return None
