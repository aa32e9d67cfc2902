"""WordNet 3.0 nouns, and the supersets of CALM (ICCV 2021, supplement section F) that are made from them.

A wnid is the byte offset of a noun synset in WordNet 3.0's `data.noun` with the letter n before it: n02084071 is dog.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from wsol.data.annotation import Annotation, load_annotation
from wsol.data.taxonomy import MODES, Supersets, Taxonomy, partition
from wsol.errors import DataError, ParameterError
from wsol.locations import wordnet_nouns

WNIDS = Path("params/datasets/imagenet1k.wnids.txt")
ANNOTATION = Path("params/supersets/imagenet.yaml")
NUM_NOUNS = 82_115
_WNID = re.compile(r"n\d{8}")
_VERSION = re.compile(r"WordNet (\d+(?:\.\d+)*) Copyright")
_LANDMARKS = {"n00001740": "entity", "n02084071": "dog", "n12992868": "fungus"}
_REMEDY = (
    "Debian's package wordnet-base provides it as /usr/share/wordnet/data.noun: `apt-get install wordnet-base`, or"
    " without root `apt-get download wordnet-base && dpkg -x wordnet-base_*.deb wordnet`; name the file with"
    " --data-noun or the environment variable WSOL_WORDNET"
)


class Synset(NamedTuple):
    """One noun concept; the hypernyms are in the order of data.noun."""

    wnid: str
    lemmas: tuple[str, ...]
    hypernyms: tuple[str, ...]
    instance_hypernyms: tuple[str, ...]
    gloss: str

    @property
    def name(self) -> str:
        return self.lemmas[0]


Nouns = Mapping[str, Synset]


def find_data_noun(path: str | os.PathLike[str] | None = None) -> Path:
    """`path`, else $WSOL_WORDNET, else where Debian's wordnet-base puts the file; a folder means the file in it."""
    named = wordnet_nouns() if path is None else Path(path)
    found = named / "data.noun" if named.is_dir() else named
    if not found.is_file():
        raise DataError(f"{found}: no such file; it should be WordNet 3.0's data.noun. {_REMEDY}")
    return found


def load_nouns(path: str | os.PathLike[str] | None = None, *, check: bool = True) -> dict[str, Synset]:
    """All noun synsets of a `data.noun` file (format: wndb(5WN)), by wnid.

    `check` demands WordNet 3.0, whole: wnids mean nothing in another version. Raises DataError for a missing or broken
    file, and for another version.
    """
    found = find_data_noun(path)
    nouns: dict[str, Synset] = {}
    preamble: list[str] = []
    with open(found, encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream, start=1):
            if line.startswith(" "):
                preamble.append(line)
                continue
            try:
                synset = _parse(line)
            except (ValueError, IndexError) as error:
                raise DataError(
                    f"{found}, line {number}: not a line of WordNet's data.noun ({line[:40]!r}). {_REMEDY}"
                ) from error
            nouns[synset.wnid] = synset
    if check:
        _check_version(found, "".join(preamble), nouns)
    return nouns


def _parse(line: str) -> Synset:
    """offset lex_filenum n w_cnt(hex) {lemma lex_id} p_cnt {symbol offset pos source/target} | gloss."""
    head, _, gloss = line.partition(" | ")
    fields = head.split()
    wnid, kind, num_lemmas = f"n{fields[0]}", fields[2], int(fields[3], 16)
    if kind != "n" or not _WNID.fullmatch(wnid) or not num_lemmas:
        raise ValueError("not a noun")
    start = 4 + 2 * num_lemmas
    end = start + 1 + 4 * int(fields[start])
    if end > len(fields):
        raise IndexError("pointers are missing")
    pointers = [(fields[i], f"n{fields[i + 1]}") for i in range(start + 1, end, 4)]
    return Synset(
        wnid=wnid,
        lemmas=tuple(lemma.replace("_", " ") for lemma in fields[4:start:2]),
        hypernyms=tuple(target for symbol, target in pointers if symbol == "@"),
        instance_hypernyms=tuple(target for symbol, target in pointers if symbol == "@i"),
        gloss=gloss.strip(),
    )


