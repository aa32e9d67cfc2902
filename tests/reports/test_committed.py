"""Reports in the repository belong together: verdicts are those of the tables beside them, and tables share cells."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from wsol.config.scale import load_scale
from wsol.reports.cells import ScaleView
from wsol.reports.claims import evaluate_claims
from wsol.reports.claims_reading import read_report
from wsol.reports.claims_spec import claims_files, load_claims, reports_of
from wsol.reports.claims_text import claims_csv

REPORTS = Path(__file__).parents[2] / "reports"
FOLDERS = {"demo": REPORTS, "small": REPORTS / "small"}


@pytest.mark.parametrize("scale", FOLDERS)
def test_the_claims_are_evaluated_on_the_tables_beside_them(scale: str) -> None:
    view = ScaleView.from_settings(load_scale(scale).as_view_settings())
    claims = [claim for path in claims_files() for claim in load_claims(path)]
    reports = {name: read_report(FOLDERS[scale] / name) for name in reports_of(claims)}
    committed = (FOLDERS[scale] / "claims.csv").read_text(encoding="utf-8")
    assert claims_csv(evaluate_claims(claims, view, reports)) == committed, "made from other tables than these"


@pytest.mark.parametrize("scale", FOLDERS)
def test_tables_that_show_the_same_cell_show_the_same_number(scale: str) -> None:
    shown: dict[tuple[Any, ...], dict[str, str]] = {}
    for path in sorted(FOLDERS[scale].glob("*.cells.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            for line in csv.DictReader(stream):
                cell = tuple(line[key] for key in ("dataset", "backbone", "method", "attribution", "metric", "split"))
                if all(cell) and line["value"]:
                    shown.setdefault(cell, {})[path.name] = line["value"]
    shared = {cell: values for cell, values in shown.items() if len(values) > 1}
    assert len(shared) > 10
    assert {cell: values for cell, values in shared.items() if len(set(values.values())) > 1} == {}


@pytest.mark.parametrize("scale", FOLDERS)
def test_the_cue_tables_means_are_those_of_its_pairs(scale: str) -> None:
    table, pairs = ([*csv.DictReader((FOLDERS[scale] / name).open())] for name in ("cues.csv", "cues.pairs.csv"))
    of_row: dict[tuple[str, str], list[dict[str, str]]] = {}
    for pair in pairs:
        of_row.setdefault((pair["label"], pair["backbone"]), []).append(pair)
    measured = [line for line in table if line["status"] == "measured"]
    assert {(line["label"], line["backbone"]) for line in measured} == set(of_row)
    for line in measured:
        group = line["differing_parts"]
        of_group = [p for p in of_row[line["label"], line["backbone"]] if group in ("mean", p["differing_parts"])]
        values = [float(pair["value"]) for pair in of_group if pair["value"]]
        assert (len(values), sum(int(pair["n_images"]) for pair in of_group)) == (
            int(line["n_pairs"]),
            int(line["n_images"]),
        )
        assert float(line["value"]) == pytest.approx(sum(values) / len(values), abs=1e-5)
        assert all(len(pair["parts"].split("+")) == int(pair["differing_parts"]) for pair in of_group)
