from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.errors import DataError
from wsol.reports.cells import CELL_FIELDS, CellKey, ScaleView, evaluate
from wsol.reports.latex import latex, latex_escape
from wsol.reports.markdown import markdown
from wsol.reports.render import cells_csv, table_csv, table_file, terminal_table, write_table
from wsol.reports.spec import Column, Erratum, Row, TableSpec, load_spec
from wsol.reports.text import rounded, stored

TABLE_B = Path("params/papers/calm/table_b.yaml")
SPEC = TableSpec(
    id="tableX",
    paper="some",
    title="A 100% table",
    source="a paper, Table X",
    split="test",
    threshold="oracle",
    decimals=1,
    pictures=True,
    columns=(
        Column("Birds", "A", "Birds", "a", "PxAP"),
        Column("Birds", "B", "Birds", "b", "PxAP"),
        Column("Birds", "Mean", "Birds", None, "PxAP", parts=("Birds A", "Birds B")),
        Column("Things", "A", "Things", "a", "Acc"),
    ),
    rows=(
        Row("one_x", "one", "cam"),
        Row("two", "two", "cam", latex=r"two$^2$"),
        Row("extra", "extra", "cam", extra=True, source="another | paper"),
    ),
    published={("one_x", "Birds A"): 10.0, ("one_x", "Birds Mean"): 12.5, ("extra", "Birds A"): 3.25},
    errata={("one_x", "Birds Mean"): Erratum(12.5, 12.0, "arithmetic", "mean of 10 and 14")},
)
VIEW = ScaleView("tiny", {"Birds": "synthbirds", "Things": None}, ["a", "b"], {"one"}, [0, 1], purpose="testing")


def score(key: CellKey) -> float:
    return {"a": 10.25, "b": 20.0}[key.backbone] + key.seed


def test_golden_table() -> None:
    text = table_csv(SPEC, evaluate(SPEC, VIEW, score), VIEW)
    # 10.25 and 11.25 average to 10.75, printed 10.8: halves go up.
    assert text == (
        "scale,row,synthbirds PxAP A,synthbirds PxAP B,synthbirds PxAP Mean,Things Acc A\n"
        "tiny,one_x,10.8,20.5,15.6,not-in-scale\n"
        "tiny,two,missing,missing,missing,not-in-scale\n"
        "tiny,extra,missing,missing,missing,not-in-scale\n"
    )


def test_golden_cells() -> None:
    lines = cells_csv(evaluate(SPEC, VIEW, score)).splitlines()
    assert lines[0] == ",".join(CELL_FIELDS)
    assert lines[1] == "one_x,synthbirds PxAP A,synthbirds,a,one,cam,PxAP,test,10.75,0.707107,2,10.0,,measured,"
    assert lines[3] == (
        "one_x,synthbirds PxAP Mean,synthbirds,mean,one,cam,PxAP,test,15.625,0.707107,2,12.5,,measured,"
        '"printed 12.5, correct 12.0: mean of 10 and 14"'
    )
    assert lines[4] == "one_x,Things Acc A,,a,one,cam,Acc,test,,,0,,,not-in-scale,"
    assert len(lines) == 1 + 3 * 4


def test_cells_and_table_join_on_row_and_column() -> None:
    cells = evaluate(SPEC, VIEW, score)
    table = list(csv.DictReader(table_csv(SPEC, cells, VIEW).splitlines()))
    for cell in csv.DictReader(cells_csv(cells).splitlines()):
        (line,) = (line for line in table if line["row"] == cell["row"])
        expected = cell["status"] if cell["status"] != "measured" else rounded(float(cell["value"]), 1)
        assert line[cell["column"]] == expected


def test_a_stand_in_is_never_called_by_the_name_of_the_real_data() -> None:
    spec = load_spec(TABLE_B)
    view = ScaleView("demo", {"ImageNet": "synthnet", "CUB": "synthbirds"}, ["resnet50"], {"cam"}, [0])
    header = table_csv(spec, evaluate(spec, view, lambda key: 1.0), view).splitlines()[0]
    assert "ImageNet" not in header
    assert "CUB" not in header
    assert "synthnet MaxBoxAccV2 ResNet" in header
    assert "OpenImages PxAP ResNet" in header


def test_markdown_says_what_was_measured_and_marks_errata() -> None:
    text = markdown(SPEC, evaluate(SPEC, VIEW, score), VIEW)
    assert text.startswith("# A 100% table\n")
    for words in (
        "Measured at scale tiny (testing).",
        "synthbirds stands in for Birds; Things is not in this scale.",
        "split: test; seeds: 0, 1.",
        "best one on the split that is scored (oracle)",
        "| one\\_x | 10.8 ± 0.7 | 20.5 ± 0.7 | 15.6 ± 0.7 | not-in-scale |",
        "missing: the method or its score does not exist yet; not-in-scale: ",
        "## Published (paper)",
        "| one\\_x | 10.0 | – | 12.5[^1] | – |",
        "| extra[^2] | 3.3 | – | – | – |",
        "[^1]: Erratum, one\\_x: printed 12.5, correct 12.0: mean of 10 and 14.",
        "[^2]: Not a row of the printed table; its values are from another \\| paper.",
    ):
        assert words in text
    assert "Measured minus published" not in text


def test_markdown_shows_differences_at_the_papers_scale() -> None:
    view = replace(VIEW, is_paper=True)
    text = markdown(SPEC, evaluate(SPEC, view, score), view)
    assert "## Measured minus published" in text
    assert "| one\\_x | +0.8 |  | +3.1 |  |" in text
    assert "synthbirds is the paper's Birds" in text
    assert "not to be subtracted" not in text


