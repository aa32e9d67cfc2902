from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from wsol.config.figures import figure_cells, figure_datasets, figure_settings, figure_specs, figures_of, grouped
from wsol.config.method import load_method
from wsol.config.resolve import settings_of
from wsol.config.roots import figure_map_roots
from wsol.errors import ParameterError
from wsol.workflow.inputs import tabled

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


def test_real_birds_have_every_figure_and_photographs_no_birds() -> None:
    assert {f"calm_fig_{letter}" for letter in "abcde"} <= set(figures_of("paper"))
    assert figure_settings("paper", "calm_fig_a")["reader"] == "cub"
    assert "wsol.data.cues.cub" in figure_map_roots(figure_settings("paper", "calm_fig_a"))
    assert {"calm_fig_b", "calm_fig_c"}.isdisjoint(figures_of("photos"))
    assert figure_settings("paper", "calm_fig_e")["superset_rule"] == "wordnet"
    assert figure_settings("paper", "calm_fig_b")["stands_in_for"] is None
    with pytest.raises(ParameterError, match="no stand-in for OpenImages"):
        figure_settings("photos", "calm_fig_c")
    with pytest.raises(ParameterError, match=r"in no figures.yaml"):
        figure_settings("smoke", "calm_fig_z")


def test_counterfactuals_of_a_data_set_without_known_parts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsol.config.figures.find_spec", lambda name: None)
    assert "calm_fig_a" not in figures_of("smoke") and "calm_fig_b" in figures_of("smoke")
    with pytest.raises(ParameterError, match="cannot be drawn at scale smoke: the parts of synthbirds are not known"):
        figure_settings("smoke", "calm_fig_a")


def test_resolved_settings_are_those_of_the_figure() -> None:
    assert settings_of("results/smoke/params/figures/calm_fig_d.json") == figure_settings("smoke", "calm_fig_d")


MAPS = {"cam": "CAM", "gradcam": "GradCAM", "gradcam_pp": "GradCAM++", "layercam": "LayerCAM"} | {
    "smooth_gradcam_pp": "Smooth-GradCAM++",
    "xgradcam": "XGradCAM",
}
OF_F_CAM = {
    "fcam_fig_3": ("3", ["CUB"], ["cam", "gradcam", "gradcam_pp"]),
    "fcam_fig_4": ("4", ["OpenImages"], ["layercam", "smooth_gradcam_pp", "xgradcam"]),
    "fcam_fig_c1": ("C.1", ["OpenImages"], ["cam"]),
    **{
        f"fcam_fig_f{number}": (f"F.{number}", ["CUB", "OpenImages"], [name])
        for number, name in enumerate(MAPS, start=10)
    },
}
"""The captions of the paper: number, data sets, methods."""


@pytest.mark.parametrize("name", OF_F_CAM)
def test_f_cams_figures_of_maps_show_what_their_captions_say(name: str) -> None:
    spec = figure_specs()[name]
    letter, datasets, maps = OF_F_CAM[name]
    assert (spec["letter"], spec["datasets"]) == (letter, datasets)
    assert list(grouped(spec["columns"])) == [MAPS[name] for name in maps]
    assert [(column["method"], column["attribution"]) for column in spec["columns"]] == [
        pair for name in maps for pair in ((load_method(f"fcam_{name}")["classifier"], name), (f"fcam_{name}", "fcam"))
    ]
    assert spec["kind"] == ("failures" if name == "fcam_fig_c1" else "localisation")
    assert spec["backbones"] == ("all" if name.startswith("fcam_fig_f1") else "one")


@pytest.mark.parametrize("scale", ["smoke", "demo", "small", "full", "paper"])
def test_what_f_cams_figures_of_maps_show_is_in_a_table_of_their_scale(scale: str) -> None:
    shown = [figure_settings(scale, name) for name in figures_of(scale) if name in OF_F_CAM]
    assert shown
    assert {pair for settings in shown for pair in figure_cells(settings)} <= set(tabled(scale))


def test_a_scale_without_a_method_leaves_out_its_group_and_without_all_of_them_the_figure() -> None:
    settings = figure_settings("smoke", "fcam_fig_3")
    assert settings["left_out"] == ["GradCAM", "GradCAM++"]
    assert [column["label"] for column in settings["columns"]] == ["CAM", "CAM + F-CAM"]
    assert [name for name in figures_of("smoke") if name in OF_F_CAM] == ["fcam_fig_3", "fcam_fig_c1", "fcam_fig_f10"]
    assert set(OF_F_CAM) <= set(figures_of("demo"))
    assert figure_settings("demo", "fcam_fig_3")["left_out"] == []
    with pytest.raises(ParameterError, match="fcam_fig_4 cannot be drawn at scale smoke: method 'fcam_layercam'"):
        figure_settings("smoke", "fcam_fig_4")


def test_places_are_data_sets_and_their_backbones() -> None:
    settings = figure_settings("small", "fcam_fig_f10")
    found = [(place["dataset"], place["cell"]["backbone"]) for place in settings["places"]]
    backbones = ["vgg16", "inceptionv3", "resnet50"]
    assert found == [(dataset, backbone) for dataset in ("synthbirds", "synthobjects") for backbone in backbones]
    assert figure_datasets(settings) == ["synthbirds", "synthobjects"]
    assert [(cell.dataset, cell.backbone, cell.method, name) for cell, name in figure_cells(settings)] == [
        (*pair, method, name) for pair in found for method, name in (("cam", "cam"), ("fcam_cam", "fcam"))
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"columns": []}, "groups, each of a baseline and then ours"),
        ({"kind": "attribution", "datasets": ["CUB", "OpenImages"]}, "shows one data set and one backbone"),
        ({"kind": "attribution", "backbones": "all"}, "shows one data set and one backbone"),
        ({"dataset": "CUB"}, "unknown key 'dataset'"),
    ],
)
def test_definitions_that_make_no_figure_are_refused(
    change: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = yaml.safe_load(Path("params/papers/fcam/figures.yaml").read_text(encoding="utf-8"))
    document["figures"] = {"fcam_fig_3": document["figures"]["fcam_fig_3"] | change}
    (tmp_path / "papers/fcam").mkdir(parents=True)
    (tmp_path / "papers/fcam/figures.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setattr("wsol.config.figures.PARAMS", tmp_path)
    figure_specs.cache_clear()
    try:
        with pytest.raises(ParameterError, match=said):
            figure_specs()
    finally:
        figure_specs.cache_clear()
