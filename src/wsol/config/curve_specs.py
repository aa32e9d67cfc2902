"""The papers' figures of curves as their files define them: which lines of which networks each shows."""

from __future__ import annotations

import functools
from typing import Any

from wsol.config.curve_lines import OF_MASKS, SEARCHES
from wsol.config.figures import figure_specs
from wsol.config.yamlfile import PARAMS, load_yaml
from wsol.errors import ParameterError


@functools.cache
def curve_specs() -> dict[str, dict[str, Any]]:
    """Figure name to what params/papers/<paper>/curves.yaml says of it. ParameterError for a misfit."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((PARAMS / "papers").glob("*/curves.yaml")):
        document = load_yaml(path, "curves")
        for name, figure in document["curves"].items():
            if name in figure_specs() or name in found:
                raise ParameterError(f"{path}: figure {name!r} is given elsewhere too; rename one")
            of_masks = figure["kind"] in OF_MASKS
            if of_masks == bool(figure["rows"]) or of_masks != bool(figure["factors"]):
                needs = "factors and no rows" if of_masks else "rows and no factors"
                raise ParameterError(f"{path}: curves.{name}: kind {figure['kind']} needs {needs}")
            if (figure["kind"] in SEARCHES) != bool(figure["option"]):
                raise ParameterError(
                    f"{path}: curves.{name}.option: for kind {' and '.join(SEARCHES)}, and needed there"
                )
            if of_masks and len(figure["datasets"]) != 1:
                raise ParameterError(f"{path}: curves.{name}.datasets: kind {figure['kind']} shows one data set")
            found[name] = {**figure, "paper": document["paper"], "file": str(path)}
    return found
