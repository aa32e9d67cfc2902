"""Input functions of the rule that draws the papers' figures of curves."""

from __future__ import annotations

from typing import Any

from wsol.config import paths
from wsol.config.curve_figures import curve_settings
from wsol.config.curve_lines import OF_MASKS, line_files
from wsol.config.resolve import parameter_file
from wsol.workflow.inputs import InputFunction, Wildcards, archive_of


def settings(configured: str) -> InputFunction:
    """The figure's resolved settings at the scale of its path, or the configured one."""
    return lambda wildcards: parameter_file(_scale(wildcards, configured), "curves", wildcards.curve)


def files(configured: str) -> InputFunction:
    """What the lines are read from: scores, maps or histories."""

    def found(wildcards: Wildcards) -> list[str]:
        resolved = _settings(wildcards, configured)
        return [] if resolved["kind"] in OF_MASKS else line_files(resolved)

    return found


def manifest(configured: str) -> InputFunction:
    """Of a figure of masks: the test split's manifest."""

    def found(wildcards: Wildcards) -> list[str]:
        dataset = _of_masks(_settings(wildcards, configured))
        return [] if dataset is None else [paths.manifest_path(_scale(wildcards, configured), dataset, "test")]

    return found


def archive(configured: str) -> InputFunction:
    """What that manifest describes, as in `wsol.workflow.inputs.archive`."""

    def found(wildcards: Wildcards) -> list[str]:
        dataset = _of_masks(_settings(wildcards, configured))
        return [] if dataset is None else [archive_of(_scale(wildcards, configured), dataset)]

    return found


def _of_masks(resolved: dict[str, Any]) -> str | None:
    return str(resolved["datasets"][0]["dataset"]) if resolved["kind"] in OF_MASKS else None


def _settings(wildcards: Wildcards, configured: str) -> dict[str, Any]:
    return curve_settings(_scale(wildcards, configured), wildcards.curve)


def _scale(wildcards: Wildcards, configured: str) -> str:
    return getattr(wildcards, "scale", configured)
