"""From parameter files to the settings of one job, and those settings as files.

A job depends on its own resolved settings, not on the YAML files that hold everybody's: adding a method to a scale, or
changing one learning rate, touches only the jobs whose settings it changes. The files are written when Snakemake
builds its graph, and only where their text differs, so their time stamps mean something; `wsol verify` computes the
expected texts anew and trusts no time stamp.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from wsol.config import paths
from wsol.config.cues import cue_settings
from wsol.config.curve_figures import curve_settings
from wsol.config.dataset import load_dataset, load_metric
from wsol.config.figures import figure_settings
from wsol.config.initial import source_cell
from wsol.config.method import load_method
from wsol.config.names import all_scales
from wsol.config.scale import load_scale
from wsol.config.searched import searched_layer
from wsol.config.timing import timing_settings
from wsol.config.yamlfile import PARAMS, check, load_yaml
from wsol.errors import ParameterError
from wsol.files import canonical_json, write_json_if_changed

# What computes: another version of one of these may change a job's bytes.
NUMERIC_PACKAGES = ("numba", "numpy", "opencv-python-headless", "pillow", "pyarrow", "safetensors", "torch")

SELECTS = {"boxes": ("MaxBoxAcc", "MaxBoxAccV2"), "masks": ("PxAP",)}
"""First metric of a data set → the values of it that may choose an epoch."""

NOT_OF_DATA = ("backbones", "methods", "threads")
"""Options of a data set at a scale that say what is done with it, and change nothing in it."""


def hyperparameters(method: str, scale: str, dataset: str, backbone: str, *, searched: bool = True) -> dict[str, Any]:
    """The method's hyperparameters for one cell: its layers in order, later ones override, `options` key by key.

    A layer applies if every key of its `when` (scale, dataset, backbone; a value or a list) matches the cell. Layers of
    the method that it inherits come first. What was adopted from a search of the cell is the last layer of its method;
    a method without such a file has its next ancestor's that has one. With `searched` False none is used.
    """
    cell = {"scale": scale, "dataset": dataset, "backbone": backbone}
    result: dict[str, Any] = {}
    for layer in _layers(method, cell, searched):
        if all(cell[key] in (value if isinstance(value, list) else [value]) for key, value in layer["when"].items()):
            result |= layer["set"] | {"options": result.get("options", {}) | layer["set"].get("options", {})}
    check(result, "hyperparameters", f"params/methods/{method}.yaml, resolved for {scale}/{dataset}/{backbone}")
    return result


def _layers(method: str, cell: Mapping[str, str], searched: bool) -> list[dict[str, Any]]:
    settings = load_method(method)
    found = searched_layer(**cell, method=method) if searched else None
    # A method with a search of its own is trained as its draws were, which knew of no other search.
    parent = settings["inherits"]
    inherited = _layers(parent, cell, searched and found is None) if parent else []
    return [*inherited, *settings["hyperparameters"], *([{"when": {}, **found}] if found else [])]


def data_settings(scale: str, dataset: str) -> dict[str, Any]:
    settings = load_dataset(dataset)
    return {
        "name": dataset,
        "reader": settings["reader"],
        "source": settings["source"],
        "localisation": settings["localisation"],
        "counts": settings["counts"],
        "sha256": settings["sha256"],
        "image_size": load_scale(scale).image_size,
        "options": {key: value for key, value in _dataset_options(scale, dataset).items() if key not in NOT_OF_DATA},
    }


def superset_settings(scale: str, dataset: str) -> dict[str, Any]:
    return {"dataset": dataset, **load_dataset(dataset)["supersets"]}


def train_settings(scale: str, dataset: str, backbone: str, method: str, *, searched: bool = True) -> dict[str, Any]:
    view, options = load_scale(scale), _dataset_options(scale, dataset)
    if backbone not in view.settings["backbones"]:
        raise ParameterError(
            f"params/scales/{scale}.yaml: backbone {backbone!r} is not of this scale ({', '.join(view.backbones)})"
        )
    if options["methods"] is not None and method not in options["methods"]:
        raise ParameterError(
            f"params/scales/{scale}.yaml: data set {dataset!r} is for {', '.join(options['methods'])} alone, "
            f"not for {method!r}"
        )
    architecture = view.settings["backbones"][backbone] | options["backbones"].get(backbone, {})
    settings = load_method(method)
    hyper = hyperparameters(method, scale, dataset, backbone, searched=searched)
    return {
        "scale": scale,
        "dataset": dataset,
        "backbone": backbone,
        "method": method,
        "code": settings["code"],
        "classifier": None if settings["classifier"] is None else view.method_here(settings["classifier"]),
        "image_size": view.image_size,
        "resize": view.settings["resize"],
        "threads": options["threads"] or view.settings["threads"],
        "architecture": architecture | {"pretrained": _pretrained(architecture, scale, dataset, backbone, method)},
        "selection": selection_settings(scale, dataset, hyper.get("selection_metric")),
        **_validation_attribution(method),
        "hyperparameters": hyper,
    }


def _pretrained(architecture: Mapping[str, Any], scale: str, dataset: str, backbone: str, method: str) -> str | None:
    """The first weights of a cell; the method that others start from starts from nothing."""
    if load_method(method)["classifier"] is not None:
        return None  # it comes with weights, and what is new beside it has none
    chosen = architecture["pretrained"]
    source = source_cell(chosen, scale, backbone)
    if source is not None:
        _dataset_options(scale, source.dataset)
        load_method(source.method)
        if source.method == method:
            if source.dataset != dataset:
                raise ParameterError(
                    f"params/scales/{scale}.yaml: {backbone} starts from {chosen}, so {method} is trained on "
                    f"{source.dataset} alone, not on {dataset}"
                )
            return None
    return chosen


def _validation_attribution(method: str) -> dict[str, Any]:
    """The method's first attribution: what its maps are on train-fullsup, after each epoch."""
    attribution, options = next(iter(load_method(method)["attributions"].items()))
    if "+" in attribution:
        raise ParameterError(
            f"params/methods/{method}.yaml: the first attribution, {attribution!r}, chooses the best epoch and can "
            "have no aggregation; put the plain one first"
        )
    return {"attribution": attribution, "attribution_options": options}


