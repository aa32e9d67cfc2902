"""The annotator with scripted answers: order of the questions, saving, undo, skip, quit and resume."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest

from wsol.data.annotate import annotate, next_question, open_questions
from wsol.data.annotation import Annotation, Mark, ParentOverride, load_annotation
from wsol.data.wordnet import Synset, build_taxonomy, load_nouns, load_wnids, supersets

REPO = Path(__file__).resolve().parents[2]
# entity ─ animal ─ bird ─ {wren, owl}
#        │        └ canine ─ dog ─ {pug, boxer}      (canine and dog hold the same classes)
#        └ tool ─ {hammer, saw};  entity ─ plant ─ fern
EDGES = [
    ("n01", "entity", ()),
    ("n02", "animal", ("n01",)),
    ("n03", "bird", ("n02",)),
    ("n04", "canine", ("n02",)),
    ("n05", "dog", ("n04",)),
    ("n06", "tool", ("n01",)),
    ("n07", "plant", ("n01",)),
    ("n11", "wren", ("n03",)),
    ("n12", "owl", ("n03",)),
    ("n13", "pug", ("n05",)),
    ("n14", "boxer", ("n05", "n06")),
    ("n15", "hammer", ("n06",)),
    ("n16", "saw", ("n06",)),
    ("n17", "fern", ("n07",)),
]
NOUNS = {wnid: Synset(wnid, (name,), parents, (), f"gloss of {name}") for wnid, name, parents in EDGES}
WNIDS = [wnid for wnid, _, _ in EDGES if wnid > "n10"]


def _sitting(out: Path, answers: str, **options: object) -> tuple[object, str]:
    shown = io.StringIO()
    script = io.StringIO("".join(f"{answer}\n" for answer in answers.split()))
    return annotate(NOUNS, WNIDS, out, script, shown, **options), shown.getvalue()  # type: ignore[arg-type]


def _asked(shown: str) -> list[str]:
    return re.findall(r"^(\w+)  \(n\d", shown, re.MULTILINE)


def _marks(out: Path) -> dict[str, str]:
    return {mark.name: mark.mark for mark in load_annotation(out).marks}


def test_breadth_first_and_nothing_below_a_homogeneous_node(tmp_path: Path) -> None:
    progress, shown = _sitting(tmp_path / "marks.yaml", "t h h h")
    assert _asked(shown) == ["animal", "tool", "bird", "canine"]
    assert progress.finished and progress.answered == progress.given == 4  # type: ignore[attr-defined]
    assert _marks(tmp_path / "marks.yaml") == {"animal": "het", "tool": "hom", "bird": "hom", "canine": "hom"}
    assert "nothing is left to ask" in shown


def test_question_shows_what_is_needed_to_answer(tmp_path: Path) -> None:
    _, shown = _sitting(tmp_path / "marks.yaml", "t t t t q")
    assert "animal  (n02, 4 classes)" in shown
    assert "gloss of animal" in shown
    assert "wren, owl, pug, boxer" in shown
    assert "depth 1" in shown
    assert "dog  (n05, 2 classes, the same as its parent's)" in shown


def test_every_answer_is_on_disk_at_once(tmp_path: Path) -> None:
    out = tmp_path / "marks.yaml"

    class Script(io.StringIO):
        seen: list[int] = []  # noqa: RUF012

        def readline(self, *_: object) -> str:  # type: ignore[override]
            self.seen.append(len(load_annotation(out).marks) if out.exists() else 0)
            return super().readline()

    annotate(NOUNS, WNIDS, out, Script("t\nh\nh\nq\n"), io.StringIO())
    assert Script.seen == [0, 1, 2, 3]


@pytest.mark.parametrize("stop", ["t h q", "t h"])
def test_quit_and_end_of_input_resume_where_they_stopped(tmp_path: Path, stop: str) -> None:
    out = tmp_path / "marks.yaml"
    first, shown = _sitting(out, stop)
    assert not first.finished  # type: ignore[attr-defined]
    assert "--out" in shown
    second, shown = _sitting(out, "h h")
    assert _asked(shown) == ["bird", "canine"]
    assert second.finished and (second.answered, second.given) == (4, 2)  # type: ignore[attr-defined]
    at_once = tmp_path / "at-once.yaml"
    _sitting(at_once, "t h h h")
    assert out.read_bytes() == at_once.read_bytes()


def test_undo_takes_back_answers_also_of_an_earlier_start(tmp_path: Path) -> None:
    out = tmp_path / "marks.yaml"
    _sitting(out, "h h q")
    assert _marks(out) == {"animal": "hom", "tool": "hom"}
    _, shown = _sitting(out, "")
    assert _asked(shown) == []
    _sitting(out, "t q")  # finished: the file stays
    assert _marks(out) == {"animal": "hom", "tool": "hom"}
    other = tmp_path / "other.yaml"
    _sitting(other, "h q")
    _, shown = _sitting(other, "u t h u t q")
    assert "undone: animal was hom" in shown
    assert "undone: tool was hom" in shown
    assert _marks(other) == {"animal": "het", "tool": "het"}
    _, shown = _sitting(tmp_path / "none.yaml", "u q")
    assert "nothing to undo" in shown


def test_skipped_node_is_asked_again_at_the_next_start(tmp_path: Path) -> None:
    out = tmp_path / "marks.yaml"
    first, shown = _sitting(out, "s h")
    assert _asked(shown) == ["animal", "tool"]
    assert not first.finished  # type: ignore[attr-defined]
    _, shown = _sitting(out, "h")
    assert _asked(shown) == ["animal"]
    assert _marks(out) == {"tool": "hom", "animal": "hom"}


def test_wrong_answer_is_asked_again_and_help_is_given(tmp_path: Path) -> None:
    _, shown = _sitting(tmp_path / "marks.yaml", "yes ? HOM q")
    assert "'yes' is none of" in shown
    assert "ask this node again at the next start" in shown
    assert _marks(tmp_path / "marks.yaml") == {"animal": "hom"}


def test_new_file_takes_over_the_tree(tmp_path: Path) -> None:
    out = tmp_path / "marks.yaml"
    tree = Annotation(marks=(Mark("n03", "bird", "hom"),), overrides=(ParentOverride("n14", "n06"),))
    _, shown = _sitting(out, "t h h", tree=tree)
    # With boxer below tool, canine and dog hold one class each and are not asked.
    assert _asked(shown) == ["animal", "tool", "bird"]
    assert load_annotation(out).parent_overrides == {"n14": "n06"}
    assert supersets("paper", NOUNS, WNIDS, out)["n14"] == ("n14", "n15", "n16")
    _, shown = _sitting(out, "", tree=None)
    assert _asked(shown) == []


def test_progress_never_promises_too_little() -> None:
    taxonomy = build_taxonomy(NOUNS, WNIDS, "paper")
    marks: dict[str, str] = {}
    bounds = []
    while question := next_question(taxonomy, marks):
        bounds.append(question.at_most_left)
        marks[question.wnid] = "het"
    assert bounds == [4, 3, 2, 1, 0]
    assert open_questions(taxonomy, {}) == [("n02", 1), ("n06", 1)]


def test_answers_of_the_paper_give_its_annotation_back() -> None:
    """Answering hom at Table A's nodes and het elsewhere marks exactly these nodes, in 300 questions."""
    path = Path(os.environ.get("WSOL_WORDNET", "/usr/share/wordnet/data.noun"))
    if not path.exists():
        pytest.skip("install Debian's wordnet-base, or set WSOL_WORDNET to WordNet 3.0's data.noun")
    annotation = load_annotation(REPO / "params/supersets/imagenet.yaml")
    wnids = load_wnids(REPO / "params/datasets/imagenet1k.wnids.txt")
    taxonomy = build_taxonomy(load_nouns(path), wnids, "paper", annotation)
    hom = {mark.wnid for mark in annotation.marks}
    marks: dict[str, str] = {}
    while questions := open_questions(taxonomy, marks):
        marks |= {wnid: "hom" if wnid in hom else "het" for wnid, _ in questions}
    assert {wnid for wnid, mark in marks.items() if mark == "hom"} == hom
    assert len(marks) == 300
