"""ADL: the layer's two maps, where it stands, and that nothing of it is left at evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import wsol.models.adl
from wsol.config.method import load_method
from wsol.errors import ParameterError
from wsol.methods import load
from wsol.methods.adl import Method
from wsol.models import load_model, save_model
from wsol.models.adl import POSITIONS, attention_dropout, inserted, positions
from wsol.testing import small_training as small

OPTIONS = {"drop_rate": 0.5, "threshold": 0.8, "dropout": False}
LABELS = torch.tensor([0, 2])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_both_maps_on_a_hand_made_image() -> None:
    features = torch.tensor([[[[4.0, 0.0], [2.0, 3.0]], [[0.0, 2.0], [2.0, 1.0]]]])  # attention [[2, 1], [2, 2]]
    dropped = attention_dropout(features, True, 0.9)
    assert dropped.tolist() == [[[[0, 0], [0, 0]], [[0, 2], [0, 0]]]]
    half, two = 1 / (1 + torch.tensor(-1.0).exp()), 1 / (1 + torch.tensor(-2.0).exp())
    importance = torch.stack([torch.stack([two, half]), torch.stack([two, two])])
    assert torch.allclose(attention_dropout(features, False, 0.9), features * importance)


@pytest.mark.parametrize("drop", [False, True])
def test_the_maps_are_those_of_a_loop_over_images(drop: bool) -> None:
    features = torch.rand(4, 6, 5, 3, generator=seeded(0))
    features[2] *= 100  # each image has its own maximum
    result = attention_dropout(features, drop, 0.7)
    for index in range(4):
        attention = sum(features[index, channel] for channel in range(6)) / 6
        top = float(attention.max())
        for row in range(5):
            for column in range(3):
                value = attention[row, column]
                factor = float(value < 0.7 * top) if drop else float(torch.sigmoid(value))
                assert torch.allclose(result[index, :, row, column], factor * features[index, :, row, column])


def test_the_dropped_region_grows_as_the_threshold_falls() -> None:
    features = torch.rand(3, 4, 8, 8, generator=seeded(0)) + 0.1
    kept = [(attention_dropout(features, True, threshold) != 0).sum() for threshold in (0, 0.5, 0.8, 0.9, 1)]
    assert kept == sorted(kept) and kept[0] == 0
    # At γ = 1 only each image's maximum goes.
    assert kept[-1] == 3 * 4 * (64 - 1)
    zeros = torch.zeros(1, 4, 2, 2)
    assert torch.equal(attention_dropout(zeros, True, 0.9), zeros)
    assert torch.equal(attention_dropout(zeros, False, 0.9), zeros)


def test_gradients_flow_through_the_importance_map_and_not_through_the_mask() -> None:
    features = torch.rand(2, 3, 3, 3, generator=seeded(0), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: attention_dropout(x, False, 0.8), features)
    attention_dropout(features, False, 0.8).sum().backward()
    # d/dx_c of s(a) · Σ x, with a the mean over C channels: s + s (1 − s) · Σ x / C = s + s (1 − s) · a.
    attention = features.detach().mean(1, keepdim=True)
    gate = torch.sigmoid(attention)
    expected = (gate + gate * (1 - gate) * attention).expand_as(features)
    assert features.grad is not None and torch.allclose(features.grad, expected)
    features.grad = None
    result = attention_dropout(features, True, 0.8)
    result.sum().backward()
    assert features.grad is not None
    assert torch.equal(features.grad, (result != 0).double()), "ones where it is kept, none where it is dropped"


def test_half_precision_keeps_its_type_and_layout() -> None:
    features = torch.rand(2, 8, 4, 4).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    for drop in (False, True):
        result = attention_dropout(features, drop, 0.8)
        assert result.dtype == torch.bfloat16 and result.is_contiguous(memory_format=torch.channels_last)
    kept = features.float().mean(1) < 0.8 * features.float().mean(1).amax((1, 2), keepdim=True)
    assert torch.equal(attention_dropout(features, True, 0.8)[:, 0] != 0, kept)


def by_hand(model: Any, images: torch.Tensor, drops: tuple[bool, bool, bool], threshold: float) -> torch.Tensor:
    """The forward pass written out, with the layer at the published places."""
    first, second, third = (lambda x, drop=drop: attention_dropout(x, drop, threshold) for drop in drops)
    trunk, head = model.trunk, model.head
    if model.backbone == "vgg16":
        layers = list(trunk.features)
        x = images
        for layer in layers[:17]:  # conv1_1 … pool3
            x = layer(x)
        x = first(x)
        for layer in layers[17:23]:  # conv4_1 … conv4_3 with its ReLU
            x = layer(x)
        x = second(x)
        for layer in layers[23:]:  # pool4, conv5_1 … conv5_3 with its ReLU
            x = layer(x)
        return head.logits(head.neck(third(x)))
    if model.backbone == "resnet50":
        x = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(images))))
        x = first(trunk.layer3[0](trunk.layer2(trunk.layer1(x))))
        x = second(trunk.layer4[0](trunk.layer3[1:](x)))
        return head.logits(third(trunk.layer4[2](trunk.layer4[1](x))))
    x = trunk.maxpool1(trunk.Conv2d_2b_3x3(trunk.Conv2d_2a_3x3(trunk.Conv2d_1a_3x3(images))))
    x = trunk.maxpool2(trunk.Conv2d_4a_3x3(trunk.Conv2d_3b_1x1(x)))
    x = first(trunk.Mixed_5d(trunk.Mixed_5c(trunk.Mixed_5b(x))))
    x = trunk.Mixed_6d(trunk.Mixed_6c(trunk.Mixed_6b(trunk.Mixed_6a(trunk.maxpool3(x)))))
    x = second(trunk.Mixed_6e(x))
    convolutions = [layer for layer in head.neck if not isinstance(layer, nn.Dropout)]
    assert [type(layer).__name__ for layer in convolutions] == ["Conv2d", "ReLU", "Conv2d", "ReLU"]
    for layer in convolutions:
        x = layer(x)
    return head.classifier(third(x)).mean((2, 3))


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("backbone", list(POSITIONS))
def test_it_stands_where_the_released_code_has_it(backbone: str, stride: int) -> None:
    model = small.build(Method(OPTIONS), backbone, stride)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1)
    images = torch.randn(2, 3, 64, 64, generator=seeded(1))
    for drops in ((True, False, False), (False, True, False), (False, False, True)):
        with inserted(model, positions(backbone), drops, 0.8):
            found = model(images)
        expected = by_hand(model, images, drops, 0.8)
        assert torch.allclose(found, expected, atol=1e-6)
        assert not torch.allclose(found, model(images), atol=1e-6), "it changes something"


@pytest.mark.parametrize("backbone", list(POSITIONS))
def test_the_network_is_the_plain_classifier(backbone: str, tmp_path: Path) -> None:
    model = small.build(Method(OPTIONS), backbone)
    plain = small.build(load("cam").Method({}), backbone)
    assert list(model.state_dict()) == list(plain.state_dict())
    assert model.build_args == plain.build_args
    for name, tensor in plain.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
    images = torch.randn(2, 3, 64, 64, generator=seeded(1))
    Method(OPTIONS).loss(model, images, LABELS, seeded(0))[0].backward()
    save_model(tmp_path / "trained.safetensors", model)
    read = load_model(tmp_path / "trained.safetensors")
    assert torch.equal(read(images), model.eval()(images)), "what was trained is read without any of this"
    weights = {"width": 0.125, "map_stride": 8, "pretrained": str(tmp_path / "trained.safetensors")}
    again = Method(OPTIONS).build(backbone, small.COLOURS, weights)
    # Under the plain names all but the classes is taken, whose meaning a file of ours does not tell.
    again.head.classifier.load_state_dict(read.head.classifier.state_dict())
    assert torch.equal(again.eval()(images), read(images)), "weights of the plain names load"


def test_evaluation_is_the_identity() -> None:
    model = small.build(Method(OPTIONS), "resnet50").eval()
    images = torch.randn(2, 3, 64, 64, generator=seeded(1))
    loss, logits = Method(OPTIONS).loss(model, images, LABELS, seeded(0))
    plain_loss, plain_logits = load("cam").Method({}).loss(model, images, LABELS, seeded(0))
    assert torch.equal(loss, plain_loss) and torch.equal(logits, plain_logits)


class Toy(nn.Module):
    """The layer names of ResNet50, and nothing else."""

    backbone = "resnet50"

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Module()
        self.trunk.layer3 = nn.Sequential(nn.Identity())
        self.trunk.layer4 = nn.Sequential(nn.Identity(), nn.Identity(), nn.Identity())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.trunk.layer4(self.trunk.layer3(images)).mean((2, 3))


def test_nothing_stays_behind_even_after_an_error() -> None:
    model, images = Toy(), torch.rand(2, 3, 4, 4)
    layers = positions("resnet50")
    with pytest.raises(RuntimeError, match="stop"), inserted(model, layers, (True, True, False), 0.8):
        raise RuntimeError("stop")
    with pytest.raises(AttributeError), inserted(model, (layers[0], "trunk.layer9"), (True, True), 0.8):
        pass
    with pytest.raises(ValueError), inserted(model, layers, (True, True), 0.8):
        pass
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(model(images), images.mean((2, 3)))


def test_each_layer_draws_for_itself_once_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bool] = []

    def record(features: torch.Tensor, drop: bool, threshold: float) -> torch.Tensor:
        assert threshold == 0.8
        drawn.append(drop)
        return features

    monkeypatch.setattr(wsol.models.adl, "attention_dropout", record)
    images, count = torch.rand(2, 3, 4, 4), 800
    for rate in (0, 0.3, 1):
        drawn.clear()
        method = Method(OPTIONS | {"drop_rate": rate})
        for seed in range(count):
            method.loss(Toy(), images, LABELS, seeded(seed))
        choices = torch.tensor(drawn, dtype=torch.float64).view(count, 3)
        deviation = 4 * (rate * (1 - rate) / count) ** 0.5
        assert torch.allclose(choices.mean(0), torch.full((3,), rate, dtype=torch.float64), atol=deviation + 1e-12)
        together = (choices[:, 0] * choices[:, 1]).mean()
        assert float(together) == pytest.approx(rate**2, abs=0.05)
    first, again = (Method(OPTIONS), Method(OPTIONS))
    drawn.clear()
    for method in (first, again):
        method.loss(Toy(), images, LABELS, seeded(9))
    assert drawn[:3] == drawn[3:], "the same step draws the same"


def test_inception_goes_without_its_dropout_unless_asked_for() -> None:
    images = torch.randn(2, 3, 64, 64, generator=seeded(1))

    def losses(dropout: bool) -> list[float]:
        method = Method(OPTIONS | {"dropout": dropout})
        model = small.build(method, "inceptionv3")
        found = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            found.append(float(method.loss(model, images, LABELS, seeded(0))[0].detach()))
        return found

    without, kept = losses(False), losses(True)
    assert without[0] == without[1]
    assert kept[0] != kept[1]


def test_a_backbone_without_positions_is_refused() -> None:
    with pytest.raises(
        ParameterError, match=r"'resnet51' has no attention-based dropout .*POSITIONS in src/wsol/models"
    ):
        Method(OPTIONS).build("resnet51", 3, {"width": 0.125, "map_stride": 8, "pretrained": None})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop_rate": 0.5, "threshold": 0.8}, "adl.yaml: option 'dropout'"),
        (OPTIONS | {"gamma": 1}, "adl.yaml: option 'gamma'"),
        (OPTIONS | {"threshold": 1.2}, "1.2"),
        (OPTIONS | {"drop_rate": -1}, "-1"),
        (OPTIONS | {"dropout": "no"}, "'no'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Method(options)


def test_the_published_settings_are_those_of_the_sheet() -> None:
    cells = dict(small.every_cell("adl"))
    found = {}
    for backbone in POSITIONS:
        settings = cells[f"paper/CUB/{backbone}"]
        options = settings["options"]
        assert options["dropout"] is False
        found[backbone] = (settings["learning_rate"], options["threshold"], options["drop_rate"])
    assert found == {
        "vgg16": (2.430601e-5, 0.72, 0.33),
        "inceptionv3": (3.8655054e-4, 0.86, 0.69),
        "resnet50": (1.253438325e-2, 0.76, 0.24),
    }
    assert cells["paper/ILSVRC/vgg16"]["options"] == {"threshold": 0.9, "drop_rate": 0.75, "dropout": False}
    assert list(load_method("adl")["attributions"]) == ["cam"]


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("backbone", list(POSITIONS))
def test_a_step_on_each_backbone(backbone: str, stride: int) -> None:
    small.one_step(Method(OPTIONS), backbone, stride)


@pytest.mark.system
def test_a_short_training_beats_chance() -> None:
    assert small.accuracy_after_training(Method(OPTIONS)) > 0.6
