from __future__ import annotations

import pytest

from wsol.config.curve_figures import curve_settings, curves_of
from wsol.config.curve_lines import line_files
from wsol.config.curve_specs import curve_specs
from wsol.config.figures import figure_specs
from wsol.config.method import load_method
from wsol.config.resolve import settings_of
from wsol.config.scale import load_scale
from wsol.errors import ParameterError
from wsol.reports.claims_spec import REPORT_COLUMNS
from wsol.reports.spec import load_spec

KINDS = {
    "5": "thresholds",
    "6": "activations",
    "D.2": "search",
    "D.3": "resolution",
    "E.4": "resolution_pictures",
    "F.5": "activations",
    "F.6": "activations",
    "F.7": "thresholds",
    "F.8": "thresholds",
    "F.9": "convergence",
}


def test_the_figures_are_the_papers() -> None:
    specs = {name: spec for name, spec in curve_specs().items() if spec["paper"] == "fcam"}
    assert {spec["number"]: spec["kind"] for spec in specs.values()} == KINDS
    assert [f"fcam_fig_{number.lower().replace('.', '')}" for number in KINDS] == list(specs)
    assert not set(specs) & set(figure_specs())
    assert all(f"{name}.csv" in REPORT_COLUMNS for name in specs)
    assert specs["fcam_fig_d3"]["factors"] == list(range(1, 33))


def test_a_row_compares_a_baseline_with_the_decoder_that_learned_from_it() -> None:
    for name in ("fcam_fig_f5", "fcam_fig_f6", "fcam_fig_f7", "fcam_fig_f8"):
        rows = [row["lines"] for row in curve_specs()[name]["rows"]]
        assert len(rows) == 6
        for baseline, ours in rows:
            assert (ours["method"], ours["attribution"]) == (f"fcam_{baseline['attribution']}", "fcam")
            assert baseline["method"] == load_method(ours["method"])["classifier"]


def test_a_scale_has_a_panel_for_each_backbone_and_says_what_it_lacks() -> None:
    full = curve_settings("small", "fcam_fig_f7")
    assert len(full["panels"]) == 6 * 3
    assert full["left_out"] == []
    short = curve_settings("smoke", "fcam_fig_f7")
    assert [(panel["row"], panel["backbone"]) for panel in short["panels"]] == [("CAM", "resnet50"), ("CAM", "vgg16")]
    assert short["left_out"] == ["GradCAM", "GradCAM++", "Smooth-GradCAM++", "XGradCAM", "LayerCAM"]
    assert short["datasets"][0]["stands_in_for"] == "CUB"
    assert curve_settings("paper", "fcam_fig_5")["datasets"][0]["stands_in_for"] is None
    assert curves_of("photos") == []
    with pytest.raises(ParameterError, match="has no stand-in for CUB or OpenImages"):
        curve_settings("photos", "fcam_fig_5")
    with pytest.raises(ParameterError, match=r"in no curves.yaml"):
        curve_settings("smoke", "fcam_fig_99")


def test_lines_are_read_from_the_layer_of_their_kind() -> None:
    scores = line_files(curve_settings("smoke", "fcam_fig_5"))
    assert scores[:2] == [
        "results/smoke/scores/synthbirds/resnet50/cam/s0/cam.test.json",
        "results/smoke/scores/synthbirds/resnet50/fcam_cam/s0/fcam.test.json",
    ]
    assert len(scores) == 2 * 2 * 2
    maps = line_files(curve_settings("smoke", "fcam_fig_6"))
    assert maps[1] == "results/smoke/maps/synthbirds/resnet50/fcam_cam/s0/fcam.test.safetensors"
    assert {path.split("/")[-1] for path in line_files(curve_settings("smoke", "fcam_fig_f9"))} == {"train.csv"}
    assert line_files(curve_settings("smoke", "fcam_fig_d3")) == []
    draws = line_files(curve_settings("smoke", "fcam_fig_d2"))
    assert draws[0] == "results/smoke/search/synthbirds/resnet50/fcam_cam/draws.csv"
    assert len(draws) == 2 * 2


def test_draws_of_all_methods_are_shown_on_one_backbone_with_what_the_choice_asked_for() -> None:
    small = curve_settings("small", "search_learning_rate")
    assert {panel["backbone"] for panel in small["panels"]} == {"resnet50"} and len(small["panels"]) == 8 * 3
    assert small["least_accuracy"] == load_scale("small").settings["search"]["least_accuracy"] == 0.9
    assert line_files(small)[0] == "results/small/search/synthnet/resnet50/cam/draws.csv"
    assert curve_settings("paper", "search_learning_rate")["least_accuracy"] is None
    assert {line["method"] for panel in small["panels"] for line in panel["lines"]} == {
        row.method
        for row in load_spec("params/papers/calm/table_b.yaml").rows
        if row.method not in ("calm_ml", "center", "fsl")
    }, "every method of Table B that has something to search"


def test_no_collector_asks_for_the_draws_of_a_search() -> None:
    assert set(curve_specs()) - set(curves_of("smoke")) == {"fcam_fig_d2", "search_learning_rate"}


def test_which_epoch_is_kept_is_the_methods() -> None:
    lines = [panel["lines"][0] for panel in curve_settings("smoke", "fcam_fig_f9")["panels"]]
    assert {(line["method"], line["checkpoint"]) for line in lines} == {("cam", "last"), ("fcam_cam", "best")}


def test_resolved_settings_are_those_of_the_figure() -> None:
    assert settings_of("results/smoke/params/curves/fcam_fig_d3.json") == curve_settings("smoke", "fcam_fig_d3")
