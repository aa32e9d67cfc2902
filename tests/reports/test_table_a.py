"""Table A: on a small hierarchy with every kind of note, and on the real WordNet 3.0 against the printed counts."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from wsol.data.annotation import Annotation, Mark, Nested, load_annotation
from wsol.data.wordnet import Synset, load_nouns, load_wnids
from wsol.errors import DataError, ParameterError
from wsol.reports.table_a import PrintedRow, TableA, as_csv, as_markdown, load_published, table_a, write_table_a

REPO = Path(__file__).resolve().parents[2]
WNIDS = REPO / "params/datasets/imagenet1k.wnids.txt"
ANNOTATION = REPO / "params/supersets/imagenet.yaml"
PUBLISHED = REPO / "params/papers/calm/table_a.published.csv"
SPEC = REPO / "params/papers/calm/table_a.yaml"

EDGES = [
    ("n1", "entity", ()),
    ("n2", "canine", ("n1",)),
    ("n3", "domestic animal", ("n1",)),
    ("n4", "dog", ("n3", "n2")),
    ("n5", "toy dog", ("n4",)),
    ("n6", "pug", ("n5",)),
    ("n7", "papillon", ("n5",)),
    ("n8", "boxer", ("n4",)),
    ("n9", "wolf", ("n2",)),
]
NOUNS = {wnid: Synset(wnid, (name,), parents, (), "") for wnid, name, parents in EDGES}
CLASSES = ["n6", "n7", "n8", "n9"]
MARKS = Annotation(
    marks=(Mark("n4", "dog", "hom", printed_as="n2"),), also_printed=(Nested("n5", "toy dog", inside="n4"),)
)
PRINTED = [PrintedRow("canine", "n2", 3), PrintedRow("toy dog,", "n5", 2), PrintedRow("toy dog,", "n5", 2)]


def _small(mode: str = "paper") -> TableA:
    return table_a(NOUNS, CLASSES, MARKS, PRINTED, mode, {"n5": "a reading"})


@pytest.fixture(scope="module")
def data_noun() -> Path:
    path = Path(os.environ.get("WSOL_WORDNET", "/usr/share/wordnet/data.noun"))
    if not path.exists():
        pytest.skip("install Debian's wordnet-base, or set WSOL_WORDNET to WordNet 3.0's data.noun")
    return path


@pytest.fixture(scope="module")
def nouns(data_noun: Path) -> dict[str, Synset]:
    return load_nouns(data_noun)


def _real(nouns: dict[str, Synset], mode: str) -> TableA:
    return table_a(nouns, load_wnids(WNIDS), load_annotation(ANNOTATION), load_published(PUBLISHED), mode)


def test_rows_and_notes_of_a_small_table() -> None:
    assert as_csv(_small()) == (
        "wnid,name,num_classes,published,note\n"
        "n2,canine,1,3,3 is the count of dog n4 in the paper's tree\n"
        'n5,toy dog,2,2,"a reading; printed 2 times, as rows 2 and 3"\n'
        'n5,toy dog,2,2,"a reading; printed 2 times, as rows 2 and 3"\n'
    )


def test_mode_wordnet_counts_all_descendants() -> None:
    table = _small("wordnet")
    assert [row.num_classes for row in table.rows] == [4, 2, 2]
    assert "below canine n2, which is printed too" in table.rows[1].note


def test_unexplained_count_is_said_to_be_so() -> None:
    table = table_a(NOUNS, CLASSES, Annotation(), [PrintedRow("dog", "n4", 7)])
    assert table.differing == table.rows
    assert table.rows[0].note == "unexplained"


def test_markdown_shows_totals_beside_claims() -> None:
    text = as_markdown(_small(), {"singletons": 330})
    assert "| n2 | canine | 1 | 3 |" in text
    assert "2 of 3 counts equal the printed ones" in text
    assert "| singleton supersets | 1 | 330 |" in text
    assert "| distinct supersets | 3 |  |" in text
    assert "| parts of the partition | 2 |  |" in text


def test_unknown_wnid_names_the_row() -> None:
    with pytest.raises(DataError, match=r"row 1.*n99"):
        table_a(NOUNS, CLASSES, MARKS, [PrintedRow("nothing", "n99", 2)])


@pytest.mark.parametrize(
    ("text", "message"),
    [("wnid,count\nn1,2\n", "columns"), ("name,wnid,num_classes\ndog,n4,many\n", "line 2.*whole number")],
)
def test_bad_published_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "published.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        load_published(tmp_path / "published.csv")


def test_missing_published_file_and_bad_spec(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_published(tmp_path / "published.csv")
    arguments = (NOUNS, WNIDS, ANNOTATION, PUBLISHED, tmp_path / "out.csv")
    with pytest.raises(ParameterError, match="no such file"):
        write_table_a(*arguments, spec_yaml=tmp_path / "spec.yaml")
    (tmp_path / "spec.yaml").write_text("claim: {}\n")
    with pytest.raises(ParameterError, match="unknown key claim"):
        write_table_a(*arguments, spec_yaml=tmp_path / "spec.yaml")
    assert not (tmp_path / "out.csv").exists()


def test_printed_rows_are_those_of_the_paper() -> None:
    """Sums of the print itself: 120 rows, two wnids twice, 687 classes; three columns that count down."""
    rows = load_published(PUBLISHED)
    assert len(rows) == 120
    assert {wnid for wnid, times in Counter(row.wnid for row in rows).items() if times > 1} == {
        "n03990474",
        "n03997484",
    }
    assert sum(row.num_classes for row in rows) == 687
    counts = [row.num_classes for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert (rows[0].name, rows[40].name, rows[80].name, rows[119].name) == ("canine", "wheel", "power tool", "shore")


def test_counts_agree_with_the_print_on_all_rows_but_canine(nouns: dict[str, Synset]) -> None:
    table = _real(nouns, "paper")
    assert len(table.rows) == 120
    (row,) = table.differing
    assert (row.wnid, row.num_classes, row.published) == ("n02083346", 12, 116)
    assert row.note == "116 is the count of dog n02084071 in the paper's tree"


def test_printed_names_are_names_of_their_synsets(nouns: dict[str, Synset]) -> None:
    for row in load_published(PUBLISHED):
        assert row.name.rstrip(",").split(", ")[0] in nouns[row.wnid].lemmas


def test_graph_agrees_on_109_rows(nouns: dict[str, Synset]) -> None:
    table = _real(nouns, "wordnet")
    assert len(table.rows) - len(table.differing) == 109
    assert {row.name: row.num_classes for row in table.differing} == {
        "canine": 130,
        "bird": 59,
        "building": 14,
        "ball": 10,
        "feline": 13,
        "place of business": 9,
        "truck": 8,
        "stringed instrument": 8,
        "ship": 6,
        "piece of cloth": 5,
        "aircraft": 4,
    }
    assert all("in the paper's tree" in row.note for row in table.differing)


def test_annotation_covers_exactly_the_printed_nodes() -> None:
    annotation = load_annotation(ANNOTATION)
    printed = {row.wnid for row in load_published(PUBLISHED)}
    assert len(printed) == 118
    assert set(annotation.nodes("wordnet")) == printed
    assert set(annotation.nodes("paper")) == printed - {"n02083346"} | {"n02084071"}


def test_written_table(nouns: dict[str, Synset], tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_table_a(
            nouns,
            WNIDS,
            ANNOTATION,
            PUBLISHED,
            tmp_path / f"{name}.csv",
            spec_yaml=SPEC,
            out_md=tmp_path / f"{name}.md",
        )
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    with open(tmp_path / "a.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["wnid", "name", "num_classes", "published", "note"]
    notes = {row["wnid"]: row["note"] for row in rows if row["note"]}
    assert set(notes) == {
        *("n02083346", "n02401031", "n02395003"),
        *("n03990474", "n03997484", "n02970849", "n02834778"),
    }
    assert "which is printed too" in notes["n02401031"]
    text = (tmp_path / "a.md").read_text()
    for line in (
        "| singleton supersets | 330 | 330 |",
        "| rows and singletons | 450 | 450 |",
        "| distinct supersets | 448 |",
    ):
        assert line in text
