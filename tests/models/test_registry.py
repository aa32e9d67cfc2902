from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from wsol.errors import ParameterError
from wsol.models import backbone_names, build, head_names, parameter_groups

ALL = ("inceptionv3", "resnet50", "vgg16")


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, wsol.models as m; m.backbone_names(); m.head_names(); "
    code += "assert not {'torch', 'torchvision'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_exists_is_what_has_a_file() -> None:
    import wsol.models.backbones.resnet50
    import wsol.models.heads.cam  # noqa: F401  the folders of these names must not hide the functions

    assert set(ALL) <= set(backbone_names())
    assert "cam" in head_names()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"backbone": "resnet51"}, ["resnet51", "inceptionv3, resnet50, vgg16"]),
        ({"backbone": "../resnet50"}, ["choose one of"]),
        ({"head": "camm"}, ["camm", "cam"]),
        ({"num_classes": 0}, ["num_classes", "0"]),
        ({"num_classes": True}, ["num_classes"]),
        ({"width": 0}, ["width", "0"]),
        ({"width": float("nan")}, ["width", "nan"]),
        ({"width": "1"}, ["width", "'1'"]),
        ({"map_stride": 32}, ["map_stride", "32", "(8, 16)"]),
    ],
)
def test_a_bad_argument_is_named_with_what_would_do(arguments: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ParameterError) as caught:
        build(**{"backbone": "resnet50", "num_classes": 3, "width": 0.125, **arguments})  # type: ignore[arg-type]
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("backbone", ALL)
def test_the_same_seed_gives_the_same_network(backbone: str) -> None:
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(build(backbone, num_classes=3, width=0.125).state_dict())
    first, second, other = states
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in first.values())


@pytest.mark.parametrize("backbone", ALL)
def test_every_parameter_trains_at_exactly_one_rate(backbone: str) -> None:
    model = build(backbone, num_classes=3, width=0.125)
    trunk, head = parameter_groups(model, backbone, lr=0.1, head_lr_ratio=10)
    grouped = [id(parameter) for group in (trunk, head) for parameter in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(parameter) for parameter in model.parameters()}
    assert (trunk["lr"], head["lr"]) == (0.1, 1.0)

    # Membership as the protocol's table has it, restated on names.
    fast = {id(parameter) for parameter in head["params"]}
    for name, parameter in model.named_parameters():
        new = name.startswith("head.") or (backbone == "resnet50" and ".layer4." in name)
        assert (id(parameter) in fast) == new, name


def test_groups_feed_an_optimiser_and_leave_frozen_parameters_out() -> None:
    model = build("resnet50", num_classes=3, width=0.125)
    model.trunk.requires_grad_(False)
    groups = parameter_groups(model, "resnet50", 0.1, 10)
    assert [group["name"] for group in groups] == ["head"]
    assert torch.optim.SGD(groups, lr=0.1).param_groups[0]["lr"] == 1.0
    with pytest.raises(ParameterError, match="vgg16"):
        parameter_groups(model, "vgg16", 0.1, 10)
