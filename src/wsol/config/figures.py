"""The papers' figures: what each shows, and what that is at a scale."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wsol.config.dataset import load_dataset
from wsol.config.method import load_method
from wsol.config.paths import Cell
from wsol.config.scale import Scale, load_scale
from wsol.config.yamlfile import PARAMS, load_yaml
from wsol.errors import ParameterError

BACKBONE = "resnet50"
"""The figures' backbone, as in the papers."""
NEEDS: dict[str, tuple[str, ...]] = {
    "attribution": ("maps",),
    "counterfactual": ("computed",),
    "depths": ("computed",),
    "localisation": ("maps", "scores"),
    "failures": ("maps", "scores"),
}
"""What a kind of figure is drawn from: stored `maps` or `scores` of the test split of every cell (`figure_cells`), or
`computed`, maps of other classes than the image's own, which no map file holds."""
COMPUTED = tuple(kind for kind, needs in NEEDS.items() if "computed" in needs)
ONE_PLACE = ("attribution", *COMPUTED)
"""Kinds that show one data set and one network."""
COMPARING = ("localisation", "failures")
"""Kinds that show a baseline beside what is made from it."""


@functools.cache
def figure_specs() -> dict[str, dict[str, Any]]:
    """Figure name to what params/papers/<paper>/figures.yaml says of it. ParameterError for a name given twice."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((PARAMS / "papers").glob("*/figures.yaml")):
        document = load_yaml(path, "figures")
        for name, figure in document["figures"].items():
            if name in found:
                raise ParameterError(f"{path}: figure {name!r} is already one of {found[name]['file']}; rename it")
            _check(figure, f"{path}: figures.{name}")
            found[name] = {**figure, "paper": document["paper"], "file": str(path)}
    return found


def _check(figure: dict[str, Any], origin: str) -> None:
    """What a schema cannot say of a figure's definition."""
    kind = figure["kind"]
    if kind == "depths" and len(figure["columns"]) != 1:
        raise ParameterError(f"{origin}.columns: a figure of depths shows one method")
    if kind in COMPUTED and any("+" in column["attribution"] for column in figure["columns"]):
        raise ParameterError(f"{origin}.columns: kind {kind} takes plain attributions")
    if kind in ONE_PLACE and (len(figure["datasets"]) != 1 or figure["backbones"] != "one"):
        raise ParameterError(f"{origin}: kind {kind} shows one data set and one backbone")
    if kind in COMPARING:
        roles = [[column["role"] for column in columns] for columns in grouped(figure["columns"]).values()]
        if not roles or any(found != ["baseline", "ours"] for found in roles):
            raise ParameterError(f"{origin}.columns: kind {kind} has groups, each of a baseline and then ours")