def map_settings(scale: str, method: str, attribution: str) -> dict[str, Any]:
    settings = load_method(method)
    if attribution not in settings["attributions"]:
        raise ParameterError(
            f"params/methods/{method}.yaml: attribution {attribution!r} is not listed "
            f"({', '.join(settings['attributions'])})"
        )
    return {
        "method": method,
        "attribution": attribution,
        "options": settings["attributions"][attribution],
        "image_size": load_scale(scale).image_size,
    }


def score_settings(scale: str, dataset: str) -> dict[str, Any]:
    """What is measured on a data set, and in which frame: side of the map in pixels, metrics and their parameters."""
    settings = load_dataset(dataset)
    return {
        "dataset": dataset,
        "image_size": load_scale(scale).image_size,
        "headline_metric": settings["headline_metric"],
        "metrics": {name: load_metric(name)["parameters"] for name in settings["metrics"]},
    }


def removal_settings(scale: str, paper: str) -> dict[str, Any]:
    """Of remove-and-classify: the frame's side in pixels, the shares that are removed, the seed of the baseline."""
    settings = load_yaml(PARAMS / "papers" / paper / "remove_and_classify.yaml", "removal")
    return {
        "image_size": load_scale(scale).image_size,
        "shares": settings["shares"],
        "seed": settings["seed"],
    }


def selection_settings(scale: str, dataset: str, metric: str | None = None) -> dict[str, Any]:
    """As `score_settings`, with the headline's metric alone: what chooses an epoch on train-fullsup, and no more.

    metric: a method's own choice in place of the headline. ParameterError where the data set's first metric is another
    kind, boxes or masks.
    """
    settings = score_settings(scale, dataset)
    first = next(iter(settings["metrics"]))
    if metric is not None and metric not in SELECTS[first]:
        raise ParameterError(
            f"selection_metric {metric!r} is none of {dataset}, which has {first}: {', '.join(SELECTS[first])}"
        )
    return {
        **settings,
        "headline_metric": metric or settings["headline_metric"],
        "metrics": {first: settings["metrics"][first]},
    }


@functools.cache
def environment() -> dict[str, str]:
    """Versions that may change results: Python's minor version and the packages that compute."""
    versions = {name: metadata.version(name) for name in NUMERIC_PACKAGES}
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor}", **versions}


def _dataset_options(scale: str, dataset: str) -> dict[str, Any]:
    datasets = load_scale(scale).settings["datasets"]
    if dataset not in datasets:
        raise ParameterError(
            f"params/scales/{scale}.yaml: data set {dataset!r} is not of this scale ({', '.join(datasets)})"
        )
    return dict(datasets[dataset])


def settings_of(path: str) -> dict[str, Any]:
    """The settings that a resolved file `results/<scale>/params/<layer>/<name>.json` must hold now.

    Raises ParameterError for a path that no rule of the grammar makes.
    """
    parts = path.removesuffix(".json").split("/")
    if not path.endswith(".json") or len(parts) < 4 or parts[0] != "results" or parts[2] != "params":
        raise ParameterError(f"{path}: not a resolved parameter file of this project")
    scale, layer, name = parts[1], parts[3], parts[4:]
    load_scale(scale)
    if name and layer in ("data", "supersets", "train", "scores", "cues", "search"):
        _dataset_options(scale, name[0])
    match layer, name:
        case "environment", []:
            return dict(environment())
        case "data", [dataset]:
            return data_settings(scale, dataset)
        case "supersets", [dataset]:
            return superset_settings(scale, dataset)
        case "train", [dataset, backbone, method]:
            return train_settings(scale, dataset, backbone, method)
        case "maps", [method, attribution]:
            return map_settings(scale, method, attribution)
        case "scores", [dataset]:
            return score_settings(scale, dataset)
        case "removal", [paper]:
            return removal_settings(scale, paper)
        case "cues", [dataset, method, attribution]:
            return cue_settings(scale, dataset, method, attribution)
        case "figures", [figure]:
            return figure_settings(scale, figure)
        case "curves", [figure]:
            return curve_settings(scale, figure)
        case "timing", [backbone]:
            return timing_settings(scale, backbone)
        case "reports", [_]:
            return load_scale(scale).as_view_settings()
        case "search", names:
            from wsol.config.search import settings_named  # which builds on this module

            found = settings_named(scale, names)
            if found is not None:
                return found
    raise ParameterError(f"{path}: not a resolved parameter file of this project")


def materialise(path: str) -> str:
    """Write the resolved file if its text differs from what it must say; returns the path (a Snakemake input)."""
    write_json_if_changed(path, settings_of(path))
    return path


class ExpectedTexts(Mapping[str, str]):
    """Path of a resolved file → the text it must have now; computed on demand, for `wsol verify`."""

    def __getitem__(self, path: str) -> str:
        try:
            return canonical_json(settings_of(path))
        except ParameterError as error:
            raise KeyError(path) from error

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return len(all_scales())


def parameter_file(scale: str, layer: str, *name: str) -> str:
    """Path of a job's resolved settings, made true first."""
    return materialise(paths.parameters_path(scale, layer, "/".join(name)))


def environment_file(scale: str) -> str:
    return materialise(f"results/{scale}/params/environment.json")
