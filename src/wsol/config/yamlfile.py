"""YAML parameter files, checked against a JSON Schema that knows every key."""

from __future__ import annotations

import copy
import difflib
import functools
import json
import math
import re
from pathlib import Path
from typing import Any

import yaml

from wsol.errors import ParameterError

PARAMS = Path("params")
SCHEMAS = Path("workflow/schemas")


def load_yaml(path: Path, schema: str) -> dict[str, Any]:
    """The mapping in `path`, valid under `workflow/schemas/<schema>.schema.json`, with the schema's defaults filled in.

    Raises ParameterError that names the file, the offending key or value, and the nearest known key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        known = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise ParameterError(f"{path}: no such parameter file; there is {', '.join(known) or 'none'}") from error
    try:
        value = yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: not valid YAML: {error}") from error
    check(value, schema, str(path))
    return value


def check(value: Any, schema: str, origin: str) -> None:
    """Raise ParameterError for the first way in which `value` breaks the schema; fill in defaults otherwise."""
    document = _schema(schema)
    _refuse(value, document, origin)
    _fill_defaults(value, document)


def check_part(value: Any, schema: str, origin: str) -> None:
    """As `check`, for a document of which some keys are given elsewhere: none need be there, none is filled in."""
    _refuse(value, _schema(schema) | {"required": []}, origin)


def _refuse(value: Any, document: dict[str, Any], origin: str) -> None:
    import jsonschema

    validator = jsonschema.Draft202012Validator(document)
    errors = sorted(validator.iter_errors(value), key=lambda error: [str(part) for part in error.absolute_path])
    if errors:
        raise ParameterError(f"{origin}: {_explain(errors[0])}")


def check_configuration(config: dict[str, Any]) -> None:
    """Exit with a plain message unless Snakemake's configuration fits params/config.yaml's schema."""
    try:
        check(config, "config", "the configuration (params/config.yaml and --config)")
    except ParameterError as error:
        raise SystemExit(f"wsol: {error}") from None


def _explain(error: Any) -> str:
    where = ".".join(str(part) for part in error.absolute_path) or "the top level"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known), key=str)
        near = difflib.get_close_matches(str(unknown[0]), known, n=1) if unknown else []
        hint = f"; did you mean '{near[0]}'?" if near else ""
        return f"unknown key {', '.join(repr(key) for key in unknown)} at {where}{hint} (known: {', '.join(known)})"
    return f"at {where}: {error.message}"


def _fill_defaults(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None) -> None:
    root = schema if root is None else root
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    if isinstance(value, list) and "items" in schema:
        for item in value:
            _fill_defaults(item, schema["items"], root)
    if not isinstance(value, dict):
        return
    properties = schema.get("properties", {})
    for key, part in properties.items():
        if "default" in part and key not in value:
            value[key] = copy.deepcopy(part["default"])
    others = schema.get("additionalProperties")
    for key, member in value.items():
        part = properties.get(key, others)
        if isinstance(part, dict):
            _fill_defaults(member, part, root)


@functools.cache
def _schema(name: str) -> dict[str, Any]:
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))


# libyaml's parser, where PyYAML was built with it: ten times as fast, and every job reads parameter files.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeyLoader(_SafeLoader):
    """Refuses a key that is given twice, which YAML would settle silently in favour of the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"key {key!r} is given twice, near line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)

    def construct_finite(self, node: yaml.ScalarNode) -> float:
        """A float; NaN passes every range check, and JSON has no word for it nor for infinity."""
        value = self.construct_yaml_float(node)
        if not math.isfinite(value):
            raise yaml.YAMLError(f"{node.value} near line {node.start_mark.line + 1}; give a finite number")
        return value


_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:float", _UniqueKeyLoader.construct_finite)

# PyYAML reads 1e-4 as a string, since YAML 1.1 wants a dot in a float; parameter files are full of such numbers.
_UniqueKeyLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)
