"""The definition of the cue localisation table, and the settings of one of its jobs."""

from __future__ import annotations

import functools
from typing import Any

from wsol.config.dataset import load_dataset
from wsol.config.names import all_scales
from wsol.config.scale import load_scale
from wsol.config.yamlfile import PARAMS, load_yaml
from wsol.errors import ParameterError

DEFINITION = PARAMS / "papers" / "calm" / "cues.yaml"


@functools.cache
def load_cues() -> dict[str, Any]:
    """params/papers/calm/cues.yaml, checked; `published` of a row by the name of its group. Raises ParameterError."""
    definition = _with_text_keys(DEFINITION)
    names = [(row["method"], row["attribution"]) for row in definition["rows"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(
            f"{DEFINITION}: method {twice[0][0]} has two rows of attribution {twice[0][1]!r}; rename one"
        )
    listed = [scale for limit in definition["limits"] for scale in limit["scales"]]
    unknown = sorted(set(listed) - set(all_scales()))
    if unknown or len(listed) != len(set(listed)):
        wrong = unknown[0] if unknown else next(scale for scale in listed if listed.count(scale) > 1)
        raise ParameterError(f"{DEFINITION}: limits names scale {wrong!r}, which does not exist or comes twice")
    return definition


def cue_row(method: str, attribution: str) -> dict[str, Any]:
    """The row of the table; raises ParameterError where there is none."""
    rows = load_cues()["rows"]
    for row in rows:
        if (row["method"], row["attribution"]) == (method, attribution):
            return row
    known = ", ".join(f"{row['method']}/{row['attribution']}" for row in rows)
    raise ParameterError(f"{DEFINITION}: no row of method {method!r} with attribution {attribution!r} (known: {known})")


def cue_module(method: str, attribution: str) -> str:
    """Name of the file in src/wsol/attribution that computes the row's maps."""
    row = cue_row(method, attribution)
    return row.get("module", row["attribution"])


def cue_limits(scale: str) -> dict[str, int | None]:
    """`images_per_class` and `pairs` at most, of the rows that are `costly`; all of both at a scale without limits."""
    for limit in load_cues()["limits"]:
        if scale in limit["scales"]:
            return {"images_per_class": limit["images_per_class"], "pairs": limit["pairs"]}
    return {"images_per_class": None, "pairs": None}


def cue_settings(scale: str, dataset: str, method: str, attribution: str) -> dict[str, Any]:
    """What a cue job must know: nothing of the printed values, which must not make it run again."""
    definition, row = load_cues(), cue_row(method, attribution)
    return {
        "dataset": dataset,
        "reader": load_dataset(dataset)["reader"],
        "method": method,
        "attribution": attribution,
        "module": cue_module(method, attribution),
        "options": row["options"],
        "normalisation": row["normalisation"],
        "thresholds": row["thresholds"],
        "threshold_count": definition["threshold_count"],
        "differing_parts": definition["differing_parts"],
        "image_size": load_scale(scale).image_size,
        **(cue_limits(scale) if row["costly"] else dict.fromkeys(cue_limits(scale))),
        "common": cue_limits(scale),
    }


def _with_text_keys(path: Any) -> dict[str, Any]:
    """YAML reads the group names 1, 2 and 3 as numbers."""
    definition = load_yaml(path, "cues")
    for row in definition["rows"]:
        row["published"] = {str(group): value for group, value in row["published"].items()}
    return definition
