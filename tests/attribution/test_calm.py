"""CALM's maps as probabilities, their sum over a superset, and differences of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from wsol.attribution import attribute, calm, calm_posterior, calm_saliency
from wsol.attribution.extract import extract_maps
from wsol.attribution.select import counterfactual, of_classes
from wsol.attribution.superset import aggregate
from wsol.data.transforms import eval_batch
from wsol.errors import ParameterError
from wsol.models import build

CLASSES = 5


@pytest.fixture(scope="module", params=["resnet50", "vgg16", "inceptionv3"])
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    model = build(request.param, head="calm", num_classes=CLASSES, width=0.125, map_stride=8)
    for branch in (model.head.classifier, model.head.location):  # as after some training
        torch.nn.init.normal_(branch.weight, 0.0, 0.2)
    return model.eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_maps_are_the_probabilities_that_they_say(model: Any, images: torch.Tensor) -> None:
    joint, logits = calm.class_maps(model, images)
    posterior, same = calm_posterior.class_maps(model, images)
    saliency, also = calm_saliency.class_maps(model, images)
    assert joint.shape == posterior.shape == saliency.shape == (3, CLASSES, 8, 8)
    for other in (same, also, model(images)):
        torch.testing.assert_close(logits, other)
    ones = torch.ones(3)
    torch.testing.assert_close(joint.sum((1, 2, 3)), ones)
    torch.testing.assert_close(joint.sum((2, 3)), logits.exp())
    torch.testing.assert_close(posterior.sum((2, 3)), ones[:, None].expand(3, CLASSES))
    torch.testing.assert_close(saliency[:, 0].sum((1, 2)), ones)
    torch.testing.assert_close(joint, posterior * logits.exp()[:, :, None, None])
    torch.testing.assert_close(joint.sum(1), saliency[:, 3])
    assert (joint >= 0).all() and (joint <= 1).all() and joint.std((2, 3)).min() > 0


@torch.no_grad()
@pytest.mark.parametrize("name", ["calm", "calm_posterior", "calm_saliency"])
def test_targets_choose_the_maps(model: Any, images: torch.Tensor, name: str) -> None:
    module = {"calm": calm, "calm_posterior": calm_posterior, "calm_saliency": calm_saliency}[name]
    every, _ = module.class_maps(model, images)
    chosen = attribute(model, images, torch.tensor([4, 0, 2]), name)
    for image, target in enumerate((4, 0, 2)):
        torch.testing.assert_close(chosen[image], every[image, target])
    for wrong in (CLASSES, -1):
        with pytest.raises(ParameterError, match=f"target {wrong} is no class of a network with 5 classes"):
            attribute(model, images, torch.tensor([0, wrong, 0]), name)


def test_a_network_without_the_heads_is_refused(images: torch.Tensor) -> None:
    plain = build("resnet50", num_classes=CLASSES, width=0.125)
    with pytest.raises(ParameterError, match=r"head 'cam'; train it with the method calm_em or calm_ml"):
        attribute(plain, images, torch.tensor([0, 1, 2]), "calm")


class Pixels:
    def __init__(self) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, (CLASSES, 64, 64, 3), dtype=np.uint8)

    def batch(self, indices: np.ndarray) -> np.ndarray:
        return self.pixels[indices]


def extracted(model: Any, attribution: str, supersets: list[list[int]] | None) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(CLASSES)
    return extract_maps(
        model,
        Pixels(),
        labels,
        attribution=attribution,
        options={},
        supersets=supersets,
        device=torch.device("cpu"),
        batch_size=2,
    )


@torch.no_grad()
def test_a_superset_adds_probabilities_but_cams_after_min_max(model: Any) -> None:
    supersets = [[0, 2, 3], [1], [0, 2, 3], [0, 2, 3], [4]]
    pixels = eval_batch(torch.from_numpy(Pixels().batch(np.arange(CLASSES))))
    joint, logits = calm.class_maps(model, pixels)
    posterior, _ = calm_posterior.class_maps(model, pixels)
    summed, predictions = extracted(model, "calm+superset", supersets)
    alone, _ = extracted(model, "calm", None)
    of_posterior, _ = extracted(model, "calm_posterior+superset", supersets)
    of_cam, _ = extracted(model, "cam+superset", supersets)
    f = model.class_maps(model.features(pixels))
    for image, superset in enumerate(supersets):
        total = sum(joint[image, other].numpy() for other in superset)
        np.testing.assert_allclose(summed[image], total, rtol=1e-4, atol=1e-7)
        total = sum(posterior[image, other].numpy() for other in superset)
        np.testing.assert_allclose(of_posterior[image], total, rtol=1e-4, atol=1e-7)
        stretched = [f[image, other] - f[image, other].min() for other in superset]
        total = sum((one / one.max()).numpy() for one in stretched)
        np.testing.assert_allclose(of_cam[image], total, rtol=1e-3, atol=1e-4)
        assert summed[image].sum() == pytest.approx(float(logits[image, superset].exp().sum()), rel=1e-4)
    for image in (1, 4):  # a superset of one class: CALM_EM and CALM_EM + 𝒴 are the same, as on OpenImages
        np.testing.assert_allclose(summed[image], alone[image], rtol=1e-6)
    assert np.array_equal(predictions, logits.argsort(dim=1, descending=True, stable=True).numpy())


@torch.no_grad()
def test_all_classes_together_are_the_saliency(model: Any, images: torch.Tensor) -> None:
    joint, _ = calm.class_maps(model, images)
    everything = aggregate(joint, torch.ones(3, CLASSES, dtype=torch.bool), normalise=False)
    torch.testing.assert_close(everything.float(), attribute(model, images, torch.tensor([0, 0, 0]), "calm_saliency"))


def test_counterfactual_is_the_difference_of_two_classes() -> None:
    maps = torch.arange(24.0).reshape(2, 3, 2, 2)
    got = counterfactual(maps, torch.tensor([2, 0]), torch.tensor([0, 1]))
    assert torch.equal(got, torch.stack([torch.full((2, 2), 8.0), torch.full((2, 2), -4.0)]))
    assert torch.equal(got, -counterfactual(maps, torch.tensor([0, 1]), torch.tensor([2, 0])))
    assert torch.equal(of_classes(maps, torch.tensor([2, 0]))[1], maps[1, 0])
    with pytest.raises(ParameterError, match="target 3 is no class"):
        counterfactual(maps, torch.tensor([0, 0]), torch.tensor([0, 3]))
