"""InCA trains every backbone at both strides, touches evaluation in nothing, and refuses what makes no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from wsol.attribution import attribute
from wsol.config.searched import searched_path
from wsol.errors import ParameterError
from wsol.losses.inca import Thresholds
from wsol.methods import load
from wsol.methods.inca import Method, attention_losses
from wsol.models import load_model, save_model
from wsol.models.inca import View, attended
from wsol.testing import small_training as small

ALL = ("inceptionv3", "resnet50", "vgg16")
OPTIONS: dict[str, Any] = {
    **{"drop_rate": 0.25, "background": 0.1, "foreground": 0.4, "peak": 0.8},
    **{"margin": 1.0, "contrastive_weight": 0.1, "consistency_weight": 0.1, "ramp": 0.0},
}
THRESHOLDS = Thresholds(0.1, 0.4, 0.8)
LABELS = torch.tensor([0, 2])


def method(**changes: Any) -> Method:
    return Method({**OPTIONS, **changes})


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wake(model: Any) -> Any:
    """Layers that are 0 at first get values, so that gradients reach what lies before them."""
    for name, parameter in model.named_parameters():
        if name.endswith("bn3.weight"):
            nn.init.ones_(parameter)
        elif ".attention." in name and name.endswith("out.weight"):
            nn.init.normal_(parameter, 0, 0.05)
    return model


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("backbone", ALL)
def test_one_step_reaches_every_parameter(backbone: str, stride: int) -> None:
    class Woken(Method):
        def build(self, *arguments: Any) -> nn.Module:
            return wake(super().build(*arguments))

    loss, model = small.one_step(Woken({**OPTIONS, "drop_rate": 0.0}), backbone, stride)
    assert loss > 0
    fast = model.head_parameter_names()
    assert {name for name, _ in model.named_parameters() if ".attention." in name} <= fast


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("backbone", ALL)
def test_the_published_width(backbone: str, stride: int) -> None:
    torch.manual_seed(0)
    model: Any = method().build(backbone, 4, {"width": 1.0, "map_stride": stride, "pretrained": None}).train()
    with torch.no_grad():
        loss, logits = method(drop_rate=0.5).loss(model, torch.randn(2, 3, 32, 32), LABELS, seeded(0))
        with attended(model, (False, False, False), THRESHOLDS) as views:
            model(torch.randn(2, 3, 32, 32))
    assert loss.isfinite() and logits.shape == (2, 4)
    expected = {"vgg16": [256, 512, 512], "resnet50": [1024, 2048, 2048], "inceptionv3": [288, 768, 1024]}
    assert [view.features.shape[1] for view in views] == expected[backbone]


@pytest.mark.parametrize("backbone", ALL)
def test_without_weights_and_drops_only_the_importance_is_new(backbone: str) -> None:
    """The blocks start as the identity, so the pass is that of ADL without dropping."""
    from wsol.models.adl import inserted, positions
    from wsol.models.heads.inca import PLACES

    chosen = method(contrastive_weight=0, consistency_weight=0, drop_rate=0)
    model = small.build(chosen, backbone)
    layers = positions(backbone)
    assert tuple(place.layer for place in PLACES[model.trunk.stage_names[-1]]) == layers
    images = torch.randn(2, 3, 64, 64, generator=seeded(1))
    torch.manual_seed(5)
    loss, logits = chosen.loss(model, images, LABELS, seeded(0))
    plain = small.build(load("cam").Method({}), backbone)
    torch.manual_seed(5)
    with inserted(plain, layers, (False,) * 3, 1.0):
        plain_loss, plain_logits = load("cam").Method({}).loss(plain, images, LABELS, seeded(0))
    assert torch.allclose(logits, plain_logits, atol=1e-5) and torch.allclose(loss, plain_loss, atol=1e-5)


@pytest.mark.parametrize("backbone", ALL)
def test_evaluation_is_the_plain_classifier(backbone: str, tmp_path: Path) -> None:
    model, plain = wake(small.build(method(), backbone)), small.build(load("cam").Method({}), backbone)
    assert list(plain.state_dict()) == [name for name in model.state_dict() if ".attention." not in name]
    method().loss(model, torch.randn(2, 3, 64, 64, generator=seeded(1)), LABELS, seeded(0))[0].backward()
    plain.load_state_dict(model.state_dict(), strict=False)
    images = torch.randn(2, 3, 64, 64, generator=seeded(2))
    model.eval(), plain.eval()
    assert torch.equal(model(images), plain(images))
    assert torch.equal(attribute(model, images, LABELS), attribute(plain, images, LABELS))
    loss, logits = method().loss(model, images, LABELS, seeded(0))
    expected, _ = load("cam").Method({}).loss(plain, images, LABELS, seeded(0))
    assert torch.equal(loss, expected) and torch.equal(logits, plain(images))
    save_model(tmp_path / "trained.safetensors", model)
    read = load_model(tmp_path / "trained.safetensors")
    assert torch.equal(read(images), model(images)) and list(read.state_dict()) == list(model.state_dict())
    # A plain network's weights are a trunk to begin with, and the blocks stay as they were drawn.
    save_model(tmp_path / "plain.safetensors", plain)
    weights = {"width": 0.125, "map_stride": 8, "pretrained": str(tmp_path / "plain.safetensors")}
    begun = method().build(backbone, small.COLOURS, weights).eval()
    begun.head.classifier.load_state_dict(plain.head.classifier.state_dict())
    assert torch.equal(begun(images), plain(images))


def test_the_last_layer_guides_and_is_not_guided() -> None:
    attention = [
        torch.rand(2, side, side, generator=seeded(seed)).requires_grad_() for seed, side in enumerate((8, 4, 4))
    ]
    views = [View(torch.ones(2, 3, *map_.shape[1:]), map_, torch.ones_like(map_).bool()) for map_ in attention]
    _, consistency = attention_losses(views, THRESHOLDS, 1.0)
    consistency.backward()
    assert attention[2].grad is None
    assert all(map_.grad is not None and map_.grad.any() for map_ in attention[:2])


def test_what_was_dropped_before_the_guide_is_not_taught() -> None:
    early, last = torch.rand(1, 8, 8, generator=seeded(0)).requires_grad_(), torch.rand(1, 4, 4, generator=seeded(1))
    counted = torch.ones(1, 4, 4).bool()
    counted[0, :2] = False
    features = torch.ones(1, 3, 8, 8)
    views = [View(features, early, torch.ones(1, 8, 8).bool()), View(features[:, :, :4, :4], last, counted)]
    attention_losses(views, THRESHOLDS, 1.0)[1].backward()
    assert early.grad is not None and early.grad[0, 4:].any()
    extremes = (early == early.max()) | (early == early.min())
    assert not early.grad[0, :4][~extremes[0, :4]].any()


def test_the_consistency_loss_trains_nothing_behind_the_last_early_layer() -> None:
    model = wake(small.build(method(), "resnet50"))
    with attended(model, (False, False, False), THRESHOLDS) as views:
        model(torch.randn(2, 3, 64, 64, generator=seeded(1)))
    attention_losses(views, THRESHOLDS, 1.0)[1].backward()
    got = {name for name, parameter in model.named_parameters() if parameter.grad is not None and parameter.grad.any()}
    assert any(name.startswith("trunk.conv1") for name in got) and any("attention.1" in name for name in got)
    later = ("trunk.layer4.1.", "trunk.layer4.2.", "head.attention.2.", "head.classifier.")
    assert not [name for name in got if name.startswith(later)]


def test_the_total_is_the_weighted_sum() -> None:
    model = wake(small.build(method(), "vgg16"))
    images = torch.randn(2, 3, 64, 64, generator=seeded(1))

    def total(contrastive: float, consistency: float) -> torch.Tensor:
        chosen = method(contrastive_weight=contrastive, consistency_weight=consistency, drop_rate=0.5)
        return chosen.loss(model, images, LABELS, seeded(3))[0]

    none, first, second = total(0, 0), total(1, 0), total(0, 1)
    assert first > none and second > none
    assert torch.allclose(total(2, 3), none + 2 * (first - none) + 3 * (second - none), atol=1e-5)


def test_the_weights_ramp_in_with_the_steps() -> None:
    chosen = method(ramp=0.5)
    shares = []
    for step in range(8):
        chosen.start_step(step / 8)
        shares.append(chosen.share)
    assert shares == [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]
    at_once = method(ramp=0.0)
    at_once.start_step(0.0)
    assert at_once.share == 1
    model = wake(small.build(method(), "vgg16"))
    images = torch.randn(2, 3, 64, 64, generator=seeded(1))
    chosen.start_step(0.0)
    nothing = method(contrastive_weight=0, consistency_weight=0)
    assert torch.equal(*(one.loss(model, images, LABELS, seeded(0))[0] for one in (chosen, nothing)))


def test_both_losses_take_part_in_a_training_of_one_epoch() -> None:
    """Weights that grew from epoch to epoch would stay 0 where there is one, as at scale demo."""
    cells = {name: settings for name, settings in small.every_cell("inca") if settings["epochs"] == 1}
    assert "demo/synthbirds/resnet50" in cells
    for name, settings in cells.items():
        chosen = Method(settings["options"])
        chosen.start_epoch(1, 1)
        shares = []
        for step in range(30):
            chosen.start_step(step / 30)
            shares.append(chosen.share)
        assert sum(shares) / 30 > 0.8 and shares[-1] == 1, name


def test_images_of_one_colour_are_survived() -> None:
    for drop_rate in (0.0, 1.0):
        model = wake(small.build(method(), "inceptionv3"))
        loss, _ = method(drop_rate=drop_rate).loss(model, torch.zeros(2, 3, 64, 64), LABELS, seeded(0))
        loss.backward()
        assert loss.isfinite()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_the_same_draws_give_the_same_bytes() -> None:
    losses = []
    for seed in (1, 1, 2, 3, 4):
        model = wake(small.build(method(), "vgg16"))
        images = torch.randn(2, 3, 64, 64, generator=seeded(1))
        losses.append(method(drop_rate=0.5).loss(model, images, LABELS, seeded(seed))[0])
    assert torch.equal(losses[0], losses[1])
    assert len({float(loss.detach()) for loss in losses}) > 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"background": 0.5}, "'background', 'foreground' and 'peak' are 0.5, 0.4, 0.8"),
        ({"peak": 0.3}, "none may be below the one before"),
        ({"drop_rate": 1.5}, "'drop_rate' is 1.5"),
        ({"margin": 5}, r"'margin' is 5; give a number in \[0, 4\]"),
        ({"contrastive_weight": -1}, "'contrastive_weight' is -1"),
        ({"consistency_weight": True}, "'consistency_weight' is True"),
        ({"ramp": "late"}, "'ramp' is 'late'"),
        ({"gamma": 0.9}, "'gamma' is unknown"),
    ],
)
def test_options_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        method(**changes)
    with pytest.raises(ParameterError, match="'margin' is missing"):
        Method({name: value for name, value in OPTIONS.items() if name != "margin"})


def test_every_cell_of_every_scale_has_options_that_fit() -> None:
    cells = dict(small.every_cell("inca"))
    assert {name.split("/")[0] for name in cells} >= {"smoke", "small", "paper"}
    for name, settings in cells.items():
        published = name.startswith("paper/")
        assert settings["options"]["ramp"] == (0.0 if published else 0.3), name
        if not searched_path(*name.split("/"), "inca").exists():
            assert settings["options"]["contrastive_weight"] == (1.0 if published else 0.1), name
