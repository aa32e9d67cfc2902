"""CALM_EM and CALM_ML as training methods: options, steps on each backbone, and what a short training learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from wsol.attribution import attribute
from wsol.config.resolve import hyperparameters
from wsol.config.scale import load_scale
from wsol.errors import ParameterError
from wsol.losses import calm
from wsol.methods import calm_base, load
from wsol.models import parameter_groups
from wsol.models.heads.calm import CalmHead
from wsol.provenance.closure import code_closure

BACKBONES = ("resnet50", "vgg16", "inceptionv3")
METHODS = ("calm_em", "calm_ml")
OPTIONS = {"normaliser": "exact", "map_stride": 8, "learning_rates": "new_layers"}
MAPS = ("calm", "calm_posterior", "calm_saliency", "cam")


def built(name: str, backbone: str, **options: Any) -> tuple[Any, Any]:
    method = load(name).Method(OPTIONS | options)
    torch.manual_seed(0)
    return method, method.build(backbone, 4, {"width": 0.125, "map_stride": 16, "pretrained": None})


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)), torch.arange(4)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_step_on_each_backbone(name: str, backbone: str) -> None:
    method, model = built(name, backbone)
    images, labels = batch()
    torch.manual_seed(2)
    loss, logits = method.loss(model, images, labels, torch.Generator())
    assert torch.isfinite(loss) and logits.shape == (4, 4) and not logits.requires_grad
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(4))
    loss.backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), parameter_name
    assert (model.head.classifier.weight.grad != 0).any()
    optimiser = torch.optim.SGD(model.parameters(), 0.01)
    optimiser.step()
    # From a uniform posterior no location is better than another; from the second step on some are.
    optimiser.zero_grad()
    method.loss(model, images, labels, torch.Generator())[0].backward()
    for branch in (model.head.classifier, model.head.location):
        assert (branch.weight.grad != 0).any()
    optimiser.step()
    with torch.no_grad():
        for maps in MAPS:
            values = attribute(model.eval(), images, labels, maps)
            assert values.shape == (4, 8, 8) and torch.isfinite(values).all() and (values.std((1, 2)) > 0).all()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_at_the_start_no_class_and_no_location_is_likelier_whatever_the_size_of_the_features(backbone: str) -> None:
    _, model = built("calm_em", backbone)
    features = 100 * model.features(batch()[0])
    joint = calm.log_joint(*model.head.evidence(features)).exp()
    torch.testing.assert_close(joint, torch.full_like(joint, 1 / joint[0].numel()))


def test_the_objectives_are_the_means_over_the_batch() -> None:
    images, labels = batch()
    for name, objective in (
        ("calm_em", calm.expectation_maximisation),
        ("calm_ml", calm.maximum_likelihood),
    ):
        for normaliser in calm.NORMALISERS:
            method, model = built(name, "resnet50", normaliser=normaliser)
            model.eval()
            f, h = model.head.evidence(model.features(images))
            expected = objective(f, h, labels, normaliser).mean()
            loss, logits = method.loss(model, images, labels, torch.Generator())
            assert torch.equal(loss, expected) and torch.equal(logits, calm.log_class(f, h))


@pytest.mark.parametrize("name", METHODS)
def test_maps_have_the_stride_of_the_option_or_of_the_scale(name: str) -> None:
    for option, stride in ((8, 8), (16, 16), (None, 16)):
        _, model = built(name, "vgg16", map_stride=option)
        assert model.build_args["map_stride"] == stride and model.build_args["head"] == "calm"


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("options", "smoothing", "words"),
    [
        ({"normaliser": "exact"}, 0.0, "option 'map_stride' is missing"),
        ({**OPTIONS, "learning_rates": "fast"}, 0.0, "'learning_rates' is 'fast'; choose one of new_layers, reference"),
        ({**OPTIONS, "epsilon": 1}, 0.0, "option 'epsilon' is unknown"),
        ({**OPTIONS, "normaliser": "detached"}, 0.0, "'normaliser' is 'detached'; choose one of exact, reference"),
        ({**OPTIONS, "map_stride": 4}, 0.0, "'map_stride' is 4; choose one of None, 8, 16"),
        (OPTIONS, 0.1, r"label_smoothing is 0\.1, .* set it to 0"),
    ],
)
def test_what_it_cannot_do_is_refused(name: str, options: dict[str, Any], smoothing: float, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        load(name).Method(options, smoothing)


def test_the_normalisers_offered_are_those_that_there_are() -> None:
    assert calm_base.NORMALISERS == calm.NORMALISERS


@pytest.mark.parametrize("name", METHODS)
def test_published_hyperparameters(name: str) -> None:
    for dataset, rate in (("CUB", 3e-5), ("OpenImages30k", 5e-5), ("ILSVRC", 7e-5)):
        chosen = hyperparameters(name, "paper", dataset, "resnet50")
        assert (chosen["learning_rate"], chosen["momentum"], chosen["weight_decay"]) == (rate, 0.9, 1e-4)
        # Found with the released code, on ResNet50.
        assert chosen["options"] == {**OPTIONS, "normaliser": "reference", "learning_rates": "reference"}
        for backbone in ("vgg16", "inceptionv3"):
            assert hyperparameters(name, "paper", dataset, backbone)["options"] == OPTIONS
    for backbone in BACKBONES:
        load(name).Method(hyperparameters(name, "demo", "synthbirds", backbone)["options"])


@pytest.mark.parametrize("name", METHODS)
def test_it_trains_no_less_than_cam(name: str) -> None:
    """Its mean of probabilities learns later than a mean of scores."""
    for scale in ("smoke", "demo", "small", "full", "paper"):
        view = load_scale(scale).settings
        for dataset in view["stand_ins"].values() if scale != "paper" else ("CUB", "OpenImages30k", "ILSVRC"):
            for backbone in view["backbones"]:
                epochs = [hyperparameters(one, scale, dataset, backbone)["epochs"] for one in (name, "cam")]
                assert epochs[0] >= epochs[1] * (1 if scale in ("paper", "small") else 2), (scale, dataset, backbone)


@pytest.mark.parametrize("rates", ["new_layers", "reference"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_groups_are_ours_unless_those_of_the_released_code_are_asked_for(backbone: str, rates: str) -> None:
    """There the names of the trunk's parameters have conv1 or layer1 to layer3 in them."""
    _, model = built("calm_em", backbone, learning_rates=rates)
    fast = {
        id(p) for group in parameter_groups(model, backbone, 0.1, 10) if group["lr"] == 1.0 for p in group["params"]
    }
    for name, parameter in model.named_parameters():
        expected = name.startswith("head.") or ".layer4." in name
        if rates == "reference" and backbone == "resnet50":
            expected = not any(part in name for part in ("conv1", "layer1", "layer2", "layer3"))
        assert (id(parameter) in fast) == expected, name


