"""Refuses options of a method that are unknown, missing or out of range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wsol.errors import ParameterError


def check_names(method: str, options: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raises ParameterError unless the options are exactly those names."""
    known = tuple(names)
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise ParameterError(f"{_file(method)}: option {unknown[0]!r} is unknown; there is {', '.join(known)}")
    missing = [name for name in known if name not in options]
    if missing:
        raise ParameterError(f"{_file(method)}: option {missing[0]!r} is missing; give it under `options`")


def check_share(method: str, options: Mapping[str, Any], name: str) -> None:
    """Raises ParameterError unless the option is a number in [0, 1]."""
    value = options[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ParameterError(f"{_file(method)}: option {name!r} is {value!r}; give a number in [0, 1]")


def check_choice(method: str, options: Mapping[str, Any], name: str, choices: Sequence[Any]) -> None:
    """Raises ParameterError unless the option is one of `choices`."""
    if options[name] not in choices:
        some = ", ".join(str(choice) for choice in choices)
        raise ParameterError(f"{_file(method)}: option {name!r} is {options[name]!r}; choose one of {some}")


def _file(method: str) -> str:
    return f"params/methods/{method}.yaml"
