"""SPG's loss, options and learning-rate groups."""

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
from wsol.models.heads.spg import Guidance
from wsol.provenance.closure import code_closure

OPTIONS = {
    **{"b2_high": 0.7, "b2_low": 0.01, "b1_high": 0.5, "b1_low": 0.05, "c_high": 0.7, "c_low": 0.1},
    "learning_rates": "new_layers",
}
SLIM = {"width": 0.125, "map_stride": 8, "pretrained": None}
FRAME = (32, 32)


def guidance(constant: bool = False) -> Guidance:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 5, 4, 4, generator=generator)
    if constant:
        maps = torch.ones_like(maps)
    masks = (3 * torch.randn(3, 3, 4, 4, generator=generator)).unbind(0)
    return Guidance(*(tensor.requires_grad_() for tensor in (maps, *masks)))


LABELS = torch.tensor([4, 0, 2])


def slow_term(logits: torch.Tensor, scores: np.ndarray, high: float, low: float) -> float:
    """Loops over images, in the frame and with all its pixels, in float64."""
    terms: list[float] = []
    for logit, score in zip(logits.double().detach().numpy(), scores, strict=True):
        foreground = score > high
        if foreground.sum() < 30 * FRAME[0] * FRAME[1] / 224**2:
            foreground = score > 0.7 * score.max()
        background = score < low
        positive = foreground & ~background
        terms += np.log1p(np.exp(-logit[positive])).tolist() + np.log1p(np.exp(logit[background])).tolist()
    return float(np.mean(terms)) if terms else 0.0


def in_frame(maps: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.interpolate(maps[:, None].double(), FRAME, mode="bilinear", align_corners=False)[:, 0]


def test_each_branch_is_taught_by_the_map_before_it() -> None:
    given = guidance()
    losses = load("spg").Method(OPTIONS).mask_losses(given, LABELS, FRAME)
    # All classes are resized first here, as the released code does; the class is picked afterwards.
    every = torch.stack([in_frame(given.class_maps[:, k].detach()) for k in range(5)], 1)
    chosen = every[torch.arange(3), LABELS].numpy()
    low, high = chosen.min((1, 2), keepdims=True), chosen.max((1, 2), keepdims=True)
    b1, b2, c = (in_frame(branch) for branch in given[1:])
    sure_b1, sure_b2 = (1 / (1 + np.exp(-branch.detach().numpy())) for branch in (b1, b2))
    assert float(losses["b2"].detach()) == pytest.approx(
        slow_term(b2, (chosen - low) / (high - low), 0.7, 0.01), rel=1e-5
    )
    assert float(losses["b1"].detach()) == pytest.approx(slow_term(b1, sure_b2, 0.5, 0.05), rel=1e-5)
    assert float(losses["c"].detach()) == pytest.approx(slow_term(c, (sure_b1 + sure_b2) / 2, 0.7, 0.1), rel=1e-5)


@pytest.mark.parametrize(("name", "position"), [("b1", 1), ("b2", 2), ("c", 3)])
def test_a_mask_passes_no_gradient_to_what_it_is_made_of(name: str, position: int) -> None:
    given = guidance()
    load("spg").Method(OPTIONS).mask_losses(given, LABELS, FRAME)[name].backward()
    for index, tensor in enumerate(given):
        assert (tensor.grad is not None and bool(tensor.grad.any())) == (index == position)


def test_constant_class_maps_label_nothing() -> None:
    given = guidance(constant=True)
    losses = load("spg").Method(OPTIONS).mask_losses(given, LABELS, FRAME)
    assert float(losses["b2"].detach()) == 0
    sum(losses.values()).backward()  # type: ignore[union-attr]
    assert given.b2.grad is not None and not given.b2.grad.any()


def test_where_no_pixel_is_sure_the_term_is_zero_and_finite() -> None:
    given = Guidance(guidance().class_maps, *(torch.zeros(3, 4, 4, requires_grad=True) for _ in range(3)))
    # σ(0) = .5 everywhere: neither above .5 nor below .05, but then .7 of the maximum decides; so ask for a full frame
    # of background with b1_low above .5, and for nothing with NaN logits of B2.
    options = {**OPTIONS, "b1_high": 0.9, "b1_low": 0.6}
    losses = load("spg").Method(options).mask_losses(given, LABELS, FRAME)
    assert float(losses["b1"].detach()) == pytest.approx(np.log(2))
    silent = given._replace(b2=torch.full((3, 4, 4), float("nan")))
    losses = load("spg").Method(OPTIONS).mask_losses(silent, LABELS, FRAME)
    assert float(losses["b1"].detach()) == 0
    assert float(losses["c"].detach()) == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_sum_of_four_terms(smoothing: float) -> None:
    torch.manual_seed(0)
    method = load("spg").Method(OPTIONS, smoothing)
    model: Any = method.build("resnet50", 5, SLIM)
    images, labels = torch.randn(2, 3, 64, 64), torch.tensor([1, 4])
    loss, logits = method.loss(model, images, labels, torch.Generator())
    # ResNet50 has no dropout; in training mode its batch statistics are those of this batch, so a second pass agrees.
    stages = dict(model.trunk.walk(images))
    given = model.head.guidance(
        stages["layer4"],
        {"layer3.0": model.trunk.layer3[0](stages["layer2"]), "layer3": stages["layer3"]},
    )
    torch.testing.assert_close(logits, given.class_maps.mean((2, 3)))
    expected = cross_entropy(logits, labels, label_smoothing=smoothing)
    expected = expected + sum(method.mask_losses(given, labels, (64, 64)).values())
    torch.testing.assert_close(loss, expected)


SLOW_VGG = tuple(f"trunk.features.{number}." for number in (0, 2, 5, 7, 10, 12, 14))


@pytest.mark.parametrize("backbone", ["inceptionv3", "resnet50", "vgg16"])
@pytest.mark.parametrize("rates", ["new_layers", "reference"])
def test_new_branches_train_at_the_heads_rate_unless_the_reference_is_asked_for(backbone: str, rates: str) -> None:
    model = load("spg").Method({**OPTIONS, "learning_rates": rates}).build(backbone, 4, SLIM)
    fast = {
        id(p) for group in parameter_groups(model, backbone, 0.1, 10) if group["lr"] == 1.0 for p in group["params"]
    }
    for name, parameter in model.named_parameters():
        expected = name.startswith("head.") or ".layer4." in name
        if rates == "reference" and backbone == "resnet50":
            expected = ".layer4." in name
        if rates == "reference" and backbone == "vgg16":
            expected = not name.startswith(SLOW_VGG)
        assert (id(parameter) in fast) == expected, name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({name: value for name, value in OPTIONS.items() if name != "c_low"}, ["c_low", "missing"]),
        ({**OPTIONS, "b3_high": 0.7}, ["b3_high", "b2_high"]),
        ({**OPTIONS, "b2_high": -0.1}, ["b2_high", "-0.1", "[0, 1]"]),
        ({**OPTIONS, "c_low": "0.1"}, ["c_low", "'0.1'"]),
        ({**OPTIONS, "b1_low": 0.6}, ["b1_low", "0.6", "b1_high", "0.5"]),
        ({**OPTIONS, "learning_rates": None}, ["learning_rates", "None", "reference"]),
    ],
)
def test_impossible_options_are_refused_when_the_method_is_made(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ParameterError) as caught:
        load("spg").Method(options)
    assert all(word in str(caught.value) for word in words), caught.value


