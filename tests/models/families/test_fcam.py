"""F-CAM's network: the classifier in it is frozen, and stays what it was, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from wsol.errors import DataError, ParameterError
from wsol.files import load_metadata
from wsol.models import build, load_model, parameter_groups, save_model
from wsol.models.families.fcam import FCam

BACKBONES = ("vgg16", "inceptionv3", "resnet50")


@pytest.fixture(params=BACKBONES)
def classifier(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return build(request.param, num_classes=4, width=0.125, map_stride=8).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_it_classifies_as_its_classifier_bit_for_bit(classifier: Any, images: torch.Tensor) -> None:
    with torch.no_grad():
        expected, maps = classifier(images), classifier.class_maps(classifier.features(images))
        network = FCam(classifier)
        for model in (network.train(), network.eval()):
            assert torch.equal(model(images), expected)
            assert torch.equal(model.foreground(images)[1], expected)
            assert torch.equal(model.class_maps(model.features(images)), maps)


def test_training_reaches_the_decoder_alone(classifier: Any, images: torch.Tensor) -> None:
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    network = FCam(classifier).train()
    assert not any(module.training for module in network.classifier.modules())
    assert all(module.training for module in network.decoder.modules())
    groups = parameter_groups(network, network.backbone, 0.01, 10)
    trained = {id(parameter) for group in groups for parameter in group["params"]}
    assert trained == {id(parameter) for parameter in network.decoder.parameters()}
    assert [group["lr"] for group in groups] == [0.01]
    optimiser = torch.optim.SGD(groups, momentum=0.9, weight_decay=0.1)
    for _ in range(2):
        optimiser.zero_grad(set_to_none=True)
        scores, features = network.decode(images)
        assert not features.requires_grad
        scores.square().mean().backward()
        optimiser.step()
    for name, value in network.classifier.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is not None for parameter in network.decoder.parameters())


def test_foreground_is_a_probability_of_each_pixel(classifier: Any, images: torch.Tensor) -> None:
    network = FCam(classifier).eval()
    with torch.no_grad():
        scores, _ = network.decode(images)
        foreground, _ = network.foreground(images)
    assert foreground.shape == (3, 64, 64)
    torch.testing.assert_close(foreground, torch.sigmoid(scores[:, 1] - scores[:, 0]))


def test_it_is_saved_and_loaded_like_any_model(classifier: Any, images: torch.Tensor, tmp_path: Path) -> None:
    network = FCam(classifier).eval()
    path, again = tmp_path / "model.safetensors", tmp_path / "again.safetensors"
    save_model(path, network, network.build_args, {"epoch": 3})
    state = torch.random.get_rng_state()
    loaded: Any = load_model(path)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not loaded.training and not any(p.requires_grad for p in loaded.classifier.parameters())
    assert load_metadata(path)["build_args"] == {"family": "fcam", "classifier": classifier.build_args}
    with torch.no_grad():
        for found, expected in zip(loaded.foreground(images), network.foreground(images), strict=True):
            assert torch.equal(found, expected)
    save_model(again, loaded, loaded.build_args, {"epoch": 3})
    assert again.read_bytes() == path.read_bytes()
    assert not loaded.train().classifier.training


def test_what_has_no_decoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match="head 'cam', not 'fsl'"):
        FCam(build("resnet50", head="fsl", num_classes=2, width=0.125))
    plain = build("resnet50", num_classes=2, width=0.125)
    save_model(tmp_path / "odd.safetensors", plain, {"family": "zip", "classifier": {}})
    with pytest.raises(DataError, match="family: 'zip' does not exist"):
        load_model(tmp_path / "odd.safetensors")
    monkeypatch.setattr(type(plain.trunk), "decoder_skips", ())
    with pytest.raises(ParameterError, match="backbone 'resnet50' has no decoder"):
        FCam(plain)
