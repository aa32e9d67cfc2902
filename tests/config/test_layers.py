"""Layers of a method's hyperparameters: which apply, in which order, what is inherited, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsol.config.method import load_method
from wsol.config.resolve import hyperparameters
from wsol.config.scale import load_scale
from wsol.errors import ParameterError
from wsol.testing.parameters import forget

pytestmark = pytest.mark.usefixtures("checkout")

RECIPE = (
    "{epochs: 1, batch_size: 32, learning_rate: 1e-1, head_learning_rate_ratio: 1, momentum: 0.9, nesterov: true,"
    " weight_decay: 0, schedule: step, decay_every_epochs: 5, decay_factor: 0.1, warmup_epochs: 0, label_smoothing: 0,"
    " max_gradient_norm: null, checkpoint: last, precision: auto, channels_last: true, options: {}}"
)
BASE = f"""
name: cam
title: CAM
paper: none
trained: true
attributions: {{cam: {{}}}}
hyperparameters:
  - source: base
    set: {RECIPE}
"""


def write_cam(text: str) -> None:
    Path("params/methods/cam.yaml").write_text(text)
    forget()


def layers(*added: str) -> None:
    write_cam(BASE + "".join(f"  - {layer}\n" for layer in added))


def rate(scale: str = "smoke", dataset: str = "synthbirds", backbone: str = "resnet50") -> float:
    return hyperparameters("cam", scale, dataset, backbone)["learning_rate"]


def test_later_layers_win_and_keep_what_they_do_not_name() -> None:
    layers(
        "{source: a, set: {learning_rate: 2e-2, epochs: 3}}",
        "{source: b, when: {backbone: resnet50}, set: {learning_rate: 3e-2}}",
        "{source: c, when: {dataset: synthbirds}, set: {learning_rate: 4e-2}}",
        "{source: d, when: {dataset: CUB}, set: {learning_rate: 5e-2}}",
    )
    assert rate() == 4e-2, "the last layer that applies, not the most specific"
    assert rate(dataset="synthnet") == 3e-2
    assert rate(dataset="synthnet", backbone="vgg16") == 2e-2
    assert hyperparameters("cam", "smoke", "synthbirds", "resnet50")["epochs"] == 3
    assert hyperparameters("cam", "smoke", "synthbirds", "resnet50")["batch_size"] == 32


def child(text: str) -> None:
    """A method with code, whose parameter file is `text`."""
    Path("params/methods/center.yaml").write_text(
        f"name: center\ntitle: Child\npaper: none\ntrained: true\nattributions: {{cam: {{}}}}\n{text}"
    )
    forget()


def test_a_method_inherits_the_layers_of_another_and_options_merge_key_by_key() -> None:
    layers("{source: a, when: {backbone: resnet50}, set: {learning_rate: 2e-2, options: {side: 0.5, fill: 0}}}")
    child("inherits: cam\nhyperparameters:\n  - {source: mine, set: {epochs: 7, options: {side: 0.25}}}\n")
    found = hyperparameters("center", "smoke", "synthbirds", "resnet50")
    assert (found["epochs"], found["learning_rate"], found["options"]) == (7, 2e-2, {"side": 0.25, "fill": 0})
    assert hyperparameters("center", "smoke", "synthbirds", "vgg16")["options"] == {"side": 0.25}
    assert hyperparameters("cam", "smoke", "synthbirds", "resnet50")["options"] == {"side": 0.5, "fill": 0}


def test_layers_of_grandparents_come_first() -> None:
    layers("{source: a, when: {scale: smoke}, set: {learning_rate: 2e-2, epochs: 3}}")
    child("inherits: parent\nhyperparameters:\n  - {source: mine, set: {epochs: 7}}\n")
    text = Path("params/methods/center.yaml").read_text()
    parent = (
        text.replace("center", "parent").replace("inherits: parent", "inherits: cam").replace("epochs", "batch_size")
    )
    Path("params/methods/parent.yaml").write_text(f"{parent}code: cam\n")
    found = hyperparameters("center", "smoke", "synthbirds", "resnet50")
    assert (found["learning_rate"], found["batch_size"], found["epochs"]) == (2e-2, 7, 7)
    assert load_method("center")["search"] == load_method("cam")["search"]


def test_a_circle_of_inheritance_is_named() -> None:
    child("inherits: has\nhyperparameters: []\n")
    path = Path("params/methods/has.yaml")
    path.write_text(path.read_text().replace("inherits: cam", "inherits: center"))
    with pytest.raises(ParameterError, match=r"has\.yaml: inherits 'center'.*center inherits has inherits center"):
        load_method("center")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("inherits: center", "inherits 'center', which is no other method"),
        ("inherits: nothing", "inherits 'nothing', which is no other method"),
        ("scales: [smoke, tiny]", "scales names 'tiny'; there is demo"),
    ],
)
def test_a_wrong_parent_or_scale_is_refused(line: str, message: str) -> None:
    child(f"{line}\nhyperparameters: []\n")
    with pytest.raises(ParameterError, match=rf"center\.yaml: {message}"):
        load_method("center")


def test_a_method_may_keep_to_some_scales() -> None:
    child("inherits: cam\nscales: [smoke]\nhyperparameters: []\n")
    assert "center" in load_scale("smoke").methods and "center" not in load_scale("demo").methods


def test_a_layer_applies_where_all_its_keys_match_and_a_list_means_any_of_it() -> None:
    layers(
        "{source: a, when: {scale: [smoke, demo], backbone: [vgg16, inceptionv3]}, set: {learning_rate: 2e-2}}",
        "{source: b, when: {scale: smoke, dataset: [synthnet], backbone: vgg16}, set: {learning_rate: 3e-2}}",
        "{source: c, when: {scale: []}, set: {learning_rate: 9e-2}}",
    )
    expected = {
        ("smoke", "synthbirds", "vgg16"): 2e-2,
        ("smoke", "synthbirds", "resnet50"): 1e-1,
        ("demo", "synthnet", "inceptionv3"): 2e-2,
        ("smoke", "synthnet", "vgg16"): 3e-2,
        ("demo", "synthnet", "vgg16"): 2e-2,
        ("full", "synthnet", "vgg16"): 1e-1,
    }
    assert {cell: rate(*cell) for cell in expected} == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("backbone: resnet", "backbone names 'resnet', which does not exist; there is .*resnet50"),
        ("dataset: [synthbirds, CUBB]", "dataset names 'CUBB', which does not exist; there is .*CUB,"),
        ("scale: papr", "scale names 'papr', which does not exist; there is .*paper"),
    ],
)
def test_a_layer_for_a_name_that_does_not_exist_is_refused(condition: str, message: str) -> None:
    layers(f"{{source: a, when: {{{condition}}}, set: {{learning_rate: 2e-2}}}}")
    with pytest.raises(ParameterError, match=rf"cam\.yaml: hyperparameters\.1\.when\.{message}"):
        rate()


def test_an_unknown_or_wrong_hyperparameter_is_refused_with_its_layer() -> None:
    """Also where the layer is for another cell, or a method inherits it: the file to mend is named."""
    layers("{source: a, when: {backbone: vgg16}, set: {learning_rat: 2e-2}}")
    with pytest.raises(ParameterError, match=r"cam\.yaml: hyperparameters\.1\.set: .*'learning_rat'"):
        rate()
    layers("{source: a, set: {learning_rate: 0}}")
    where = r"cam\.yaml: hyperparameters\.1\.set: at learning_rate: 0 is less than or equal to the minimum of 0"
    with pytest.raises(ParameterError, match=where):
        rate()


def test_a_lacking_hyperparameter_is_refused_with_its_cell() -> None:
    write_cam(BASE.replace("batch_size: 32, ", ""))
    where = r"cam\.yaml, resolved for smoke/synthbirds/resnet50: .*'batch_size' is a required property"
    with pytest.raises(ParameterError, match=where):
        rate()


def test_a_layer_with_an_unknown_condition_is_refused() -> None:
    layers("{source: a, when: {backbones: vgg16}, set: {}}")
    with pytest.raises(ParameterError, match=r"unknown key 'backbones' at hyperparameters\.1\.when.*'backbone'"):
        load_method("cam")
