"""Methods that are built on another method's model, that share code, or that are for some data sets alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from wsol.config import roots
from wsol.config.curve_figures import curve_settings
from wsol.config.figures import figure_settings
from wsol.config.initial import classifier_cell
from wsol.config.method import load_method
from wsol.config.names import available_methods
from wsol.config.paths import Cell
from wsol.config.resolve import train_settings
from wsol.config.scale import load_scale
from wsol.config.search import draw_settings, search_settings
from wsol.errors import ParameterError
from wsol.reports.catalogue import table_specs
from wsol.reports.cells import ScaleView, required_cells
from wsol.reports.claims import evaluate_claims
from wsol.reports.claims_spec import Claim, Comparison, Side
from wsol.reports.spec import load_spec
from wsol.testing.parameters import forget
from wsol.workflow import inputs
from wsol.workflow.targets import Targets

REPO = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("checkout")


def edit(method: str, **changes: Any) -> None:
    path = Path(f"params/methods/{method}.yaml")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes, sort_keys=False))
    forget()


def wildcards(**names: Any) -> SimpleNamespace:
    return SimpleNamespace(scale="smoke", dataset="synthbirds", backbone="vgg16", **names)


def test_the_classifier_is_the_same_cell_of_the_named_method() -> None:
    settings = train_settings("smoke", "synthbirds", "vgg16", "fcam_cam")
    assert settings["classifier"] == "cam" and settings["architecture"]["pretrained"] is None
    assert classifier_cell(settings, 3) == Cell("smoke", "synthbirds", "vgg16", "cam", 3)
    assert classifier_cell(train_settings("smoke", "synthbirds", "vgg16", "cam"), 3) is None


def test_a_training_depends_on_its_classifier_with_its_own_seed() -> None:
    path = "results/smoke/checkpoints/synthbirds/vgg16/cam/s{}/model.safetensors"
    for seed in ("0", "4"):
        assert inputs.pretrained_weights(wildcards(method="fcam_cam", seed=seed)) == [path.format(seed)]
    assert inputs.pretrained_weights(wildcards(method="cam", seed="0")) == [
        "results/smoke/checkpoints/synthmix/vgg16/pretraining/s0/model.safetensors"
    ]


def test_draws_of_a_search_share_the_classifier_of_the_first_seed() -> None:
    path = Path("params/scales/smoke.yaml")
    path.write_text(path.read_text().replace("seeds: [0]", "seeds: [5, 6]"))
    forget()
    assert draw_settings("smoke", "synthbirds", "vgg16", "fcam_cam", 1)["search"]["classifier_seed"] == 5
    assert inputs.pretrained_weights(wildcards(method="fcam_cam", draw="01")) == [
        "results/smoke/checkpoints/synthbirds/vgg16/cam/s5/model.safetensors"
    ]


def test_methods_may_share_code() -> None:
    assert load_method("fcam_layercam")["code"] == "fcam" and load_method("cam")["code"] == "cam"
    assert roots.method_module("fcam_layercam") == "wsol.methods.fcam"
    assert roots.method_module("acol") == "wsol.methods.acol"
    assert "wsol.methods.fcam" in roots.train_roots("synthbirds", "vgg16", "fcam_layercam", "fcam")
    assert train_settings("demo", "synthbirds", "resnet50", "fcam_layercam")["code"] == "fcam"
    with pytest.raises(ParameterError, match=r"fcam_cam.yaml has no code: src/wsol/methods/nowhere.py"):
        edit("fcam_cam", code="nowhere")
        load_method("fcam_cam")


def test_a_method_may_be_for_some_of_the_papers_data_sets() -> None:
    for scale, expected in [("smoke", {"synthbirds", "synthobjects"}), ("paper", {"CUB", "OpenImages30k"})]:
        view = load_scale(scale)
        assert {cell.dataset for cell in view.cells("fcam_cam")} == expected
        assert {cell.dataset for cell in view.cells("cam")} == set(view.benchmarks)
    assert not any("synthnet" in path and "fcam" in path for path in Targets("smoke").checkpoints)
    edit("fcam_cam", datasets=["Cub"])
    with pytest.raises(ParameterError, match=r"fcam_cam.yaml: at datasets\.0: 'Cub' is not one of"):
        load_method("fcam_cam")


@pytest.mark.parametrize("other", ["fcam_cam", "fcam_layercam", "center", "nothing"])
def test_a_classifier_is_another_method_that_trains_a_whole_network(other: str) -> None:
    edit("fcam_cam", classifier=other)
    with pytest.raises(ParameterError, match=f"fcam_cam.yaml: classifier '{other}' is no other method that trains"):
        load_method("fcam_cam")


def test_where_a_method_is_not_itself_its_cells_are_those_of_the_method_that_it_names() -> None:
    assert load_method("cam_best_by_gradcam")["elsewhere"] == "cam"
    for scale, expected in [("demo", "cam"), ("smoke", "cam"), ("paper", "cam_best_by_gradcam")]:
        view = load_scale(scale)
        dataset = view.stand_ins["CUB"]
        assert view.method_here("cam_best_by_gradcam") == expected and view.method_here("cam") == "cam"
        assert view.method_here("a_method_without_a_file") == "a_method_without_a_file"
        assert train_settings(scale, dataset, "resnet50", "fcam_gradcam")["classifier"] == expected
        cells = ScaleView.from_settings(view.as_view_settings())
        needed = [key for key in required_cells(load_spec(table_specs()["fcam_table1"]), cells) if key.metric != "PxAP"]
        assert {key.method for key in needed if key.attribution == "gradcam"} == {expected}
        first = figure_settings(scale, "fcam_fig_3")["columns"][0]
        assert (first["role"], first["method"]) == ("baseline", expected.replace("gradcam", "cam"))
        lines = [line for panel in curve_settings(scale, "fcam_fig_f9")["panels"] for line in panel["lines"]]
        assert {line["method"] for line in lines} == {"fcam_cam", expected.replace("gradcam", "cam")}
    assert "cam_best_by_gradcam" not in load_scale("demo").methods


def test_a_claim_reads_the_line_of_the_method_that_is_there() -> None:
    select = {"quantity": "rise_to_one", "method": "cam_best_by_cam"}
    alike = Comparison(Side("fcam_fig_6.csv", select), Side("fcam_fig_6.csv", select), "equal", 0.0)
    claim = Claim("fcam", "alike", "", "", "all", (alike,), None, {})
    line = {"dataset": "synthbirds", "backbone": "resnet50", "attribution": "cam", "quantity": "rise_to_one", "at": ""}
    report = [{**line, "method": "cam", "value": "7", "std": "", "n_seeds": "1", "status": "measured"}]
    view = ScaleView.from_settings(load_scale("demo").as_view_settings())
    (found,) = evaluate_claims([claim], view, {"fcam_fig_6.csv": report})
    assert found.verdict == "holds"
    assert found.findings[0].comparison.left.select["method"] == "cam", "what the report says, not what the claim wrote"


def test_f_cams_networks_are_chosen_by_the_papers_metric_and_by_their_own_maps_at_the_papers_scale() -> None:
    for name in ("cam", "gradcam", "gradcam_pp", "layercam"):
        settings = train_settings("paper", "CUB", "resnet50", f"cam_best_by_{name}")
        assert settings["hyperparameters"]["checkpoint"] == "best" and settings["attribution"] == name
        assert settings["selection"]["headline_metric"] == "MaxBoxAcc"
        assert settings["hyperparameters"]["learning_rate"] == 1.7e-3
        there = train_settings("paper", "OpenImages30k", "resnet50", f"cam_best_by_{name}")
        assert there["selection"]["headline_metric"] == "PxAP"
    assert train_settings("paper", "CUB", "resnet50", "fcam_layercam")["selection"]["headline_metric"] == "MaxBoxAcc"
    plain = train_settings("paper", "CUB", "resnet50", "cam")
    assert plain["hyperparameters"]["checkpoint"] == "last" and plain["selection"]["headline_metric"] == "MaxBoxAccV2"
    assert search_settings("paper", "CUB", "resnet50", "fcam_cam")["metric"] == "MaxBoxAcc"
    searched = {name for name in available_methods() if load_method(name)["search"]}
    assert "fcam_gradcam" in searched and not [name for name in searched if "best_by" in name or name.endswith("_v2")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"elsewhere": "nothing"}, "elsewhere 'nothing' needs scales"),
        ({"elsewhere": "cam_best_by_cam"}, "elsewhere 'cam_best_by_cam' needs scales"),
        ({"elsewhere": "fcam_cam"}, "elsewhere 'fcam_cam' has no attribution 'gradcam'"),
        ({"attributions": {"fsl": {}}}, "elsewhere 'cam' has no attribution 'fsl'"),
    ],
)
def test_what_stands_in_elsewhere_is_itself_everywhere_and_has_the_maps(change: dict[str, Any], message: str) -> None:
    edit("cam_best_by_gradcam", **change)
    with pytest.raises(ParameterError, match=f"cam_best_by_gradcam.yaml: {message}"):
        load_method("cam_best_by_gradcam")


def test_an_epoch_is_chosen_by_a_metric_that_the_data_set_has() -> None:
    layers = [{"source": "test", "set": {"selection_metric": "MaxBoxAcc"}}]
    edit("cam_best_by_layercam", hyperparameters=layers)
    with pytest.raises(ParameterError, match="'MaxBoxAcc' is none of OpenImages30k, which has masks: PxAP"):
        train_settings("paper", "OpenImages30k", "vgg16", "cam_best_by_layercam")
