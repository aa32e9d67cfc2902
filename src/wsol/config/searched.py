"""What a search found and somebody adopted: one file a cell, the last layer of its hyperparameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wsol.config.yamlfile import PARAMS, load_yaml
from wsol.errors import ParameterError


def searched_path(scale: str, dataset: str, backbone: str, method: str) -> Path:
    return PARAMS / "searched" / scale / f"{dataset}.{backbone}.{method}.yaml"


def draws_path(scale: str, dataset: str, backbone: str, method: str) -> Path:
    """The table of all draws of a cell that was searched: for readers, nothing depends on it."""
    return searched_path(scale, dataset, backbone, method).with_suffix(".draws.csv")


def searched_layer(scale: str, dataset: str, backbone: str, method: str) -> dict[str, Any] | None:
    """The layer {source, set} that was adopted for the cell; None if none was, as for most.

    Raises ParameterError for a file that states another cell than its name: it was copied or renamed by hand.
    """
    path = searched_path(scale, dataset, backbone, method)
    if not path.is_file():
        return None
    content = load_yaml(path, "searched")
    cell = {"scale": scale, "dataset": dataset, "backbone": backbone, "method": method}
    if content["cell"] != cell:
        stated = "/".join(content["cell"][key] for key in cell)
        raise ParameterError(
            f"{path}: its cell is {stated}, its name says {'/'.join(cell.values())}; values of another cell's search "
            "do not count here: adopt this cell's own (wsol search adopt)"
        )
    return {"source": content["source"], "set": content["set"]}
