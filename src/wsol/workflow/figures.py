"""Input functions of the rules that make the papers' figures."""

from __future__ import annotations

from typing import Any

from wsol.config import paths, roots
from wsol.config.figures import NEEDS, figure_cells, figure_datasets, figure_settings
from wsol.config.resolve import environment_file, parameter_file
from wsol.workflow.code import code_digest
from wsol.workflow.inputs import InputFunction, Wildcards, archive_of, nouns, part_annotations_of


def settings(configured: str) -> InputFunction:
    """The figure's resolved settings at the scale of its path, or the configured one."""
    return lambda wildcards: parameter_file(_scale(wildcards, configured), "figures", wildcards.figure)


def environment(wildcards: Wildcards) -> str:
    return environment_file(wildcards.scale)


def manifests(configured: str) -> InputFunction:
    """Of every data set that the figure shows, in order."""

    def files(wildcards: Wildcards) -> list[str]:
        found = _settings(wildcards, configured)
        return [paths.manifest_path(found["scale"], dataset, "test") for dataset in figure_datasets(found)]

    return files


def classes(wildcards: Wildcards) -> str:
    return f"{paths.data_folder(wildcards.scale, _settings(wildcards)['dataset'])}/classes.json"


def archives(configured: str) -> InputFunction:
    """What the manifests describe, as in `wsol.workflow.inputs.archive`."""

    def files(wildcards: Wildcards) -> list[str]:
        found = _settings(wildcards, configured)
        return [archive_of(found["scale"], dataset) for dataset in figure_datasets(found)]

    return files


def models(wildcards: Wildcards) -> list[str]:
    """The checkpoint of every column, in order."""
    return [paths.checkpoint_path(cell) for cell, _ in figure_cells(_settings(wildcards))]


def wordnet(wildcards: Wildcards) -> list[str]:
    """WordNet and its annotation, where a figure of depths takes its hierarchy from there."""
    found = _settings(wildcards)
    if found["kind"] != "depths" or found["superset_rule"] != "wordnet":
        return []
    return [nouns(wildcards), "params/supersets/imagenet.yaml"]


def part_annotations(wildcards: Wildcards) -> list[str]:
    """The text files beside CUB's images that say where its parts are, where a figure outlines parts."""
    found = _settings(wildcards)
    return part_annotations_of(found["scale"], found["dataset"]) if found["kind"] == "counterfactual" else []


def map_code(wildcards: Wildcards) -> str:
    return code_digest(*roots.figure_map_roots(_settings(wildcards)))


def drawn_maps(configured: str) -> InputFunction:
    """The stored maps of every cell, in order, or the one file of `extract_figure_maps`; none for other kinds."""

    def files(wildcards: Wildcards) -> list[str]:
        found = _settings(wildcards, configured)
        if "computed" in NEEDS[found["kind"]]:
            return [f"reports/{found['scale']}/figures/{found['name']}.safetensors"]
        return _stored(found, "maps")

    return files


def drawn_scores(configured: str) -> InputFunction:
    """The stored scores of every cell, in order, for kinds that need them."""
    return lambda wildcards: _stored(_settings(wildcards, configured), "scores")


def _stored(found: dict[str, Any], layer: str) -> list[str]:
    if layer not in NEEDS[found["kind"]]:
        return []
    path = {"maps": paths.maps_path, "scores": paths.score_path}[layer]
    return [path(cell, attribution, "test") for cell, attribution in figure_cells(found)]


def _settings(wildcards: Wildcards, configured: str = "") -> dict[str, Any]:
    return figure_settings(_scale(wildcards, configured), wildcards.figure)


def _scale(wildcards: Wildcards, configured: str) -> str:
    return getattr(wildcards, "scale", configured)
