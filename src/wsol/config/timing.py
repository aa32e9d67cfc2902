"""What is timed at a scale: one job a backbone, with the networks and attributions of a paper's table of run times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wsol.config.method import load_method
from wsol.config.names import all_scales
from wsol.config.scale import load_scale
from wsol.config.yamlfile import PARAMS, load_yaml
from wsol.errors import ParameterError

TIMING = PARAMS / "papers" / "fcam" / "tableF4.yaml"
CLASSIFIER = "cam"
"""The method in whose parameter file the options of the attributions stand."""
_PACKAGE = Path(__file__).parents[1]


def load_timing() -> dict[str, Any]:
    """The definition. Raises ParameterError, also for a row or network that is given twice, or a scale there is not."""
    settings = load_yaml(TIMING, "timing")
    for what in ("repeats", "limit"):
        unknown = sorted(set(settings[what]) - {"default", *all_scales()})
        if unknown:
            raise ParameterError(f"{TIMING}: {what} names scale {unknown[0]!r}; there is {', '.join(all_scales())}")
    for what in ("rows", "networks"):
        labels = [entry["label"] for entry in settings[what]]
        twice = [label for label in labels if labels.count(label) > 1]
        if twice:
            raise ParameterError(f"{TIMING}: {what}: {twice[0]!r} is given twice")
    return settings


def definition_files() -> list[str]:
    """The files that the table is read from: definition, printed values, errata."""
    definition = load_timing()
    return [str(TIMING), *(str(TIMING.parent / definition[name]) for name in ("published", "errata"))]


def timed_backbones(scale: str) -> list[str]:
    """The backbones of the table that the scale has, in the order of the table."""
    return [network["backbone"] for network in load_timing()["networks"] if network["backbone"] in _widths(scale)]


def timing_settings(scale: str, backbone: str) -> dict[str, Any]:
    """Of one job: the network at the scale's width and image size (pixels), and the rows that have code.

    Raises ParameterError for a backbone that the scale or the table lacks.
    """
    if backbone not in timed_backbones(scale):
        raise ParameterError(
            f"backbone {backbone!r} is not timed at scale {scale} ({', '.join(timed_backbones(scale)) or 'none is'})"
        )
    definition = load_timing()
    options = load_method(CLASSIFIER)["attributions"]
    return {
        "scale": scale,
        "image_size": load_scale(scale).image_size,
        "network": {
            "backbone": backbone,
            "num_classes": definition["classes"],
            "width": _widths(scale)[backbone],
            "map_stride": definition["map_stride"],
        },
        "repeats": definition["repeats"].get(scale, definition["repeats"]["default"]),
        "warmups": definition["warmups"],
        "limit": definition["limit"].get(scale, definition["limit"]["default"]),
        "rows": [
            {**row, "options": options.get(row["attribution"]) or {}} for row in definition["rows"] if _has_code(row)
        ],
    }


def _widths(scale: str) -> dict[str, float]:
    backbones = load_scale(scale).settings["backbones"]
    return {name: options.get("width", 1.0) for name, options in backbones.items()}


def _has_code(row: dict[str, Any]) -> bool:
    """A row may come before its method, as in any table; it is missing until then."""
    files = [f"attribution/{row['attribution']}.py", f"models/heads/{row['head']}.py"]
    files += ["models/families/fcam.py"] if row["decoder"] else []
    return all((_PACKAGE / file).is_file() for file in files)
