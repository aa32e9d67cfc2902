"""Methods that are built on another method's model, that share code, or that are for some data sets alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from wsol.config import roots
from wsol.config.initial import classifier_cell
from wsol.config.method import load_method
from wsol.config.paths import Cell
from wsol.config.resolve import train_settings
from wsol.config.scale import load_scale
from wsol.config.search import draw_settings
from wsol.errors import ParameterError
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
