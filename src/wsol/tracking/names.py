"""Names and values in the form that MLflow takes: flat, short, and of its characters only."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

KEY_LIMIT = 250
PARAMETER_LIMIT = 6000
TAG_LIMIT = 8000

_CELL_ORDER = ("scale", "dataset", "backbone", "method", "seed", "attribution", "split", "table")
_FORBIDDEN = re.compile(r"[^/\w.\- :]")


def run_name(cell: Mapping[str, Any]) -> str:
    """What a person reads in the list of runs: `demo · synthbirds · resnet50 · cam · s0 · cam+superset · test`."""
    return " · ".join(_cell_words(cell)) or "run"


def repro_key(layer: str, cell: Mapping[str, Any]) -> str:
    """What two runs of the same job share: layer and cell as a path, `train/demo/synthbirds/resnet50/cam/s0`."""
    return "/".join([layer, *_cell_words(cell)])


def flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings as dotted names; lists stay values.

    >>> flatten({"optimizer": {"name": "sgd", "lr": 0.1}, "epochs": 5})
    {'optimizer.name': 'sgd', 'optimizer.lr': 0.1, 'epochs': 5}
    """
    return dict(_flatten("", values))


def key(name: str) -> str:
    """`name` with every character that MLflow refuses as `_`, as a path that is its own normal form."""
    clean = _FORBIDDEN.sub("_", name).strip()
    clean = posixpath.normpath(clean.lstrip("/")) if clean.strip("/") else "_"
    if clean == "." or clean.startswith(".."):
        clean = clean.replace(".", "_")
    return clean if len(clean) <= KEY_LIMIT else f"{clean[: KEY_LIMIT - 9]}-{_digest(name)}"


def keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` under valid names; where two names become one, the later gets a short hash of its own."""
    clean: dict[str, Any] = {}
    for name, value in values.items():
        chosen = key(name)
        clean[chosen if chosen not in clean else f"{chosen[: KEY_LIMIT - 9]}-{_digest(name)}"] = value
    return clean


def text(value: Any, limit: int = PARAMETER_LIMIT) -> str:
    """A value as JSON, strings as they are; longer than `limit` characters it is cut, with the hash of the whole."""
    whole = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if len(whole) <= limit:
        return whole
    end = f" … ({len(whole)} characters, sha256 {hashlib.sha256(whole.encode()).hexdigest()})"
    return whole[: limit - len(end)] + end


def _cell_words(cell: Mapping[str, Any]) -> list[str]:
    known = [f"s{cell[name]}" if name == "seed" else str(cell[name]) for name in _CELL_ORDER if _is_set(cell, name)]
    others = sorted(name for name in cell if name not in _CELL_ORDER and _is_set(cell, name))
    return known + [f"{name}={cell[name]}" for name in others]


def _is_set(cell: Mapping[str, Any], name: str) -> bool:
    return cell.get(name) not in (None, "")


def _flatten(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        dotted = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, Mapping) and value:
            yield from _flatten(dotted, value)
        else:
            yield dotted, value


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]
