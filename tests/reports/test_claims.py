"""Claims: what is read from the reports, when a comparison holds, fails or stays open, which selectors are refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from wsol.errors import DataError, ParameterError
from wsol.reports.cells import CELL_FIELDS, ScaleView
from wsol.reports.claims import ClaimFinding, compare, evaluate_claims
from wsol.reports.claims_reading import Reading, read_report
from wsol.reports.claims_spec import Comparison, Side, load_claims, reports_of
from wsol.reports.claims_text import CLAIM_FIELDS, claims_csv, claims_markdown

CALM = Path("params/papers/calm/claims.yaml")
STAND_INS = {"CUB": "synthbirds", "ImageNet": None, "OpenImages": "synthobjects"}
VIEW = ScaleView("smoke", STAND_INS, ["resnet50"], {"cam", "calm_em"}, [0, 1])
TABLE = "tableB.cells.csv"


def line(
    row: str, value: float | None, dataset: str = "synthbirds", backbone: str = "resnet50", **other: Any
) -> dict[str, str]:
    filled = dict.fromkeys(CELL_FIELDS, "") | {"row": row, "dataset": dataset, "backbone": backbone}
    filled |= {"value": "" if value is None else str(value), "status": "missing" if value is None else "measured"}
    return filled | {"n_seeds": "1"} | {key: str(text) for key, text in other.items()}


def claims_file(folder: Path, compare: str, rule: str = "all", more: str = "") -> Path:
    path = folder / "claims.yaml"
    head = "paper: calm\nclaims:\n  - id: one\n    statement: S\n    source: P\n"
    path.write_text(f"{head}    rule: {rule}\n{more}    compare:\n{compare}")
    return path


ONE = """
      - left: {report: tableB.cells.csv, select: {row: CALM_EM + Y, dataset: CUB, backbone: resnet50}}
        operator: greater
        margin: 5
        right: {report: tableB.cells.csv, select: {row: CALM_EM, dataset: CUB, backbone: resnet50}}
