"""Input functions of the rules that make the papers' figures."""

from __future__ import annotations

from typing import Any

from wsol.config import paths, roots
from wsol.config.figures import COMPUTED, figure_settings
from wsol.config.paths import Cell
from wsol.config.resolve import environment_file, parameter_file
from wsol.config.scale import load_dataset
from wsol.data.images import resolve_source
from wsol.data.prepare import select_source
from wsol.workflow.code import code_digest
from wsol.workflow.inputs import InputFunction, Wildcards, nouns


def settings(configured: str) -> InputFunction:
    """The figure's resolved settings at the scale of its path, or the configured one."""
    return lambda wildcards: parameter_file(_scale(wildcards, configured), "figures", wildcards.figure)


def environment(wildcards: Wildcards) -> str:
    return environment_file(wildcards.scale)


def manifest(configured: str) -> InputFunction:
    def path(wildcards: Wildcards) -> str:
        scale = _scale(wildcards, configured)
        return paths.manifest_path(scale, _settings(wildcards, configured)["dataset"], "test")

    return path


def classes(wildcards: Wildcards) -> str:
    return f"{paths.data_folder(wildcards.scale, _settings(wildcards)['dataset'])}/classes.json"


def archive(configured: str) -> InputFunction:
    """What the manifest describes, as in `wsol.workflow.inputs.archive`."""

    def path(wildcards: Wildcards) -> str:
        dataset = _settings(wildcards, configured)["dataset"]
        folder = paths.data_folder(_scale(wildcards, configured), dataset)
        return str(resolve_source(select_source(load_dataset(dataset), folder)))

    return path


def models(wildcards: Wildcards) -> list[str]:
    """The checkpoint of every column, in order."""
    return [paths.checkpoint_path(cell) for cell, _ in _columns(_settings(wildcards))]


def wordnet(wildcards: Wildcards) -> list[str]:
    """WordNet and its annotation, where a figure of depths takes its hierarchy from there."""
    found = _settings(wildcards)
    if found["kind"] != "depths" or found["superset_rule"] != "wordnet":
        return []
    return [nouns(wildcards), "params/supersets/imagenet.yaml"]


def map_code(wildcards: Wildcards) -> str:
    return code_digest(*roots.figure_map_roots(_settings(wildcards)))


def drawn_maps(configured: str) -> InputFunction:
    """The stored maps of every column, in order, or the one file of `extract_figure_maps`."""

    def files(wildcards: Wildcards) -> list[str]:
        found = _settings(wildcards, configured)
        if found["kind"] in COMPUTED:
            return [f"reports/{found['scale']}/figures/{found['name']}.safetensors"]
        return [paths.maps_path(cell, attribution, "test") for cell, attribution in _columns(found)]

    return files


def _columns(found: dict[str, Any]) -> list[tuple[Cell, str]]:
    return [(Cell(**found["cell"], method=column["method"]), column["attribution"]) for column in found["columns"]]


def _settings(wildcards: Wildcards, configured: str = "") -> dict[str, Any]:
    return figure_settings(_scale(wildcards, configured), wildcards.figure)


def _scale(wildcards: Wildcards, configured: str) -> str:
    return getattr(wildcards, "scale", configured)
