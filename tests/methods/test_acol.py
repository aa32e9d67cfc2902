"""ACoL's loss, options and learning-rate groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from wsol.config.resolve import hyperparameters
from wsol.errors import ParameterError
from wsol.methods import load
from wsol.models import parameter_groups
from wsol.models.heads.acol import AcolHead
from wsol.provenance.closure import code_closure

OPTIONS = {"erase_threshold": 0.7, "learning_rates": "new_layers"}
SLIM = {"width": 0.125, "map_stride": 8, "pretrained": None}


class Net(torch.nn.Module):
    """The image itself is the feature map; branches are 1 × 1 convolutions to two classes without bias."""

    def __init__(self) -> None:
        super().__init__()
        self.head = AcolHead(torch.nn.Identity(), 3, 8, 2)
        self.head.branch_a = torch.nn.Conv2d(3, 2, 1, bias=False)
        self.head.branch_b = torch.nn.Conv2d(3, 2, 1, bias=False)
        with torch.no_grad():
            self.head.branch_a.weight[:, :, 0, 0] = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
            self.head.branch_b.weight[:, :, 0, 0] = torch.tensor([[0, 0, 1.0], [0, 0, -1.0]])

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return images


# Channel 0 is A's map of class 0, channel 1 that of class 1, channel 2 what B counts.
IMAGES = torch.tensor([[[[0.0, 7.0, 10.0, 2.0]], [[9.0, 0.0, 1.0, 3.0]], [[1.0, 2.0, 4.0, 8.0]]]]).repeat(2, 1, 1, 1)
LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_a_batch_made_by_hand(smoothing: float) -> None:
    net = Net()
    loss, logits = load("acol").Method(OPTIONS, smoothing).loss(net, IMAGES, LABELS, torch.Generator())
    # Class 0 erases 7 and 10 (≥ .7 of the range), so B counts 1 and 8; class 1 erases 9, so B counts 2, 4 and 8.
    a = torch.tensor([[19.0, 13.0], [19.0, 13.0]]) / 4
    b = torch.tensor([[9.0, -9.0], [14.0, -14.0]]) / 4
    torch.testing.assert_close(logits, a)
    expected = cross_entropy(a, LABELS, label_smoothing=smoothing) + cross_entropy(b, LABELS, label_smoothing=smoothing)
    torch.testing.assert_close(loss, expected)


def test_the_second_loss_teaches_neither_branch_a_nor_what_is_erased() -> None:
    net, images = Net(), IMAGES.clone().requires_grad_()
    _, logits_b = net.head.both_logits(images, LABELS)
    cross_entropy(logits_b, LABELS).backward()
    assert net.head.branch_a.weight.grad is None
    assert net.head.branch_b.weight.grad is not None
    assert images.grad is not None
    assert (images.grad[:, 2, 0] != 0).tolist() == [[True, False, False, True], [False, True, True, True]]


def test_the_threshold_goes_into_the_network() -> None:
    model: Any = load("acol").Method({**OPTIONS, "erase_threshold": 0.25}).build("resnet50", 4, SLIM)
    assert float(model.head.threshold) == 0.25
    assert model.build_args["head"] == "acol"
    names = {name for name, _ in model.named_parameters()}
    assert "head.threshold" not in names, "it is not trained"


@pytest.mark.parametrize("backbone", ["inceptionv3", "resnet50", "vgg16"])
@pytest.mark.parametrize("rates", ["new_layers", "reference"])
def test_new_branches_train_at_the_heads_rate_unless_the_reference_is_asked_for(backbone: str, rates: str) -> None:
    model = load("acol").Method({**OPTIONS, "learning_rates": rates}).build(backbone, 4, SLIM)
    fast = {
        id(p) for group in parameter_groups(model, backbone, 0.1, 10) if group["lr"] == 1.0 for p in group["params"]
    }
    for name, parameter in model.named_parameters():
        slow_head = rates == "reference" and backbone == "resnet50"
        expected = ".layer4." in name or (name.startswith("head.") and not slow_head)
        assert (id(parameter) in fast) == expected, name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"erase_threshold": 0.7}, ["learning_rates", "missing"]),
        ({**OPTIONS, "erase_treshold": 0.7}, ["erase_treshold", "erase_threshold"]),
        ({**OPTIONS, "erase_threshold": 1.5}, ["erase_threshold", "1.5", "[0, 1]"]),
        ({**OPTIONS, "erase_threshold": float("nan")}, ["erase_threshold", "nan"]),
        ({**OPTIONS, "erase_threshold": True}, ["erase_threshold", "True"]),
        ({**OPTIONS, "learning_rates": "fast"}, ["learning_rates", "fast", "new_layers", "reference"]),
    ],
)
def test_impossible_options_are_refused_when_the_method_is_made(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ParameterError) as caught:
        load("acol").Method(options)
    assert all(word in str(caught.value) for word in words), caught.value


def test_published_settings_and_the_others() -> None:
    """wsol-protocol 3.4, a third-party copy of the authors' sheet."""
    published = {"vgg16": (1.0569582e-4, 0.89), "inceptionv3": (6.58832165e-3, 0.79), "resnet50": (1.700073e-5, 0.57)}
    for backbone, (rate, threshold) in published.items():
        chosen = hyperparameters("acol", "paper", "CUB", backbone)
        rates = "reference" if backbone == "resnet50" else "new_layers"
        assert chosen["learning_rate"] == rate
        assert chosen["options"] == {"erase_threshold": threshold, "learning_rates": rates}
        assert (chosen["epochs"], chosen["decay_every_epochs"]) == (50, 15)
        load("acol").Method(chosen["options"])
    for scale, dataset in (("paper", "ILSVRC"), ("paper", "OpenImages30k"), ("full", "synthbirds")):
        chosen = hyperparameters("acol", scale, dataset, "resnet50")
        assert chosen["options"] == OPTIONS
        assert np.isclose(chosen["learning_rate"], hyperparameters("cam", scale, dataset, "resnet50")["learning_rate"])


def test_an_edit_of_the_head_changes_the_training() -> None:
    files = code_closure("wsol.methods.acol")
    assert {"src/wsol/models/heads/acol.py", "src/wsol/models/minmax.py", "src/wsol/models/layers.py"} <= set(files)
    assert not any("heads/spg" in file or "methods/spg" in file for file in files)
