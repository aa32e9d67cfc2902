"""FSL's saliency: a probability, the same for every class."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wsol.attribution import attribute, load
from wsol.errors import ParameterError
from wsol.models import build


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    made = build("resnet50", head="fsl", num_classes=4, width=0.125, map_stride=8).eval()
    torch.nn.init.normal_(made.head.foreground.weight)
    return made


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_maps_are_the_sigmoid_of_the_head_for_every_class(model: Any, images: torch.Tensor) -> None:
    maps, logits = load("fsl").class_maps(model, images)
    assert maps.shape == (3, 4, 8, 8) and torch.equal(logits, model(images))
    z = model.head.foreground(model.features(images))
    torch.testing.assert_close(maps, (1 / (1 + (-z).exp())).expand(3, 4, 8, 8))
    assert (maps >= 0).all() and (maps <= 1).all() and maps.std() > 0
    assert maps.stride(1) == 0, "no memory for each class"
    for targets in ([0, 1, 2], [3, 3, 3]):
        assert torch.equal(attribute(model, images, torch.tensor(targets), "fsl"), maps[:, 0])


def test_what_it_cannot_do_is_refused(model: Any, images: torch.Tensor) -> None:
    with pytest.raises(ParameterError, match="target 4 is no class of a network with 4 classes"):
        attribute(model, images, torch.tensor([0, 4, 1]), "fsl")
    plain = build("resnet50", num_classes=4, width=0.125)
    with pytest.raises(ParameterError, match="head 'cam'; train it with the method fsl"):
        attribute(plain, images, torch.tensor([0, 1, 2]), "fsl")