@pytest.mark.parametrize("name", METHODS)
def test_an_edit_of_head_or_loss_counts_as_an_edit_of_the_method(name: str) -> None:
    closure = code_closure(f"wsol.methods.{name}")
    assert {"src/wsol/models/heads/calm.py", "src/wsol/losses/calm.py"} <= set(closure)


class Cues:
    """Features (64, 12, 6, 6) of clutter, each image with one cue of its class at a random place."""

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        side, count = 6, 64
        self.labels = torch.arange(count) % 4
        self.features = torch.from_numpy(generator.gamma(1.0, 0.3, (count, 12, side, side)).astype(np.float32))
        rows, columns = generator.integers(0, side, (2, count))
        self.features[torch.arange(count), self.labels, rows, columns] += 3
        self.features[torch.arange(count), 4, rows, columns] += 1  # what all cues have in common
        self.places = torch.from_numpy(rows * side + columns)


class Net(torch.nn.Module):
    def __init__(self, bias: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = CalmHead(torch.nn.Identity(), 12, 4)
        self.head.start_everywhere()
        torch.nn.init.constant_(self.head.location.bias, bias)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return images


def trained(name: str, normaliser: str, model: Net, data: Cues, steps: int = 200) -> tuple[float, float]:
    """Shares of images with the right class and with the top of p(z|x) on the cue, after a training."""
    method = load(name).Method({**OPTIONS, "normaliser": normaliser})
    optimiser = torch.optim.SGD(model.parameters(), 0.3, momentum=0.9)
    for _ in range(steps):
        optimiser.zero_grad()
        loss, logits = method.loss(model, data.features, data.labels, torch.Generator())
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        location = calm.log_location(model.head.evidence(data.features)[1]).flatten(1).argmax(1)
    return tuple(
        float((got == want).float().mean()) for got, want in ((logits.argmax(1), data.labels), (location, data.places))
    )  # type: ignore[return-value]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.system
def test_a_short_training_finds_the_class_and_the_place_of_its_cue(name: str) -> None:
    accuracy, located = trained(name, "exact", Net(), Cues())
    assert accuracy > 0.95 and located > 0.7, "chance: 0.25 and 0.03"


@pytest.mark.parametrize("name", METHODS)
def test_the_reference_learns_too_but_its_location_stays_wide(name: str) -> None:
    ours, theirs, data = Net(), Net(), Cues()
    trained(name, "exact", ours, data)
    accuracy, located = trained(name, "reference", theirs, data)
    assert accuracy > 0.5 and located > 0.7
    peaks = [calm.log_location(net.head.evidence(data.features)[1]).exp().amax((2, 3)).mean() for net in (ours, theirs)]
    assert peaks[0] > 0.5 > 0.1 > peaks[1]


def test_a_dead_location_comes_back() -> None:
    model, data = Net(bias=-2.0), Cues()
    assert (model.head.evidence(data.features)[1] == 0).all()
    accuracy, located = trained("calm_em", "exact", model, data)
    assert accuracy > 0.95 and located > 0.7
