"""Interactive annotation: walk the hierarchy breadth-first from entity and ask of each node whether it is homogeneous.

CALM (ICCV 2021), supplement section F: a node is homogeneous (hom) when all classes below it share one object
structure; then nothing below it is asked. Every answer is saved at once, and a later start goes on from there.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from wsol.data.annotation import Annotation, Mark, load_annotation, save_annotation
from wsol.data.taxonomy import Taxonomy, breadth_first
from wsol.data.wordnet import Nouns, as_nouns, build_taxonomy, load_wnids

HELP = """  h  hom: all these classes share one object structure, part for part; they become one superset
  t  het: they do not; the nodes below are asked in their turn
  u  undo the last answer
  s  skip: ask this node again at the next start
  q  quit; every answer is saved already
"""
_KEYS = {"h": "hom", "hom": "hom", "t": "het", "het": "het"}
_SHOWN_CLASSES = 12


@dataclass(frozen=True)
class Question:
    """A node to ask, its depth below the root, and how many more questions there can be after it."""

    wnid: str
    depth: int
    at_most_left: int


@dataclass(frozen=True)
class Progress:
    """answered: marks in the file; given: answers of this sitting; finished: nothing is left to ask."""

    answered: int
    given: int
    finished: bool


def open_questions(
    taxonomy: Taxonomy, marks: Mapping[str, str], skipped: Collection[str] = ()
) -> list[tuple[str, int]]:
    """(wnid, depth) of the nodes without an answer that the walk reaches, breadth first; a root is not asked.

    A node above one class is a singleton and is not asked. Nothing is asked below a node that is hom, skipped or open.
    """
    questions: list[tuple[str, int]] = []
    reached = set(taxonomy.roots)
    for node, depth in breadth_first(taxonomy):
        if node not in reached or node in skipped:
            continue
        if depth == 0 or marks.get(node) == "het":
            reached.update(child for child in taxonomy.children[node] if len(taxonomy.leaves(child)) > 1)
        elif node not in marks:
            questions.append((node, depth))
    return questions


def next_question(taxonomy: Taxonomy, marks: Mapping[str, str], skipped: Collection[str] = ()) -> Question | None:
    questions = open_questions(taxonomy, marks, skipped)
    if not questions:
        return None
    possible: set[str] = set()
    waiting = [wnid for wnid, _ in questions]
    while waiting:
        node = waiting.pop()
        if node not in possible and len(taxonomy.leaves(node)) > 1:
            possible.add(node)
            waiting.extend(taxonomy.children[node])
    return Question(*questions[0], at_most_left=len(possible) - 1)


def annotate(
    data_noun: str | os.PathLike[str] | Nouns | None,
    wnids: str | os.PathLike[str] | Sequence[str],
    out: str | os.PathLike[str],
    stdin: TextIO,
    stdout: TextIO,
    *,
    tree: str | os.PathLike[str] | Annotation | None = None,
) -> Progress:
    """Ask until all is answered or the user quits; `out` is written after every answer and read first if it exists.

    wnids: the classes, or a file that lists them. tree: an annotation whose parent overrides a new `out` takes over, so
    that the walk and the later counts are on the same tree; without it, WordNet's first parents.
    """
    nouns = as_nouns(data_noun)
    classes = load_wnids(wnids) if isinstance(wnids, str | os.PathLike) else tuple(wnids)
    annotation = _start(out, tree)
    taxonomy = build_taxonomy(nouns, classes, "paper", annotation)
    skipped: set[str] = set()
    given = 0
    while question := next_question(taxonomy, {mark.wnid: mark.mark for mark in annotation.marks}, skipped):
        _show(question, taxonomy, nouns, len(annotation.marks), stdout)
        answer = _ask(stdin, stdout)
        if answer == "q":
            break
        if answer == "s":
            skipped.add(question.wnid)
            continue
        if answer == "u":
            if not annotation.marks:
                print("nothing to undo", file=stdout)
                continue
            last = annotation.marks[-1]
            annotation = annotation.with_marks(annotation.marks[:-1])
            print(f"undone: {last.name} was {last.mark}", file=stdout)
            given -= 1
        else:
            mark = Mark(question.wnid, taxonomy.name(question.wnid), _KEYS[answer])
            annotation = annotation.with_marks((*annotation.marks, mark))
            given += 1
        save_annotation(out, annotation)
    finished = question is None and not skipped
    left = "nothing is left to ask" if finished else "start again with the same --out to go on"
    print(f"\n{len(annotation.marks)} answers in {out}; {left}.", file=stdout)
    return Progress(len(annotation.marks), given, finished)


def _start(out: str | os.PathLike[str], tree: str | os.PathLike[str] | Annotation | None) -> Annotation:
    if Path(out).exists():
        return load_annotation(out)
    if tree is None:
        return Annotation()
    source = tree if isinstance(tree, Annotation) else load_annotation(tree)
    return Annotation(overrides=source.overrides)


def _show(question: Question, taxonomy: Taxonomy, nouns: Nouns, answered: int, stdout: TextIO) -> None:
    synset = nouns[question.wnid]
    leaves = taxonomy.leaves(question.wnid)
    step = max(1, len(leaves) // _SHOWN_CLASSES)
    examples = [taxonomy.name(leaf) for leaf in leaves[::step][:_SHOWN_CLASSES]]
    more = f", … ({len(leaves) - len(examples)} more)" if len(leaves) > len(examples) else ""
    print(f"\n[{answered} answered, at most {question.at_most_left + 1} to go]  depth {question.depth}", file=stdout)
    same = any(taxonomy.leaves(parent) == leaves for parent in taxonomy.parents[question.wnid])
    size = f"{len(leaves)} classes, the same as its parent's" if same else f"{len(leaves)} classes"
    print(f"{', '.join(synset.lemmas)}  ({question.wnid}, {size})", file=stdout)
    for text in (synset.gloss, ", ".join(examples) + more):
        print(textwrap.fill(text, width=100, initial_indent="  ", subsequent_indent="  "), file=stdout)


def _ask(stdin: TextIO, stdout: TextIO) -> str:
    """One of h, hom, t, het, u, s, q; the end of the input is q."""
    while True:
        print("[h]om  he[t]  [u]ndo  [s]kip  [q]uit  [?] help: ", end="", file=stdout, flush=True)
        line = stdin.readline()
        if not line:
            return "q"
        answer = line.strip().lower()
        if answer in _KEYS or answer in ("u", "s", "q"):
            return answer
        print(HELP if answer == "?" else f"{answer!r} is none of h, t, u, s, q; ? explains them", file=stdout)
