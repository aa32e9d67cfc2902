"""The annotation of homogeneous nodes: a YAML file of the marks (hom or het) of a breadth-first walk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wsol.errors import ParameterError
from wsol.files import write_text

MARKS = ("hom", "het")


@dataclass(frozen=True)
class Mark:
    """An answer for one node: do all classes below it share one object structure (hom) or not (het)?

    `printed_as`: the node that the paper prints in place of this one.
    """

    wnid: str
    name: str
    mark: str
    printed_as: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Nested:
    """A node that the paper prints although it lies below the homogeneous node `inside`."""

    wnid: str
    name: str
    inside: str
    note: str | None = None


@dataclass(frozen=True)
class ParentOverride:
    """The one parent of a node that has several in WordNet, where it is not the first."""

    node: str
    parent: str
    name: str = ""
    parent_name: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Annotation:
    marks: tuple[Mark, ...] = ()
    overrides: tuple[ParentOverride, ...] = ()
    also_printed: tuple[Nested, ...] = ()
    origin: str = field(default="annotation", compare=False)

    @property
    def parent_overrides(self) -> Mapping[str, str]:
        return {override.node: override.parent for override in self.overrides}

    def nodes(self, mode: str) -> tuple[str, ...]:
        """The homogeneous nodes, those printed below another one included.

        In mode `wordnet` a node that the paper prints under another wnid gives way to that wnid.
        """
        hom = [mark for mark in self.marks if mark.mark == "hom"]
        chosen = [(mark.printed_as or mark.wnid) if mode == "wordnet" else mark.wnid for mark in hom]
        return tuple(dict.fromkeys([*chosen, *(nested.wnid for nested in self.also_printed)]))

    def with_marks(self, marks: tuple[Mark, ...]) -> Annotation:
        return replace(self, marks=marks)


def load_annotation(path: str | os.PathLike[str]) -> Annotation:
    """Raises ParameterError, naming file and entry, where a key is unknown or missing or a node comes twice."""
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        raise ParameterError(
            f"{path}: no such annotation; params/supersets/imagenet.yaml is the paper's,"
            " and `wsol supersets annotate` makes one"
        ) from error
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: not valid YAML: {error}") from error
    sections: dict[str, type] = {"parent_overrides": ParentOverride, "nodes": Mark, "also_printed": Nested}
    if not isinstance(content, dict) or set(content) - set(sections):
        unknown = (
            ", ".join(map(str, sorted(set(content) - set(sections)))) if isinstance(content, dict) else "no mapping"
        )
        raise ParameterError(f"{path}: unknown at the top level: {unknown} (known: {', '.join(sections)})")
    entries = {
        section: tuple(_entry(path, section, position, entry, kind) for position, entry in enumerate(listed or []))
        for section, kind in sections.items()
        for listed in [content.get(section)]
    }
    marks: tuple[Mark, ...] = entries["nodes"]
    seen: set[str] = set()
    for mark in marks:
        if mark.mark not in MARKS:
            raise ParameterError(f"{path}: nodes: {mark.wnid} has the mark {mark.mark!r}; it is hom or het")
        if mark.wnid in seen:
            raise ParameterError(f"{path}: nodes: {mark.wnid} ({mark.name}) is marked twice")
        seen.add(mark.wnid)
    return Annotation(marks, entries["parent_overrides"], entries["also_printed"], origin=str(path))


def save_annotation(path: str | os.PathLike[str], annotation: Annotation) -> None:
    """Written whole or not at all; `load_annotation` gives the same annotation back."""
    import yaml

    content = {
        "parent_overrides": [_plain(entry) for entry in annotation.overrides],
        "nodes": [_plain(entry) for entry in annotation.marks],
        "also_printed": [_plain(entry) for entry in annotation.also_printed],
    }
    kept = {section: entries for section, entries in content.items() if entries}
    text = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)
    write_text(path, "# Homogeneous (hom) and heterogeneous (het) nodes, in the order of the answers.\n" + text)


def _entry(path: str | os.PathLike[str], section: str, position: int, entry: Any, kind: Any) -> Any:
    where = f"{path}: {section}, entry {position + 1}"
    if not isinstance(entry, dict):
        raise ParameterError(f"{where}: {entry!r} is not a mapping")
    known = kind.__dataclass_fields__
    unknown = sorted(str(key) for key in entry if key not in known)
    if unknown:
        raise ParameterError(f"{where}: unknown key {', '.join(unknown)} (known: {', '.join(known)})")
    try:
        return kind(**entry)
    except TypeError as error:
        missing = str(error).split(": ", 1)[-1]
        raise ParameterError(f"{where}: missing {missing}") from error


def _plain(entry: Any) -> dict[str, Any]:
    return {name: value for name in entry.__dataclass_fields__ if (value := getattr(entry, name)) not in (None, "")}
