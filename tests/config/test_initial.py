"""Where first weights come from: a file, a model of the scale, or nothing; and what a data set's options do to jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from wsol.config.initial import source_cell, weights_path
from wsol.config.names import all_scales
from wsol.config.paths import Cell
from wsol.config.resolve import data_settings, settings_of, train_settings
from wsol.config.scale import load_scale
from wsol.errors import ParameterError
from wsol.testing.parameters import forget
from wsol.workflow import inputs

REPO = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("checkout")
START = "checkpoint:synthmix/pretraining/s0"


def edit(change: Callable[[dict[str, Any]], object], scale: str = "smoke") -> None:
    path = Path(f"params/scales/{scale}.yaml")
    value = yaml.safe_load(path.read_text())
    change(value)
    path.write_text(yaml.safe_dump(value, sort_keys=False))
    forget()


def first_weights(value: str | None, backbone: str = "resnet50") -> None:
    edit(lambda scale: scale["backbones"][backbone].update(pretrained=value))


def start_of(dataset: str, method: str, scale: str = "smoke", backbone: str = "resnet50") -> str | None:
    return train_settings(scale, dataset, backbone, method)["architecture"]["pretrained"]


# --- the text -----------------------------------------------------------------------------------------------------


def test_a_model_of_the_scale_is_one_of_the_same_scale_and_backbone() -> None:
    assert source_cell(START, "demo", "vgg16") == Cell("demo", "synthmix", "vgg16", "pretraining", 0)
    named = source_cell("checkpoint:OpenImages30k/calm_em/s12", "paper", "resnet50")
    assert named == Cell("paper", "OpenImages30k", "resnet50", "calm_em", 12)


@pytest.mark.parametrize("value", [None, "", "raw:weights/vgg16-397923af.pth", "weights/checkpoint:a/b/s0"])
def test_anything_else_names_no_model_of_the_scale(value: str | None) -> None:
    assert source_cell(value, "demo", "vgg16") is None


@pytest.mark.parametrize(
    "value",
    [
        "checkpoint:",
        "checkpoint:synthmix",
        "checkpoint:synthmix/pretraining",
        "checkpoint:synthmix/pretraining/0",
        "checkpoint:synthmix/pretraining/s",
        "checkpoint:synthmix/pretraining/s-1",
        "checkpoint:synthmix/pretraining/s0/model.safetensors",
        "checkpoint:synthmix/resnet50/pretraining/s0",
        "checkpoint:../synthmix/pretraining/s0",
        "checkpoint: synthmix/pretraining/s0",
        "checkpoint:synthmix/pretraining/s0\n",
    ],
)
def test_a_malformed_text_is_refused_with_file_value_and_form(value: str) -> None:
    with pytest.raises(ParameterError) as caught:
        source_cell(value, "demo", "vgg16")
    message = str(caught.value)
    assert message.startswith("params/scales/demo.yaml: ") and repr(value) in message and "vgg16" in message
    assert "checkpoint:<dataset>/<method>/s<seed>" in message
    first_weights(value)
    with pytest.raises(ParameterError, match=r"params/scales/smoke\.yaml: pretrained 'checkpoint:.*of resnet50"):
        start_of("synthbirds", "cam")


def test_the_file_is_the_checkpoint_of_that_model_or_lies_below_the_raw_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSOL_DATA", str(tmp_path / "raw"))
    assert weights_path(START, "demo", "vgg16") == Path(
        "results/demo/checkpoints/synthmix/vgg16/pretraining/s0/model.safetensors"
    )
    assert weights_path("raw:weights/a.pth", "demo", "vgg16") == tmp_path / "raw/weights/a.pth"
    assert not (tmp_path / "raw").exists(), "a graph is built before there are files"


# --- the settings of a training -----------------------------------------------------------------------------------


def test_every_method_of_a_scale_starts_from_the_model_and_that_one_from_nothing() -> None:
    for dataset in ("synthbirds", "synthobjects", "synthnet"):
        for method in ("cam", "calm_em", "fsl"):
            assert start_of(dataset, method) == START
    assert start_of("synthmix", "pretraining") is None
    assert start_of("synthmix", "pretraining", backbone="vgg16") is None


def test_a_training_at_demo_names_the_checkpoint_it_starts_from() -> None:
    settings = settings_of("results/demo/params/train/synthbirds/resnet50/cam.json")
    assert settings["architecture"] == {"width": 0.125, "map_stride": 8, "pretrained": START}
    assert settings_of("results/demo/params/train/synthmix/resnet50/pretraining.json")["architecture"] == {
        "width": 0.125,
        "map_stride": 16,
        "pretrained": None,
    }
    job = SimpleNamespace(scale="demo", dataset="synthbirds", backbone="resnet50", method="cam")
    assert inputs.pretrained_weights(job) == [
        "results/demo/checkpoints/synthmix/resnet50/pretraining/s0/model.safetensors"
    ]
    job.dataset, job.method = "synthmix", "pretraining"
    assert inputs.pretrained_weights(job) == []


def test_released_weights_and_none_stay_what_they_are() -> None:
    assert start_of("CUB", "cam", scale="paper") == "raw:weights/resnet50-19c8e357.pth"
    assert start_of("tinyimagenet", "cam", scale="photos") is None
    first_weights(None)
    assert start_of("synthbirds", "cam") is None
    assert start_of("synthbirds", "cam", backbone="vgg16") == START, "each backbone says its own"


def test_the_model_to_start_from_is_trained_on_its_own_data_set_alone() -> None:
    # Named for the data set, so that the refusal is not about the data set's `methods`.
    first_weights("checkpoint:synthnet/cam/s0")
    assert start_of("synthnet", "cam") is None
    assert start_of("synthbirds", "calm_em") == "checkpoint:synthnet/cam/s0"
    with pytest.raises(ParameterError, match=r"smoke\.yaml: resnet50 .*so cam is trained on synthnet alone, not on sy"):
        start_of("synthbirds", "cam")
    forget()
    with pytest.raises(ParameterError, match=r"so pretraining is trained on synthmix alone, not on synthbirds"):
        start_of("synthbirds", "pretraining", backbone="vgg16")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("checkpoint:CUB/pretraining/s0", r"smoke\.yaml: data set 'CUB' is not of this scale"),
        ("checkpoint:synthmix/pretrainig/s0", r"pretrainig\.yaml: no such parameter file; there is .*pretraining"),
    ],
)
def test_a_model_that_the_scale_cannot_train_is_refused(value: str, message: str) -> None:
    first_weights(value)
    with pytest.raises(ParameterError, match=message):
        start_of("synthbirds", "cam")


# --- a data set's own methods and threads -------------------------------------------------------------------------


def test_a_data_set_for_some_methods_refuses_the_others() -> None:
    with pytest.raises(ParameterError, match=r"smoke\.yaml: data set 'synthmix' is for pretraining alone, not for 'ca"):
        settings_of("results/smoke/params/train/synthmix/resnet50/cam.json")
    edit(lambda scale: scale["datasets"]["synthmix"].update(methods=["pretraining", "calm_em"]))
    assert start_of("synthmix", "calm_em") == START


def test_threads_of_a_data_set_replace_the_scales_for_its_trainings_alone() -> None:
    assert train_settings("demo", "synthmix", "resnet50", "pretraining")["threads"] == 2
    assert train_settings("demo", "synthnet", "resnet50", "cam")["threads"] == 1
    before = {name: train_settings("smoke", name, "resnet50", "cam") for name in ("synthnet", "synthbirds")}
    edit(lambda scale: scale["datasets"]["synthnet"].update(threads=3))
    assert train_settings("smoke", "synthnet", "resnet50", "cam") == {**before["synthnet"], "threads": 3}
    assert train_settings("smoke", "synthbirds", "resnet50", "cam") == before["synthbirds"]
    job = SimpleNamespace(scale="smoke", dataset="synthnet", backbone="resnet50", method="cam")
    assert inputs.train_threads(job) == 3


def test_neither_changes_the_data() -> None:
    before = {name: data_settings("smoke", name) for name in ("synthmix", "synthnet")}
    assert set(before["synthmix"]["options"]) == {"classes", "seed", "images_per_class", "options"}
    edit(lambda scale: scale["datasets"]["synthmix"].update(threads=2, methods=["pretraining", "cam"]))
    edit(lambda scale: scale["datasets"]["synthnet"].update(threads=2, backbones={"vgg16": {"map_stride": 16}}))
    assert {name: data_settings("smoke", name) for name in before} == before


@pytest.mark.parametrize("name", sorted(path.stem for path in (REPO / "params/scales").glob("*.yaml")))
def test_what_a_scale_starts_from_is_something_that_it_trains(name: str) -> None:
    assert name in all_scales()
    view = load_scale(name)
    for backbone, architecture in view.settings["backbones"].items():
        source = source_cell(architecture["pretrained"], name, backbone)
        if source is not None:
            assert start_of(source.dataset, source.method, name, backbone) is None
            assert source.seed in view.seeds
            assert source.dataset not in view.stand_ins.values(), "a network has not seen what it is measured on"