def test_latex_is_escaped_and_grouped() -> None:
    text = latex(SPEC, evaluate(SPEC, VIEW, score), VIEW)
    for words in (
        r"A 100\% table",
        r"\toprule",
        r" & \multicolumn{3}{c}{synthbirds PxAP} & \multicolumn{1}{c}{Things Acc} \\",
        r"\cmidrule(lr){2-4} \cmidrule(lr){5-5}",
        r"one\_x & 10.8 $\pm$ 0.7 & 20.5 $\pm$ 0.7 & 15.6 $\pm$ 0.7 & \emph{not-in-scale} \\",
        r"two$^2$ & \emph{missing}",
        "\\midrule\nextra & ",
        r"\bottomrule",
    ):
        assert words in text
    assert text.count("{") == text.count("}")
    assert text.isascii()


def test_latex_escapes_every_special_character() -> None:
    assert latex_escape(r"a_b & 5% $x$ #1 {y} ~ ^ \z < > τ") == (
        r"a\_b \& 5\% \$x\$ \#1 \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}z "
        r"\textless{} \textgreater{} $\tau$"
    )


@settings(deadline=None, max_examples=30)
@given(st.text(alphabet="ab\\{}_^$%&#~<>|", max_size=20))
def test_no_special_character_survives_escaping(text: str) -> None:
    escaped = latex_escape(text)
    for command in ("textbackslash{}", "textasciitilde{}", "textasciicircum{}", "textless{}", "textgreater{}"):
        escaped = escaped.replace("\\" + command, "")
    escaped = escaped.replace("\\textbar{}", "")
    for character in "{}_$%&#":
        escaped = escaped.replace("\\" + character, "")
    assert set(escaped) <= set("ab")


@pytest.mark.parametrize(
    ("value", "text"),
    [(62.25, "62.3"), (62.35, "62.4"), (62.249999, "62.2"), (0.05, "0.1"), (-0.04, "0.0"), (100.0, "100.0")],
)
def test_printed_numbers_round_halves_away_from_zero(value: float, text: str) -> None:
    assert rounded(value, 1) == text


def test_stored_and_signed_numbers() -> None:
    assert [stored(value) for value in (None, 1 / 3, 50.0, -1e-9)] == ["", "0.333333", "50.0", "0.0"]
    assert [rounded(value, 1, signed=True) for value in (0.81, -0.81, 0.0, -0.01)] == ["+0.8", "-0.8", "0.0", "0.0"]


def test_write_table_makes_four_files_with_the_same_bytes_again(tmp_path: Path) -> None:
    cells = evaluate(SPEC, VIEW, score)
    first = {path.name: path.read_bytes() for path in write_table(SPEC, cells, VIEW, tmp_path / "a" / "tableX.csv")}
    again = {path.name: path.read_bytes() for path in write_table(SPEC, cells, VIEW, tmp_path / "b" / "tableX.csv")}
    assert sorted(first) == ["tableX.cells.csv", "tableX.csv", "tableX.md", "tableX.tex"]
    assert first == again
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(first)


def test_a_table_file_must_be_csv() -> None:
    assert table_file("reports/tableB.csv", ".cells.csv") == Path("reports/tableB.cells.csv")
    with pytest.raises(DataError, match=r"must end in \.csv"):
        table_file("reports/tableB.md", ".tex")


def test_terminal_table_is_aligned_and_names_what_it_leaves_out(tmp_path: Path) -> None:
    write_table(SPEC, evaluate(SPEC, VIEW, score), VIEW, tmp_path / "tableX.csv")
    assert terminal_table(tmp_path / "tableX.csv") == (
        "tableX at scale tiny\n"
        "\n"
        "       ---- synthbirds PxAP ----\n"
        "             A        B     Mean\n"
        "-----  -------  -------  -------\n"
        "one_x     10.8     20.5     15.6\n"
        "two    missing  missing  missing\n"
        "extra  missing  missing  missing\n"
        "\n"
        "not-in-scale: Things Acc A\n"
    )


def test_quoted_rows_bring_no_column_back_that_the_scale_lacks(tmp_path: Path) -> None:
    spec = replace(SPEC, rows=(*SPEC.rows, Row("quoted", published_only=True)))
    write_table(spec, evaluate(spec, VIEW, score), VIEW, tmp_path / "tableX.csv")
    text = terminal_table(tmp_path / "tableX.csv")
    assert "quoted  published-only  published-only  published-only\n" in text
    assert text.endswith("not-in-scale: Things Acc A\n")


@pytest.mark.parametrize("backbones", [["resnet50"], ["vgg16", "inceptionv3", "resnet50"]])
def test_table_b_fits_a_terminal(tmp_path: Path, backbones: list[str]) -> None:
    spec = load_spec(TABLE_B)
    stand_ins = {"ImageNet": "synthnet", "CUB": "synthbirds", "OpenImages": "synthobjects"}
    view = ScaleView("small", stand_ins, backbones, {"cam"}, [0])
    write_table(spec, evaluate(spec, view, lambda key: 55.5), view, tmp_path / "tableB.csv")
    lines = terminal_table(tmp_path / "tableB.csv").splitlines()
    assert max(map(len, lines)) <= 160
    assert any(line.startswith("CAM + Y") and "55.5" in line for line in lines)


def test_terminal_table_refuses_another_file(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"other\.csv: not a table"):
        terminal_table(tmp_path / "other.csv")
