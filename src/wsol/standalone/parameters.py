"""Parameters of the metrics for somebody who has the package and not the repository: the papers' ones.

In the repository params/metrics/*.yaml is what counts, and a test keeps `PAPERS` equal to it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wsol.errors import ParameterError
from wsol.metrics.levels import check_contours, check_corners, threshold_grid

Parameters = dict[str, dict[str, Any]]

PAPERS: Parameters = {
    "boxes": {
        "thresholds": 1000,
        "corners": "exclusive",
        "max_box_acc": {"iou": [0.5], "contours": "largest"},
        "max_box_acc_v2": {"iou": [0.3, 0.5, 0.7], "contours": "all"},
    },
    "masks": {"thresholds": 1000},
    "localization": {"thresholds": 1000, "corners": "exclusive", "iou": [0.5], "contours": "largest", "top": [1, 5]},
    "classification": {"top": [1, 5]},
}

FOLDER = Path("params/metrics")


def metric_parameters(
    metrics: Sequence[str],
    *,
    thresholds: int | Sequence[float] | None = None,
    contours: str | None = None,
    corners: str | None = None,
    folder: Path = FOLDER,
) -> Parameters:
    """Parameters of each metric: those of `folder` where it holds them, else the papers', under the given options.

    `contours` is the rule of MaxBoxAccV2; MaxBoxAcc and top-k localisation keep the largest contour, which defines
    them. Raises ParameterError.
    """
    if thresholds is not None:
        threshold_grid(thresholds)
        thresholds = int(thresholds) if isinstance(thresholds, int) else [float(value) for value in thresholds]
    if contours is not None:
        check_contours(contours)
    if corners is not None:
        check_corners(corners)
    result = {name: _default(name, folder) for name in metrics}
    for name, parameters in result.items():
        if thresholds is not None and "thresholds" in parameters:
            parameters["thresholds"] = thresholds
        if corners is not None and "corners" in parameters:
            parameters["corners"] = corners
        if contours is not None and name == "boxes":
            parameters["max_box_acc_v2"]["contours"] = contours
    return result


def deviations(parameters: Parameters) -> list[str]:
    """Where parameters are not the papers', as `boxes.thresholds: 100 instead of 1000`."""
    found: list[str] = []
    for name in sorted(parameters):
        ours, papers = _leaves(parameters[name]), _leaves(PAPERS.get(name, {}))
        found += [
            f"{name}.{key}: {_short(ours.get(key))} instead of {_short(papers.get(key))}"
            for key in sorted(ours.keys() | papers.keys())
            if ours.get(key) != papers.get(key)
        ]
    return found


def _default(name: str, folder: Path) -> dict[str, Any]:
    path = folder / f"{name}.yaml"
    if not path.is_file():
        if name not in PAPERS:
            raise ParameterError(f"metric {name} has no parameters; add {path}, or score in a folder that has it")
        return copy.deepcopy(PAPERS[name])
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: not YAML ({error}); correct it, or start elsewhere") from error
    if not isinstance(content, dict) or not isinstance(content.get("parameters"), dict):
        raise ParameterError(f"{path}: has no mapping `parameters`; correct it, or start elsewhere")
    return content["parameters"]


def _leaves(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        leaf: content
        for key, inner in value.items()
        for leaf, content in _leaves(inner, f"{prefix}.{key}" if prefix else str(key)).items()
    }


def _short(value: Any) -> str:
    return f"{len(value)} listed values" if isinstance(value, list) and len(value) > 6 else str(value)
