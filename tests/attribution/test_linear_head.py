"""Maps from activations that are there already, against `attribute` on the images."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wsol.attribution import attribute, linear_head
from wsol.attribution.linear_head import maps_from_features
from wsol.errors import ParameterError
from wsol.models import build
from wsol.testing.classifiers import some_images

METHODS = ("cam", "gradcam", "gradcam_pp", "smooth_gradcam_pp", "xgradcam", "layercam")
TARGETS = torch.tensor([2, 0])


def network(backbone: str, head: str = "cam") -> Any:
    torch.manual_seed(0)
    model = build(backbone, head=head, num_classes=3, width=0.125, map_stride=8)
    return model.train()


@pytest.mark.parametrize("backbone", ["resnet50", "vgg16", "inceptionv3"])
def test_they_are_those_of_the_images(backbone: str) -> None:
    model, images = network(backbone), some_images(2, side=32)
    with torch.no_grad():
        features = model.eval().features(images)
        expected = {method: attribute(model, images, TARGETS, method) for method in METHODS}
    model.train()
    model.trunk.register_forward_hook(lambda *a: pytest.fail("a second pass through the trunk"))
    for method in METHODS:
        for around in (torch.no_grad, torch.enable_grad, torch.inference_mode):
            with around():
                found = maps_from_features(method, model, features, TARGETS)
            torch.testing.assert_close(found, expected[method])
        every = maps_from_features(method, model, features, None)
        pairs = maps_from_features(method, model, features, torch.tensor([[2, 1], [0, 0]]))
        torch.testing.assert_close(every[torch.arange(2), TARGETS], expected[method])
        torch.testing.assert_close(pairs[:, 0], expected[method])
    assert model.training and all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("backbone", ["resnet50", "vgg16", "inceptionv3"])
def test_our_own_networks_are_known_for_linear_ones(backbone: str) -> None:
    """Were they not, every map would cost a backward pass, and nothing but time would tell."""
    model, images, graphs = network(backbone).eval(), some_images(2, side=32), []
    model.register_forward_hook(lambda module, inputs, scores: graphs.append(scores.requires_grad))
    for method in ("gradcam", "gradcam_pp", "xgradcam", "layercam"):
        attribute(model, images, TARGETS, method)
    assert graphs == [False, True, False, False, False], "one image is checked, once a head"


@pytest.mark.parametrize("head", ["acol", "calm"])
def test_a_head_that_is_not_linear_takes_a_backward_pass(head: str) -> None:
    model, images = network("resnet50", head).eval(), some_images(2, side=32)
    with torch.no_grad():
        features = model.features(images)
    for method in METHODS:
        if method == "smooth_gradcam_pp":
            with pytest.raises(ParameterError, match="noisy copies of the image"):
                maps_from_features(method, model, features, TARGETS)
            continue
        expected = attribute(model, images, TARGETS, method)
        found = maps_from_features(method, model, features, TARGETS)
        torch.testing.assert_close(found.detach(), expected, rtol=1e-4, atol=1e-6)


def test_coefficients_are_held_a_few_classes_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = network("resnet50").eval(), some_images(2, side=32)
    with torch.no_grad():
        features = model.features(images)
    whole = maps_from_features("gradcam_pp", model, features, None)
    monkeypatch.setattr(linear_head, "MEMORY", 1)
    torch.testing.assert_close(maps_from_features("gradcam_pp", model, features, None), whole)


def test_options_and_what_cannot_be_meant() -> None:
    model, images = network("resnet50").eval(), some_images(2, side=32)
    with torch.no_grad():
        features = model.features(images)
    options = {"samples": 7, "sigma": 0.1, "seed": 3}
    noisy = maps_from_features("smooth_gradcam_pp", model, features, TARGETS, **options)
    torch.testing.assert_close(noisy, maps_from_features("gradcam_pp", model, features, TARGETS))
    undivided = maps_from_features("gradcam_pp", model, features, TARGETS, variant="no-division")
    torch.testing.assert_close(undivided, attribute(model, images, TARGETS, "gradcam_pp", variant="no-division"))
    with pytest.raises(ParameterError, match="variant torch-cam shows the activations of a noisy copy"):
        maps_from_features("smooth_gradcam_pp", model, features, TARGETS, variant="torch-cam")
    with pytest.raises(ParameterError, match="'scorecam' is not one of cam, gradcam"):
        maps_from_features("scorecam", model, features, TARGETS)
    with pytest.raises(ParameterError, match="target 3 is no class"):
        maps_from_features("gradcam", model, features, torch.tensor([0, 3]))
