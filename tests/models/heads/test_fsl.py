"""FSL's head: one map on the published CAM layer, and a probe beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from wsol.models import build, load_model, parameter_groups, save_model

BACKBONES = ("inceptionv3", "resnet50", "vgg16")


def network(backbone: str, map_stride: int = 8, head: str = "fsl") -> Any:
    torch.manual_seed(0)
    return build(backbone, head=head, num_classes=5, width=0.125, map_stride=map_stride).eval()


def images(side: int = 64) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("map_stride", [8, 16])
def test_one_map_at_the_stride_for_all_classes(backbone: str, map_stride: int) -> None:
    model = network(backbone, map_stride)
    with torch.no_grad():
        features = model.features(images())
        saliency = model.head.saliency(features)
        side = 64 // map_stride
        assert saliency.shape == (2, side, side)
        every = model.class_maps(features)
        assert every.shape == (2, 5, side, side)
        assert torch.equal(every, saliency[:, None].expand_as(every))
        assert model(images()).shape == (2, 5)
        # A training starts without an opinion.
        assert (saliency.sigmoid() - 0.5).abs().max() < 0.2


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_neck_is_the_published_one_and_the_head_trains_at_its_rate(backbone: str) -> None:
    model, plain = network(backbone), network(backbone, head="cam")
    shapes = {name: tensor.shape for name, tensor in model.head.neck.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in plain.head.neck.state_dict().items()}
    groups = {group["name"]: group for group in parameter_groups(model, backbone, 0.01, 10)}
    fast = {id(parameter) for parameter in groups["head"]["params"]}
    assert all(id(parameter) in fast for parameter in model.head.parameters())


def test_a_saved_network_is_the_same_after_loading(tmp_path: Path) -> None:
    model = network("resnet50")
    save_model(tmp_path / "model.safetensors", model)
    again = load_model(tmp_path / "model.safetensors").eval()
    assert again.build_args["head"] == "fsl"
    assert torch.equal(again.class_maps(again.features(images())), model.class_maps(model.features(images())))