def grouped(columns: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Columns by their group, in order; a column without one is a group of its label."""
    found: dict[str, list[dict[str, Any]]] = {}
    for column in columns:
        found.setdefault(column["group"] or column["label"], []).append(column)
    return found


def figures_of(scale: str) -> list[str]:
    """The figures that a scale can have: it has their data sets and methods, and part masks where those are drawn."""
    view = load_scale(scale)
    return [name for name in figure_specs() if _lacking(_spec_here(name, view), view) is None]


def figure_settings(scale: str, name: str) -> dict[str, Any]:
    """All that drawing a figure needs to know. Raises ParameterError where the scale cannot have the figure.

    `places` has an entry a data set and backbone (the data set's backbones in a row); of a kind that shows one place,
    its entries stand at the top as well. `left_out` names the groups of columns that the scale lacks.
    """
    if name not in figure_specs():
        raise ParameterError(f"figure {name!r} is in no figures.yaml; there is {', '.join(figure_specs())}")
    view = load_scale(scale)
    spec = _spec_here(name, view)
    lacking = _lacking(spec, view)
    if lacking:
        raise ParameterError(f"figure {name} cannot be drawn at scale {scale}: {lacking}")
    first = main_backbone(view)
    backbones = view.backbones if spec["backbones"] == "all" else [first]
    places = [
        _place(view, wanted, backbone)
        for wanted in spec["datasets"]
        if wanted in view.stand_ins
        for backbone in backbones
    ]
    kept = [column for column in spec["columns"] if _lacks_column(column, spec, view) is None]
    groups, kept_groups = grouped(spec["columns"]), grouped(kept)
    whole = [group for group in groups if len(groups[group]) == len(kept_groups.get(group, []))]
    columns = [column for group in whole for column in groups[group]]
    return {
        "name": name,
        **{key: spec[key] for key in ("letter", "kind", "title", "paper", "source", "images", "depths", "options")},
        "scale": scale,
        "image_size": view.image_size,
        **(places[0] if spec["kind"] in ONE_PLACE else {}),
        "places": places,
        "columns": [
            {**column, "options": load_method(column["method"])["attributions"][column["attribution"]]}
            for column in columns
        ],
        "left_out": [group for group in groups if group not in whole],
    }


def figure_cells(settings: dict[str, Any]) -> list[tuple[Cell, str]]:
    """(cell, attribution) of every column in every place of resolved settings: places in order, columns within."""
    return [
        (Cell(**place["cell"], method=column["method"]), column["attribution"])
        for place in settings["places"]
        for column in settings["columns"]
    ]


def figure_datasets(settings: dict[str, Any]) -> list[str]:
    """The data sets of a figure's places, each once, in order."""
    return list(dict.fromkeys(place["dataset"] for place in settings["places"]))


def main_backbone(view: Scale) -> str:
    """What a figure of one backbone shows: the papers' where the scale has it, else its first."""
    return BACKBONE if BACKBONE in view.backbones else view.backbones[0]


def _spec_here(name: str, view: Scale) -> dict[str, Any]:
    """The figure's definition, with the methods that its columns mean at a scale."""
    spec = figure_specs()[name]
    columns = [{**column, "method": view.method_here(column["method"])} for column in spec["columns"]]
    return {**spec, "columns": columns}


def _place(view: Scale, wanted: str, backbone: str) -> dict[str, Any]:
    shown = view.stand_in(wanted)
    return shown | {
        "superset_rule": load_dataset(shown["dataset"])["supersets"]["rule"],
        "reader": load_dataset(shown["dataset"])["reader"],
        "cell": {"scale": view.name, "dataset": shown["dataset"], "backbone": backbone, "seed": view.seeds[0]},
    }


def _lacking(spec: dict[str, Any], view: Scale) -> str | None:
    """What a scale lacks for a figure, or None.

    Data sets and groups of columns that a scale lacks are left out, unless none is left. Of a kind that shows one
    place every column must be there: the columns are what it compares.
    """
    datasets = [view.stand_ins[wanted] for wanted in spec["datasets"] if wanted in view.stand_ins]
    if not datasets:
        return f"{_file(view)} has no stand-in for {' or '.join(spec['datasets'])}"
    lacks = {
        group: [found for column in columns if (found := _lacks_column(column, spec, view))]
        for group, columns in grouped(spec["columns"]).items()
    }
    reasons = [found for group in lacks.values() for found in group]
    if reasons and (spec["kind"] in ONE_PLACE or all(lacks.values())):
        return reasons[0]
    if spec["kind"] == "counterfactual" and not find_spec(f"wsol.data.cues.{load_dataset(datasets[0])['reader']}"):
        return f"the parts of {datasets[0]} are not known"
    return None


def _lacks_column(column: dict[str, Any], spec: dict[str, Any], view: Scale) -> str | None:
    method, attribution = column["method"], column["attribution"]
    if method not in view.methods:
        return f"method {method!r} is none of this scale"
    settings = load_method(method)
    if attribution not in settings["attributions"]:
        return f"params/methods/{method}.yaml lists no attribution {attribution!r}"
    unused = [name for name in spec["datasets"] if name not in settings.get("datasets", [name])]
    return f"method {method!r} is not for {unused[0]}" if unused else None


def _file(view: Scale) -> Path:
    return PARAMS / "scales" / f"{view.name}.yaml"