"""


def one(folder: Path, lines: list[dict[str, str]] | None, view: ScaleView = VIEW, text: str = ONE) -> ClaimFinding:
    return evaluate_claims(load_claims(claims_file(folder, text)), view, {TABLE: lines})[0]


# --- one comparison -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "left", "right", "margin", "verdict"),
    [
        ("greater", 60.0, 54.0, 5.0, "holds"),
        ("greater", 60.0, 55.0, 5.0, "fails"),
        ("greater", 60.0, 60.5, -1.0, "holds"),
        ("less", 0.8, 0.9, 0.0, "holds"),
        ("less", 0.9, 0.9, 0.0, "fails"),
        ("equal", 61.3, 61.3, 0.0, "holds"),
        ("equal", 61.3, 61.4, 0.05, "fails"),
        ("greater", 60.0, None, 0.0, "undecided"),
    ],
)
def test_without_noise_the_margin_decides(
    operator: str, left: float, right: float | None, margin: float, verdict: str
) -> None:
    comparison = Comparison(Side(TABLE), Side(TABLE), operator, margin)
    assert (
        compare(comparison, Reading(left), Reading(right, lacking="gone" if right is None else "")).verdict == verdict
    )


@pytest.mark.parametrize(
    ("operator", "left", "verdict"),
    [
        ("greater", 63.01, "holds"),
        ("greater", 62.99, "undecided"),
        ("greater", 57.01, "undecided"),
        ("greater", 56.99, "fails"),
        ("less", 56.99, "holds"),
        ("less", 63.01, "fails"),
        ("equal", 60.0, "holds"),
        ("equal", 62.99, "undecided"),
        ("equal", 63.01, "fails"),
    ],
)
def test_the_noise_is_twice_the_standard_error_over_seeds(operator: str, left: float, verdict: str) -> None:
    """Standard deviations 1.5 over 2 and 3 over 8 seeds: errors² 1.125 each, hence noise 2·1.5 = 3 about 60."""
    comparison = Comparison(Side(TABLE), Side(TABLE), operator, 0.0)
    found = compare(comparison, Reading(left, 1.5, 2), Reading(60.0, 3.0, 8))
    assert found.noise == pytest.approx(3.0)
    assert found.verdict == verdict
    assert (found.reason == "within the noise of the seeds") == (verdict == "undecided")


# --- from reports -------------------------------------------------------------------------------------------------


def test_values_spread_and_printed_values_are_read_from_the_line(tmp_path: Path) -> None:
    lines = [
        line("CALM_EM + Y", 65.0, std=1.0, n_seeds=4, published=71.0),
        line("CALM_EM", 50.0, std=1.0, n_seeds=4, published=60.3),
        line("CALM_EM", 99.0, backbone="vgg16"),
        line("CALM_EM", 98.0, dataset="synthobjects"),
    ]
    found = one(tmp_path, lines)
    (finding,) = found.findings
    assert (finding.left.value, finding.right.value, finding.excess) == (65, 50, 10)
    assert (found.verdict, found.published_verdict) == ("holds", "holds")
    assert finding.published_excess == pytest.approx(5.7)


def test_what_is_missing_is_undecided_and_named(tmp_path: Path) -> None:
    missing = one(tmp_path, [line("CALM_EM + Y", 65.0), line("CALM_EM", None)])
    assert missing.verdict == "undecided"
    assert "row=CALM_EM, dataset=CUB, backbone=resnet50] is missing" in missing.reason
    unmade = one(tmp_path, None)
    assert unmade.verdict == "undecided" and "tableB.cells.csv has not been made" in unmade.reason


def test_a_claim_names_two_of_the_missing_values_and_counts_the_rest(tmp_path: Path) -> None:
    text = ONE.replace("row: CALM_EM,", "").replace("margin: 5", "margin: 0")
    text += "        for: {right.row: [HaS, ACoL, SPG, ADL]}\n"
    rows = [line(row, None) for row in ("HaS", "ACoL", "SPG", "ADL")]
    found = one(tmp_path, [line("CALM_EM + Y", 65.0), *rows], text=text)
    assert found.reason.startswith("4 undecided; ") and found.reason.endswith("; and 2 more")
    assert [finding.reason.count("is missing") for finding in found.findings] == [1, 1, 1, 1]


def test_a_place_outside_the_scale_does_not_count(tmp_path: Path) -> None:
    text = ONE.replace(", backbone: resnet50", "") + "        for: {backbone: [vgg16, resnet50]}\n"
    lines = [
        line("CALM_EM + Y", 65.0),
        line("CALM_EM", 50.0),
        line("CALM_EM + Y", None, backbone="vgg16", status="not-in-scale", published=64.8),
        line("CALM_EM", None, backbone="vgg16", status="not-in-scale", published=54.9),
    ]
    found = one(tmp_path, lines, text=text)
    assert [finding.verdict for finding in found.findings] == ["undecided", "holds"]
    assert (found.verdict, found.reason) == ("holds", "1 holds")
    assert found.findings[0].published_verdict == "holds"
    nowhere = one(tmp_path, lines, text=text.replace("dataset: CUB", "dataset: ImageNet"))
    assert nowhere.verdict == "undecided" and "measures nothing in place of ImageNet" in nowhere.reason


@pytest.mark.parametrize(
    ("rule", "differences", "verdict"),
    [
        ("all", [1, 1, 1], "holds"),
        ("all", [1, 1, -1], "fails"),
        ("all", [1, 1, None], "undecided"),
        ("all", [-1, 1, None], "fails"),
        ("most", [1, 1, -1], "holds"),
        ("most", [1, -1, -1], "fails"),
        ("most", [1, -1], "undecided"),
        ("most", [1, None, -1], "undecided"),
        ("mean", [3, -1, -1], "holds"),
        ("mean", [2, -1, -2], "fails"),
        ("mean", [3, 3, None], "undecided"),
    ],
)
def test_rules_combine_comparisons(tmp_path: Path, rule: str, differences: list[float | None], verdict: str) -> None:
    backbones = ["vgg16", "inceptionv3", "resnet50"][: len(differences)]
    text = ONE.replace(", backbone: resnet50", "").replace("margin: 5", "margin: 0")
    text += f"        for: {{backbone: [{', '.join(backbones)}]}}\n"
    lines = [line("CALM_EM", 50.0, backbone=backbone) for backbone in backbones]
    for backbone, difference in zip(backbones, differences, strict=True):
        lines.append(line("CALM_EM + Y", None if difference is None else 50.0 + difference, backbone=backbone))
    claims = load_claims(claims_file(tmp_path, text, rule))
    assert evaluate_claims(claims, VIEW, {TABLE: lines})[0].verdict == verdict


def test_numbers_match_however_they_are_written(tmp_path: Path) -> None:
    text = """
      - left: {report: remove_and_classify.csv, select: {dataset: CUB, backbone: resnet50, method: cam, k: 0.3}}
        operator: less
        right: {value: 1}
