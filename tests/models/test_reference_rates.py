"""The released code's learning-rate groups."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from wsol.errors import ParameterError
from wsol.models import build, parameter_groups, save_model
from wsol.models.reference_rates import use_reference_rates


def test_only_the_named_parameters_train_at_the_heads_rate() -> None:
    model = build("resnet50", num_classes=3, width=0.125)
    use_reference_rates(model, ("trunk.layer4.", "head.classifier.bias"))
    trunk, head = parameter_groups(model, "resnet50", 0.1, 10)
    assert (trunk["lr"], head["lr"]) == (0.1, 1.0)
    fast = {id(parameter) for parameter in head["params"]}
    for name, parameter in model.named_parameters():
        assert (id(parameter) in fast) == (".layer4." in name or name == "head.classifier.bias"), name
    assert len(trunk["params"]) + len(head["params"]) == len(list(model.parameters()))


def test_a_prefix_without_a_parameter_is_refused() -> None:
    model = build("vgg16", num_classes=3, width=0.125)
    with pytest.raises(ParameterError, match=r"begins with 'trunk\.layer4\.'"):
        use_reference_rates(model, ("trunk.layer4.",))


def test_a_saved_network_is_the_same_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build("vgg16", num_classes=3, width=0.125)
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_model(first, model)
    use_reference_rates(model, ("head.",))
    save_model(second, model)
    assert first.read_bytes() == second.read_bytes()