def _check_version(path: Path, preamble: str, nouns: Nouns) -> None:
    match = _VERSION.search(preamble)
    version = match.group(1) if match else "unknown"
    if version != "3.0":
        raise DataError(
            f"{path}: this is WordNet {version}, but wnids are offsets into WordNet 3.0; in others another synset"
            f" stands there. {_REMEDY}"
        )
    if len(nouns) != NUM_NOUNS:
        raise DataError(
            f"{path}: {len(nouns):,} noun synsets where WordNet 3.0 has {NUM_NOUNS:,}; the file is cut or edited."
            f" {_REMEDY}"
        )
    for wnid, name in _LANDMARKS.items():
        if wnid not in nouns or nouns[wnid].name != name:
            raise DataError(f"{path}: {wnid} is not {name!r} as in WordNet 3.0; the file was edited. {_REMEDY}")


def load_wnids(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """One wnid a line in class-index order; what follows a # is a comment."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; it should list one wnid a line in class-index order") from error
    wnids: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        wnid = line.split("#", 1)[0].strip()
        if not wnid:
            continue
        if not _WNID.fullmatch(wnid):
            raise DataError(f"{path}, line {number}: {wnid!r} is not a wnid; write n and eight digits, as n02084071")
        if wnid in wnids:
            raise DataError(f"{path}, line {number}: {wnid} is listed twice; a class has one index")
        wnids[wnid] = None
    if not wnids:
        raise DataError(f"{path}: no wnid in it; write one a line in class-index order")
    return tuple(wnids)


def build_taxonomy(nouns: Nouns, wnids: Sequence[str], mode: str, annotation: Annotation | None = None) -> Taxonomy:
    """The hierarchy above the classes `wnids`.

    Mode `paper`: a tree, the parent being the first hypernym pointer, or what the annotation puts in its place.
    Mode `wordnet`: every hypernym pointer of data.noun, a directed acyclic graph.
    """
    if mode not in MODES:
        raise ParameterError(f"mode {mode!r} is not one of {', '.join(MODES)}")
    overrides = annotation.parent_overrides if annotation and mode == "paper" else {}
    origin = annotation.origin if annotation else "annotation"
    for node, parent in overrides.items():
        if node in nouns and parent not in nouns[node].hypernyms:
            raise ParameterError(
                f"{origin}: parent_overrides gives {node} the parent {parent},"
                f" which is not among its hypernyms in WordNet ({', '.join(nouns[node].hypernyms) or 'none'})"
            )
    parents: dict[str, tuple[str, ...]] = {}
    waiting = list(wnids)
    while waiting:
        node = waiting.pop()
        if node in parents:
            continue
        if node not in nouns:
            raise DataError(
                f"{node}: no such noun in WordNet 3.0's data.noun; check the list of wnids and the WordNet file"
            )
        hypernyms = nouns[node].hypernyms
        parents[node] = (overrides.get(node, hypernyms[0]),) if hypernyms and mode == "paper" else hypernyms
        waiting.extend(parents[node])
    return Taxonomy(tuple(wnids), parents, {node: nouns[node].name for node in parents})


def as_nouns(data_noun: str | os.PathLike[str] | Nouns | None) -> Nouns:
    """Nouns that are loaded already, or those of the file named."""
    return data_noun if isinstance(data_noun, Mapping) else load_nouns(data_noun)


def supersets(
    mode: str = "paper",
    data_noun: str | os.PathLike[str] | Nouns | None = None,
    wnids: str | os.PathLike[str] | Sequence[str] | None = None,
    annotation: str | os.PathLike[str] | Annotation | None = None,
) -> Supersets:
    """Every class and the classes of the same object structure: CALM, supplement section F, Table A.

    mode: `paper`, the tree that the printed counts were made on; `wordnet`, all descendants in WordNet.
    data_noun: path of WordNet 3.0's data.noun (default: $WSOL_WORDNET, then Debian's place), or what `load_nouns` gave.
    wnids: the classes, or a file that lists them (default: the 1000 of ImageNet-1k).
    annotation: which nodes are homogeneous (default: those of Table A).
    """
    marks = annotation if isinstance(annotation, Annotation) else load_annotation(annotation or ANNOTATION)
    classes = load_wnids(wnids or WNIDS) if wnids is None or isinstance(wnids, str | os.PathLike) else tuple(wnids)
    taxonomy = build_taxonomy(as_nouns(data_noun), classes, mode, marks)
    return partition(taxonomy, marks.nodes(mode), mode=mode)
