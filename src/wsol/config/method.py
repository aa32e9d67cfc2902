"""A method's parameter file: what it inherits, builds on and may be told, checked."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from wsol.config.names import all_scales
from wsol.config.yamlfile import PARAMS, check_part, load_yaml
from wsol.errors import ParameterError


@functools.cache
def load_method(name: str) -> dict[str, Any]:
    """The method's parameter file, checked; with inherited ranges of a search, but its own hyperparameters alone."""
    settings = load_yaml(PARAMS / "methods" / f"{name}.yaml", "method")
    if settings["name"] != name:
        raise ParameterError(f"params/methods/{name}.yaml: name is {settings['name']!r}; it must be the file's name")
    code = settings.setdefault("code", name)
    if not (Path(__file__).parents[1] / "methods" / f"{code}.py").is_file():
        raise ParameterError(f"params/methods/{name}.yaml has no code: src/wsol/methods/{code}.py does not exist")
    _check_conditions(name, settings["hyperparameters"])
    for index, layer in enumerate(settings["hyperparameters"]):
        # Here and not where they are put together: a method that inherits them would be blamed.
        check_part(layer["set"], "hyperparameters", f"params/methods/{name}.yaml: hyperparameters.{index}.set")
    unknown = sorted(set(settings.get("scales", [])) - set(all_scales()))
    if unknown:
        raise ParameterError(
            f"params/methods/{name}.yaml: scales names {unknown[0]!r}; there is {', '.join(all_scales())}"
        )
    _check_classifier(name, settings.setdefault("classifier", None))
    _check_elsewhere(name, settings)
    parent = settings.setdefault("inherits", None)
    if parent is not None:
        _check_ancestors(name, parent)
        settings["search"] = load_method(parent)["search"] | settings.get("search", {})
    settings["search"] = {name: values for name, values in settings.get("search", {}).items() if values is not None}
    return settings


def _check_ancestors(method: str, parent: str) -> None:
    """Raises ParameterError where the line of ancestors ends in no file, or comes back to one of itself."""
    line: list[str] = [method]
    ancestor: str | None = parent
    while ancestor is not None:
        path = PARAMS / "methods" / f"{ancestor}.yaml"
        if ancestor in line or not path.is_file():
            circle = f" ({' inherits '.join([*line, ancestor])})" if len(line) > 1 else ""
            raise ParameterError(
                f"params/methods/{line[-1]}.yaml: inherits {ancestor!r}, which is no other method{circle}"
            )
        line.append(ancestor)
        ancestor = load_yaml(path, "method").get("inherits")


def _check_classifier(method: str, classifier: str | None) -> None:
    if classifier is None:
        return
    path = PARAMS / "methods" / f"{classifier}.yaml"
    other = load_yaml(path, "method") if classifier != method and path.is_file() else {}
    if not other.get("trained") or "classifier" in other:
        raise ParameterError(
            f"params/methods/{method}.yaml: classifier {classifier!r} is no other method that trains a network of its "
            f"own; name one, such as cam"
        )


def _check_elsewhere(method: str, settings: dict[str, Any]) -> None:
    """What stands in for a method must exist wherever the method is asked for, with its maps and a network."""
    other = settings.setdefault("elsewhere", None)
    if other is None:
        return
    path = PARAMS / "methods" / f"{other}.yaml"
    found = load_yaml(path, "method") if other != method and path.is_file() else {}
    lacking = sorted(set(settings["attributions"]) - set(found.get("attributions", {})))
    if "scales" not in settings or not found or "elsewhere" in found or found["trained"] != settings["trained"]:
        reason = "needs scales, the ones where the method is itself, and another method that is itself everywhere"
    elif lacking:
        reason = f"has no attribution {lacking[0]!r}, which this method has"
    else:
        return
    raise ParameterError(f"params/methods/{method}.yaml: elsewhere {other!r} {reason}")


def _check_conditions(method: str, layers: list[dict[str, Any]]) -> None:
    """A misspelt name in a `when` would make its layer apply nowhere, in silence."""
    code = Path(__file__).parents[1] / "models" / "backbones"
    known = {
        "scale": all_scales(),
        "dataset": sorted(path.stem for path in (PARAMS / "datasets").glob("*.yaml")),
        "backbone": sorted(path.stem for path in code.glob("[!_]*.py")),
    }
    for index, layer in enumerate(layers):
        for key, value in layer["when"].items():
            unknown = [name for name in (value if isinstance(value, list) else [value]) if name not in known[key]]
            if unknown:
                raise ParameterError(
                    f"params/methods/{method}.yaml: hyperparameters.{index}.when.{key} names {unknown[0]!r}, which "
                    f"does not exist; there is {', '.join(known[key])}"
                )