"""
    claims = load_claims(claims_file(tmp_path, text))
    place = {"dataset": "synthbirds", "backbone": "resnet50", "method": "cam", "attribution": "cam", "n_seeds": "1"}
    lines = [
        {**place, "k": "0.30", "value": "0.9", "std": "", "status": "measured"},
        {**place, "k": "0.5", "value": "", "std": "", "status": "undefined"},
    ]
    found = evaluate_claims(claims, VIEW, {"remove_and_classify.csv": lines})[0]
    assert (found.verdict, found.findings[0].left.value) == ("holds", 0.9)
    undefined = load_claims(claims_file(tmp_path, text.replace("k: 0.3", "k: 0.5")))
    found = evaluate_claims(undefined, VIEW, {"remove_and_classify.csv": lines})[0]
    assert found.verdict == "undecided" and "is undefined" in found.reason


# --- wrong selectors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("row: CALM_EM,", "row: CALM_EN,", "'CALM_EN' is no row of tableB.cells.csv; did you mean 'CALM_EM'"),
        ("backbone: resnet50}}\n        op", "backbon: resnet50}}\n        op", "'backbon' is no column of tableB"),
        ("dataset: CUB, b", "dataset: synthbirds, b", "'synthbirds' is no dataset of tableB.cells.csv"),
        ("backbone: resnet50", "backbone: resnet5", "did you mean 'resnet50'"),
        ("report: tableB.cells.csv", "report: tableC.cells.csv", "'tableC.cells.csv' is no report"),
        ("greater", "above", "'above' is not one of"),
        ("margin: 5", "margen: 5", "did you mean 'margin'"),
    ],
)
def test_a_selector_that_cannot_be_is_refused_before_any_report_exists(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in ONE
    with pytest.raises(ParameterError, match=said.replace("(", r"\(")):
        load_claims(claims_file(tmp_path, ONE.replace(old, new, 1)))


def test_a_selection_of_several_lines_or_none_is_refused(tmp_path: Path) -> None:
    lines = [line("CALM_EM + Y", 1.0), line("CALM_EM", 1.0, metric="A"), line("CALM_EM", 1.0, metric="B")]
    with pytest.raises(ParameterError, match="names 2 lines; add a column of row, column"):
        one(tmp_path, lines)
    with pytest.raises(ParameterError, match="names no line; correct row"):
        one(tmp_path, lines[:1])


def test_a_report_without_a_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / TABLE
    path.write_text("row,column,dataset,backbone,method,attribution,metric,split,value,std,status\n")
    with pytest.raises(DataError, match="no column n_seeds"):
        read_report(path)


def test_a_report_of_repeated_timings_gives_their_number_in_place_of_seeds(tmp_path: Path) -> None:
    text = """
      - left: {report: fcam_tableF4.csv, select: {row: ours, backbone: resnet50}}
        operator: less
        right: {report: fcam_tableF4.csv, select: {row: Mean, backbone: resnet50}}
