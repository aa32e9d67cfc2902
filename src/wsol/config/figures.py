"""The papers' figures: what each shows, and what that is at a scale."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from wsol.config.scale import Scale, load_dataset, load_method, load_scale
from wsol.config.yamlfile import PARAMS, load_yaml
from wsol.errors import ParameterError

BACKBONE = "resnet50"
"""The figures' backbone, as in the paper; a scale without it shows its first."""
COMPUTED = ("counterfactual", "depths")
"""Kinds that need the maps of other classes than the image's own, which no map file holds."""


@functools.cache
def figure_specs() -> dict[str, dict[str, Any]]:
    """Figure name to what params/papers/<paper>/figures.yaml says of it. ParameterError for a name given twice."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((PARAMS / "papers").glob("*/figures.yaml")):
        document = load_yaml(path, "figures")
        for name, figure in document["figures"].items():
            if name in found:
                raise ParameterError(f"{path}: figure {name!r} is already one of {found[name]['file']}; rename it")
            if figure["kind"] == "depths" and len(figure["columns"]) != 1:
                raise ParameterError(f"{path}: figures.{name}.columns: a figure of depths shows one method")
            if figure["kind"] in COMPUTED and any("+" in column["attribution"] for column in figure["columns"]):
                raise ParameterError(f"{path}: figures.{name}.columns: kind {figure['kind']} takes plain attributions")
            found[name] = {**figure, "paper": document["paper"], "file": str(path)}
    return found


def figures_of(scale: str) -> list[str]:
    """The figures that a scale can have: it has their data set and methods, and part masks where those are drawn."""
    view = load_scale(scale)
    return [name for name in figure_specs() if _lacking(figure_specs()[name], view) is None]


def figure_settings(scale: str, name: str) -> dict[str, Any]:
    """All that drawing a figure needs to know. Raises ParameterError where the scale cannot have the figure."""
    if name not in figure_specs():
        raise ParameterError(f"figure {name!r} is in no figures.yaml; there is {', '.join(figure_specs())}")
    spec, view = figure_specs()[name], load_scale(scale)
    lacking = _lacking(spec, view)
    if lacking:
        raise ParameterError(f"figure {name} cannot be drawn at scale {scale}: {lacking}")
    dataset = view.stand_ins[spec["dataset"]]
    settings = load_dataset(dataset)
    backbone = BACKBONE if BACKBONE in view.backbones else view.backbones[0]
    return {
        "name": name,
        **{key: spec[key] for key in ("letter", "kind", "title", "paper", "source", "images", "depths")},
        "scale": scale,
        "image_size": view.image_size,
        "dataset": dataset,
        "dataset_title": settings["title"],
        "stands_in_for": None if dataset == spec["dataset"] or view.settings["is_paper"] else spec["dataset"],
        "synthetic": settings["reader"] == "synthetic",
        "superset_rule": settings["supersets"]["rule"],
        "cell": {"scale": scale, "dataset": dataset, "backbone": backbone, "seed": view.seeds[0]},
        "columns": [
            {**column, "options": load_method(column["method"])["attributions"][column["attribution"]]}
            for column in spec["columns"]
        ],
    }


def _lacking(spec: dict[str, Any], view: Scale) -> str | None:
    """What a scale lacks for a figure, or None."""
    dataset = view.stand_ins.get(spec["dataset"])
    if dataset is None:
        return f"{_file(view)} has no stand-in for {spec['dataset']}"
    for column in spec["columns"]:
        method, attribution = column["method"], column["attribution"]
        if method not in view.methods:
            return f"method {method!r} is none of this scale"
        if attribution not in load_method(method)["attributions"]:
            return f"params/methods/{method}.yaml lists no attribution {attribution!r}"
    # Real birds have keypoints of their parts and no masks.
    if spec["kind"] == "counterfactual" and load_dataset(dataset)["reader"] != "synthetic":
        return f"{dataset} has no part masks to compare with"
    return None


def _file(view: Scale) -> Path:
    return PARAMS / "scales" / f"{view.name}.yaml"
