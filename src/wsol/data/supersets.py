"""Every class of a data set to its superset 𝒴, the classes with the same object structure, for the later layers.

The classes are those of classes.json: mappings with `index`, `name`, `wnid` and `path` (names from the root of the data
set's own hierarchy down to the direct parent).
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from wsol.data.annotation import Annotation, load_annotation
from wsol.data.taxonomy import genealogy
from wsol.data.wordnet import ANNOTATION, Nouns, as_nouns, build_taxonomy, supersets
from wsol.errors import DataError, ParameterError
from wsol.files import read_json, write_json

RULES = ("all", "singletons", "hierarchy", "wordnet")
ClassInfo = Mapping[str, Any]


def superset_map(
    rule: str,
    classes: Sequence[ClassInfo],
    *,
    mode: str = "paper",
    data_noun: str | os.PathLike[str] | Nouns | None = None,
    annotation: str | os.PathLike[str] | Annotation | None = None,
    depth: int | None = None,
) -> dict[int, list[int]]:
    """Class index to the sorted indices of its superset, itself included; a partition of the classes given.

    rule: `all`, every class (CUB, where all are birds); `singletons`, each class alone (OpenImages); `hierarchy`, the
    classes with the same direct parent, or with `depth` those that share their first `depth` nodes; `wordnet`, the
    classes below one homogeneous node of WordNet, or with `depth` below one node at that depth (CALM, figure 6).
    mode, data_noun, annotation: for `wordnet`, as in `wsol.data.wordnet.supersets`.
    """
    return superset_groups(rule, classes, mode=mode, data_noun=data_noun, annotation=annotation, depth=depth)[0]


def superset_groups(
    rule: str,
    classes: Sequence[ClassInfo],
    *,
    mode: str = "paper",
    data_noun: str | os.PathLike[str] | Nouns | None = None,
    annotation: str | os.PathLike[str] | Annotation | None = None,
    depth: int | None = None,
) -> tuple[dict[int, list[int]], dict[int, str]]:
    """`superset_map`, and class index to the name of its superset (a class alone: its own name)."""
    if rule not in RULES:
        raise ParameterError(f"superset rule {rule!r} is not one of {', '.join(RULES)}")
    if depth is not None and (rule not in ("hierarchy", "wordnet") or depth < 0):
        raise ParameterError(
            f"superset depth {depth} with rule {rule!r}; it is 0 or more, for hierarchy and wordnet alone"
        )
    _check_indices(classes)
    names = {int(entry["index"]): str(entry["name"]) for entry in classes}
    labels: Mapping[int, tuple[Hashable, str]]
    if rule == "all":
        labels = dict.fromkeys(names, ("all", "all classes"))
    elif rule == "singletons":
        labels = {index: (index, name) for index, name in names.items()}
    elif rule == "hierarchy":
        lines = {int(entry["index"]): tuple(entry.get("path") or ()) for entry in classes}
        labels = labels_at_depth({index: (*path, names[index]) for index, path in lines.items()}, depth)
    else:
        labels = _wordnet_labels(classes, mode, data_noun, annotation, depth)
    members: dict[Hashable, list[int]] = {}
    for index in sorted(names):
        members.setdefault(labels[index][0], []).append(index)
    groups = {index: members[labels[index][0]] for index in names}
    return groups, {index: labels[index][1] if len(groups[index]) > 1 else names[index] for index in names}


def labels_at_depth(lines: Mapping[int, Sequence[str]], depth: int | None) -> dict[int, tuple[Hashable, str]]:
    """Class index to (key, name) of the node that it is aggregated at.

    lines: class index to its nodes from the root down to the class itself, which is never shared. depth: how many nodes
    two classes of a group share at least; 0 puts all together, and a class with no more nodes than that stands alone.
    None: the direct parent.
    """
    labels: dict[int, tuple[Hashable, str]] = {}
    for index, line in lines.items():
        above = tuple(line[:-1])
        shared = above if depth is None else above[:depth]
        alone = not above if depth is None else depth > len(above)
        labels[index] = (index, line[-1]) if alone else (shared, shared[-1] if shared else "all classes")
    return labels


def _wordnet_labels(
    classes: Sequence[ClassInfo],
    mode: str,
    data_noun: str | os.PathLike[str] | Nouns | None,
    annotation: str | os.PathLike[str] | Annotation | None,
    depth: int | None,
) -> dict[int, tuple[Hashable, str]]:
    missing = [str(entry["name"]) for entry in classes if not entry.get("wnid")]
    if missing:
        raise DataError(
            f"superset rule wordnet: {len(missing)} classes have no wnid, the first being {missing[0]!r};"
            " give every class its wnid in classes.json, or choose another rule"
        )
    wnids = {int(entry["index"]): str(entry["wnid"]) for entry in classes}
    if len(set(wnids.values())) < len(wnids):
        twice = sorted(wnid for wnid in set(wnids.values()) if list(wnids.values()).count(wnid) > 1)
        raise DataError(f"superset rule wordnet: two classes have the wnid {twice[0]}; correct classes.json")
    ordered = [wnids[index] for index in sorted(wnids)]
    nouns = as_nouns(data_noun)
    marks = annotation if isinstance(annotation, Annotation) else load_annotation(annotation or ANNOTATION)
    if depth is None:
        found = supersets(mode, nouns, ordered, marks).node_of
        return {
            index: (found[wnid].wnid, found[wnid].name) if wnid in found else (wnid, wnid)
            for index, wnid in wnids.items()
        }
    if mode != "paper":
        raise ParameterError("superset depth needs mode paper: in WordNet itself a node may have several depths")
    taxonomy = build_taxonomy(nouns, ordered, mode, marks)
    lines = {index: genealogy(taxonomy, wnid) for index, wnid in wnids.items()}
    return {
        index: (key, nouns[node].name if node in nouns else node)
        for index, (key, node) in labels_at_depth(lines, depth).items()
    }


def write_supersets(
    out: str | os.PathLike[str],
    rule: str,
    classes_json: str | os.PathLike[str],
    *,
    mode: str = "paper",
    data_noun: str | os.PathLike[str] | Nouns | None = None,
    annotation: str | os.PathLike[str] | Annotation | None = None,
    depth: int | None = None,
) -> dict[int, list[int]]:
    """Write `superset_map` as JSON: `classes` (index to indices), `names` (index to superset name), rule and mode."""
    content = read_json(classes_json)
    if not isinstance(content, dict) or not content.get("classes"):
        raise DataError(f"{classes_json}: no classes in it; make it again")
    groups, names = superset_groups(
        rule, content["classes"], mode=mode, data_noun=data_noun, annotation=annotation, depth=depth
    )
    write_json(
        out,
        {
            "dataset": content.get("dataset"),
            "rule": rule,
            "mode": mode if rule == "wordnet" else None,
            "depth": depth,
            "classes": {str(index): members for index, members in groups.items()},
            "names": {str(index): name for index, name in names.items()},
        },
    )
    return groups


def _check_indices(classes: Sequence[ClassInfo]) -> None:
    indices = [int(entry["index"]) for entry in classes]
    if sorted(indices) != list(range(len(indices))):
        raise DataError(f"class indices must be 0 … {len(indices) - 1}, each once; found {sorted(indices)[:10]} …")