"""
    path = tmp_path / "fcam_tableF4.csv"
    header = "row,backbone,value,std,repeats,published,status\n"
    path.write_text(header + "ours,resnet50,18.0,1.0,4,18.5,measured\nMean,resnet50,37.0,,,37.4,measured\n")
    found = evaluate_claims(load_claims(claims_file(tmp_path, text)), VIEW, {path.name: read_report(path)})[0]
    assert (found.verdict, found.findings[0].noise, found.findings[0].left.n_seeds) == ("holds", 1.0, 4)
    path.write_text(header.replace("repeats,", ""))
    with pytest.raises(DataError, match="no column repeats"):
        read_report(path)


def test_an_explanation_of_a_scale_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="'smal' is no scale of explanation; did you mean 'small'"):
        load_claims(claims_file(tmp_path, ONE, more="    explanation: {smal: a slip}\n"))


def test_a_claim_may_not_be_given_twice(tmp_path: Path) -> None:
    path = claims_file(tmp_path, ONE)
    text = path.read_text()
    path.write_text(text + text.split("claims:\n")[1])
    with pytest.raises(ParameterError, match="'one' is given twice"):
        load_claims(path)


# --- files --------------------------------------------------------------------------------------------------------


def test_the_csv_has_a_line_a_claim_and_one_a_comparison(tmp_path: Path) -> None:
    path = claims_file(tmp_path, ONE, more="    explanation: {smoke: tiny data, demo: not shown}\n")
    lines = [line("CALM_EM + Y", 54.0, std=1.0, n_seeds=2), line("CALM_EM", 50.0, std=1.0, n_seeds=2)]
    found = evaluate_claims(load_claims(path), VIEW, {TABLE: lines})
    claim, comparison = csv.DictReader(io.StringIO(claims_csv(found)))
    assert list(claim) == list(CLAIM_FIELDS)
    assert [line["paper"] for line in (claim, comparison)] == ["calm", "calm"]
    assert (claim["claim"], claim["comparison"], claim["verdict"], claim["explanation"]) == (
        "one",
        "",
        "undecided",
        "tiny data",
    )
    expected = {"left": "54.0", "right": "50.0", "difference": "4.0", "std_left": "1.0", "n_seeds": "2", "noise": "2.0"}
    assert {name: comparison[name] for name in expected} == expected
    assert comparison["comparison"] == (
        "tableB.cells.csv: row=CALM_EM + Y > by 5: row=CALM_EM (dataset=CUB, backbone=resnet50)"
    )
    page = claims_markdown(found, VIEW)
    assert "## calm, one: undecided" in page and "Why: tiny data" in page and "not shown" not in page


def test_the_claims_of_calm_hold_for_the_numbers_that_it_prints() -> None:
    """Each claim that the paper's printed table can decide; the table's file says the stand-ins of a scale."""
    claims = load_claims(CALM)
    lines = published_table()
    view = ScaleView("print", {name: name for name in ("CUB", "ImageNet", "OpenImages")}, ["resnet50"], set(), [0])
    found = evaluate_claims(claims, view, {TABLE: lines})
    about_table = [each for each in found if reports_of([each.claim]) == [TABLE]]
    assert len(about_table) == 10
    assert {each.claim.id: each.verdict for each in about_table} == {each.claim.id: "holds" for each in about_table}
    others = [each for each in found if each not in about_table]
    assert {each.verdict for each in others} == {"undecided"}
    assert {report for each in others for report in reports_of([each.claim])} == {"cues.csv", "remove_and_classify.csv"}


def published_table() -> list[Mapping[str, str]]:
    """The printed Table B as if it had been measured."""
    names = {"VGG": "vgg16", "Inception": "inceptionv3", "ResNet": "resnet50", "Mean": "mean"}
    with Path("params/papers/calm/table_b.published.csv").open(newline="") as stream:
        return [
            line(
                row["row"],
                float(row[column]) if row[column] else None,
                dataset="mean" if column.startswith("Total") else column.split()[0],
                backbone=names[column.split()[1]],
                status="measured" if row[column] else "not-in-scale",
            )
            for row in csv.DictReader(stream)
            for column in row
            if column != "row"
        ]
