"""All that is reported of CALM, made in one call: contents, explanations, and what an edit makes again."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from wsol.config.figures import figures_of

pytestmark = pytest.mark.system

DATASETS = ("synthbirds", "synthobjects", "synthnet")
BACKBONES = ("resnet50", "vgg16")
LINES = {("cam", "cam"), ("calm_ml", "calm"), ("calm_em", "calm")}
SHARES = ["0", "0.1", "0.3", "0.5", "0.7", "0.9", "1"]
CLAIMS = {"check_claims smoke", "check_claims_of_configured_scale"}


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def definition(root: Path, name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((root / f"params/papers/calm/{name}.yaml").read_text(encoding="utf-8")))


def append_comment(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")


def test_cues_have_a_line_for_every_row_and_number_of_parts(complete: Any) -> None:
    found = lines(complete.root / "reports/cues.csv")
    rows = definition(complete.root, "cues")["rows"]
    expected = [(row["method"], row["attribution"], parts) for row in rows for parts in ("1", "2", "3", "mean")]
    assert [(line["method"], line["attribution"], line["differing_parts"]) for line in found] == expected
    assert {(line["dataset"], line["backbone"]) for line in found} == {("synthbirds", "resnet50")}
    means = [line for line in found if line["differing_parts"] == "mean"]
    assert {line["status"] for line in means} == {"measured"}
    for line in found:
        if line["status"] == "measured":
            assert 0 <= float(line["value"]) <= 100
            assert 0 < float(line["chance"]) < 100
            assert int(line["n_pairs"]) > 0
        else:
            # So few classes need not have a pair that differs in just so many parts.
            assert (line["status"], line["value"]) == ("missing", "")
    # The scale limits the rows that are dear to one image a class and one pair a number of parts.
    dear = {(row["method"], row["attribution"]) for row in rows if row.get("costly")}
    assert {int(line["n_pairs"]) <= 3 for line in means if (line["method"], line["attribution"]) in dear} == {True}
    assert (complete.root / "reports/cues.md").read_text(encoding="utf-8").startswith("# Cue localisation")


def test_what_is_common_is_on_the_pairs_and_images_of_the_gradient_rows(complete: Any) -> None:
    folder = complete.root / "results/smoke/cues/synthbirds/resnet50"
    plain, costly = (
        json.loads((folder / f"cam/s0/{name}.json").read_text(encoding="utf-8")) for name in ("cam", "input_gradient")
    )
    counted = ("n_pairs", "n_images", "n_skipped", "chance")
    for group, limited in costly["groups"].items():
        assert costly["common"][group] == limited
        assert [plain["common"][group][name] for name in counted] == [limited[name] for name in counted]
    assert plain["groups"]["mean"]["n_images"] > plain["common"]["mean"]["n_images"] > 0


def test_removal_has_every_share_of_every_line_and_place(complete: Any) -> None:
    found = lines(complete.root / "reports/remove_and_classify.csv")
    places = Counter((line["dataset"], line["backbone"], line["method"], line["attribution"]) for line in found)
    assert places == {(d, b, *line): len(SHARES) for d in DATASETS for b in BACKBONES for line in LINES}
    assert [line["k"] for line in found] == SHARES * len(places)
    assert {line["status"] for line in found} <= {"measured", "by-definition", "undefined"}
    for line in found:
        assert 0 <= int(line["correct_top"]) <= int(line["n_images"])
        assert (line["value"] == "") == (line["status"] == "undefined")
        assert (line["status"] == "by-definition") == (line["k"] in ("0", "1"))


def test_every_claim_has_a_verdict_or_says_what_it_lacks(complete: Any) -> None:
    found = lines(complete.root / "reports/claims.csv")
    claims = [line for line in found if line["paper"] == "calm" and not line["comparison"]]
    assert [line["claim"] for line in claims] == [
        claim["id"] for claim in definition(complete.root, "claims")["claims"]
    ]
    assert {line["verdict"] for line in found} <= {"holds", "fails", "undecided"}
    # Rows of methods that this scale does not train are absent from its comparisons; those of cues and removal are not.
    assert any(line["left"] and line["difference"] for line in found)
    assert all(line["reason"] for line in claims if line["verdict"] == "undecided")


def test_every_figure_is_drawn_as_png_and_pdf(complete: Any) -> None:
    folder = complete.root / "reports/figures"
    for name in (*figures_of("smoke"), "remove_and_classify"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF"), name
        assert min((folder / f"{name}.{kind}").stat().st_size for kind in ("png", "pdf")) > 5000, name


def test_a_report_of_a_named_scale_is_that_of_the_configured_one(complete: Any) -> None:
    for name in ("cues", "remove_and_classify", "claims"):
        ours, named = (complete.root / folder / f"{name}.csv" for folder in ("reports", "reports/smoke"))
        assert ours.read_bytes() == named.read_bytes()


def test_all_of_it_is_explained_and_a_second_run_has_nothing_to_do(complete: Any) -> None:
    assert complete.verify()["problems"] == []
    assert complete.wsol("verify", "--scale", "smoke").returncode == 0
    assert complete.plan("all_reports", "reports/smoke/claims.csv", "reports/smoke/cues.csv").jobs == set()
    assert complete.leftovers() == []


def test_the_stages_of_dvc_make_what_reports_are_made_of_and_no_search(complete: Any) -> None:
    stages = yaml.safe_load((complete.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    targets = [word for stage in stages.values() for word in stage["cmd"][0].split() if word.startswith("all_")]
    assert "all_reports" in targets
    assert complete.plan(*targets).jobs == set()
    rules = {job.split()[0] for job in complete.plan("--forceall", *targets).jobs}
    assert {"train_model", "localise_cues", "remove_and_classify", "draw_figure_of_configured_scale"} <= rules
    assert rules & {"train_draw", "choose_draw"} == set()


def test_an_edit_remakes_what_depends_on_it(complete: Any, duplicate: Any, tmp_path: Path) -> None:
    """The maps of cues depend on what is measured, not on what is printed beside; verdicts on the reports they read."""
    checkout = duplicate(complete, tmp_path / "spoilt")
    everything = ("all_reports", "reports/smoke/claims.csv", "reports/smoke/cues.csv")
    originals = {}

    def planned_after(file: str, edit: Any = append_comment) -> set[str]:
        path = checkout.root / file
        originals[path] = path.read_bytes(), path.stat()
        edit(path)
        jobs = set(checkout.plan(*everything).jobs)
        restore(path)
        return jobs

    def restore(path: Path) -> None:
        import os

        content, times = originals[path]
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def print_another_value(path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert "published: {mean: 13.9}" in text
        path.write_text(text.replace("published: {mean: 13.9}", "published: {mean: 14.0}"), encoding="utf-8")

    tables = {"make_cue_table smoke", "make_cue_table_of_configured_scale"}
    assert planned_after("src/wsol/reports/claims.py") == CLAIMS
    assert planned_after("params/papers/calm/cues.yaml", print_another_value) == tables | CLAIMS
    assert planned_after("src/wsol/attribution/vargrad.py") == (
        {"localise_cues synthbirds/resnet50/cam/0/vargrad"} | tables | CLAIMS
    )
    removed = {f"remove_and_classify {d}/{b}/{m}/0/{a}" for d in DATASETS for b in BACKBONES for m, a in LINES}
    reports = {"report_removal smoke", "report_removal_of_configured_scale"}
    assert planned_after("src/wsol/cli/removal.py") == removed | reports | CLAIMS
    drawn = {f"draw_figure_of_configured_scale {name}" for name in figures_of("smoke")}
    assert planned_after("src/wsol/reports/figures/attribution_grid.py") == drawn