def test_published_settings_and_the_others() -> None:
    """wsol-protocol 3.4, a third-party copy of the authors' sheet: 1h/1l, 2h/2l, 3h/3l."""
    published = {
        "vgg16": (1.2558923e-4, [0.29, 0.23, 0.03, 0.02, 0.82, 0.59]),
        "inceptionv3": (3.360682e-4, [0.28, 0.02, 0.17, 0.03, 0.47, 0.31]),
        "resnet50": (4.521947e-5, [0.41, 0.35, 0.24, 0.21, 0.12, 0.08]),
    }
    order = ("b2_high", "b2_low", "b1_high", "b1_low", "c_high", "c_low")
    for backbone, (rate, thresholds) in published.items():
        chosen = hyperparameters("spg", "paper", "CUB", backbone)
        rates = "new_layers" if backbone == "inceptionv3" else "reference"
        assert chosen["learning_rate"] == rate
        assert chosen["options"] == {**dict(zip(order, thresholds, strict=True)), "learning_rates": rates}
        load("spg").Method(chosen["options"])
    for scale, dataset in (("paper", "ILSVRC"), ("paper", "OpenImages30k"), ("full", "synthbirds")):
        assert hyperparameters("spg", scale, dataset, "resnet50")["options"] == OPTIONS


def test_an_edit_of_head_or_masks_changes_the_training() -> None:
    files = set(code_closure("wsol.methods.spg"))
    assert {f"src/wsol/{name}.py" for name in ("models/heads/spg", "losses/pseudo_masks", "models/taps")} <= files
    assert not any("acol" in file for file in files)
