from __future__ import annotations

import pytest

from wsol.config.figures import figure_settings, figure_specs, figures_of
from wsol.config.resolve import settings_of
from wsol.config.scale import load_method
from wsol.errors import ParameterError

LETTERS = {"A": "CUB", "B": "CUB", "C": "OpenImages", "D": "ImageNet", "E": "ImageNet"}


def test_the_letters_stand_for_the_data_sets_of_the_papers_captions() -> None:
    specs = {name: spec for name, spec in figure_specs().items() if spec["paper"] == "calm"}
    assert {spec["letter"]: spec["datasets"] for spec in specs.values()} == {
        letter: [dataset] for letter, dataset in LETTERS.items()
    }
    assert [f"calm_fig_{letter.lower()}" for letter in LETTERS] == sorted(specs)


def test_every_figure_exists_at_a_synthetic_scale_with_its_stand_in() -> None:
    calm = [name for name in figures_of("smoke") if name.startswith("calm_")]
    assert calm == sorted(name for name in figure_specs() if name.startswith("calm_"))
    assert figure_settings("smoke", "calm_fig_c")["dataset"] == "synthobjects"
    assert figure_settings("smoke", "calm_fig_e")["superset_rule"] == "hierarchy"
    settings = figure_settings("small", "calm_fig_b")
    assert settings["stands_in_for"] == "CUB"
    assert settings["synthetic"]
    # ResNet50 as in the paper, though it is the last backbone of that scale.
    assert settings["cell"] == {"scale": "small", "dataset": "synthbirds", "backbone": "resnet50", "seed": 0}


def test_columns_show_methods_with_and_without_supersets() -> None:
    for name in ("calm_fig_b", "calm_fig_c", "calm_fig_d"):
        shown = [(column["method"], column["attribution"]) for column in figure_specs()[name]["columns"]]
        assert shown == [
            (method, attribution + aggregation)
            for method, attribution in (("cam", "cam"), ("calm_em", "calm"), ("calm_ml", "calm"))
            for aggregation in ("", "+superset")
        ]
        assert all(attribution in load_method(method)["attributions"] for method, attribution in shown)


def test_real_birds_have_no_part_masks_and_photographs_no_birds() -> None:
    assert "calm_fig_a" not in figures_of("paper")
    assert {"calm_fig_b", "calm_fig_c"}.isdisjoint(figures_of("photos"))
    assert figure_settings("paper", "calm_fig_e")["superset_rule"] == "wordnet"
    assert figure_settings("paper", "calm_fig_b")["stands_in_for"] is None
    with pytest.raises(ParameterError, match="calm_fig_a cannot be drawn at scale paper: CUB has no part masks"):
        figure_settings("paper", "calm_fig_a")
    with pytest.raises(ParameterError, match="no stand-in for OpenImages"):
        figure_settings("photos", "calm_fig_c")
    with pytest.raises(ParameterError, match=r"in no figures.yaml"):
        figure_settings("smoke", "calm_fig_z")


def test_resolved_settings_are_those_of_the_figure() -> None:
    assert settings_of("results/smoke/params/figures/calm_fig_d.json") == figure_settings("smoke", "calm_fig_d")
