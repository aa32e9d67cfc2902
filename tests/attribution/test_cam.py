"""CAM against its definition: the class's weights on the last feature map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import wsol.attribution
from wsol.attribution import attribute, load
from wsol.attribution.cam import class_maps
from wsol.errors import ParameterError
from wsol.models import build

CLASSES, SIDE = 5, 64


@pytest.fixture(scope="module", params=["resnet50", "vgg16", "inceptionv3"])
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    model = build(request.param, num_classes=CLASSES, width=0.125, map_stride=8)
    with torch.no_grad():
        model.head.classifier.bias.uniform_(-1, 1)
    return model.eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_a_map_averages_to_the_logit_of_its_class(model: Any, images: torch.Tensor) -> None:
    maps, logits = class_maps(model, images)
    assert maps.shape[:2] == (3, CLASSES)
    torch.testing.assert_close(logits, model(images))
    mean = maps.mean((2, 3))
    classifier = model.head.classifier
    if isinstance(classifier, torch.nn.Linear):
        mean = mean * classifier.in_features + classifier.bias
    torch.testing.assert_close(mean, logits, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_map_is_the_weighted_sum_of_feature_maps(model: Any, images: torch.Tensor) -> None:
    features = model.features(images).double().numpy()
    classifier = model.head.classifier
    weight = classifier.weight.double().numpy().reshape(CLASSES, -1)
    targets = torch.tensor([4, 0, 2])
    maps = attribute(model, images, targets).double().numpy()
    for image, target in enumerate(targets.tolist()):
        expected = np.zeros(features.shape[2:])
        for channel in range(features.shape[1]):
            expected += weight[target, channel] * features[image, channel]
        if isinstance(classifier, torch.nn.Linear):
            expected /= features.shape[1]
        else:
            expected += float(classifier.bias[target])
        np.testing.assert_allclose(maps[image], expected, rtol=1e-4, atol=1e-5)
    assert (maps < 0).any(), "nothing is rectified"


@torch.no_grad()
def test_targets_choose_the_maps(model: Any, images: torch.Tensor) -> None:
    maps, _ = class_maps(model, images)
    for targets in ([0, 0, 0], [4, 3, 1]):
        chosen = attribute(model, images, torch.tensor(targets))
        for image, target in enumerate(targets):
            assert torch.equal(chosen[image], maps[image, target])


@pytest.mark.parametrize("targets", [[0, 1, CLASSES], [0, -1, 2]])
def test_a_target_that_is_no_class_is_refused(model: Any, images: torch.Tensor, targets: list[int]) -> None:
    wrong = next(target for target in targets if not 0 <= target < CLASSES)
    with pytest.raises(ParameterError, match=rf"target {wrong} is no class of a network with 5 classes"):
        attribute(model, images, torch.tensor(targets))


def test_methods_are_found_by_name() -> None:
    assert load("cam") is wsol.attribution.cam
    with pytest.raises(ParameterError, match=r"attribution 'gradcma' has no code: src/wsol/attribution/gradcma\.py"):
        load("gradcma")


def test_a_method_whose_own_import_fails_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "broken.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.setattr(wsol.attribution, "__path__", [str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
        load("broken")
