"""ACoL's two branches: against one image, and one class, at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from wsol.attribution import attribute
from wsol.attribution.cam import class_maps, target_maps
from wsol.attribution.extract import extract_maps
from wsol.errors import ParameterError
from wsol.models import build, load_model, save_model
from wsol.models.backbones.vgg16 import VGG16
from wsol.models.heads.acol import build as build_head
from wsol.models.heads.acol import erase

ALL = ("inceptionv3", "resnet50", "vgg16")
CLASSES = 4


def images(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=[(backbone, stride) for backbone in ALL for stride in (8, 16)], ids=str)
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    backbone, stride = request.param
    return build(backbone, head="acol", num_classes=CLASSES, width=0.125, map_stride=stride).eval()


def slow_erase(features: np.ndarray, score: np.ndarray, threshold: float) -> np.ndarray:
    """One image, pixel by pixel."""
    result = features.copy()
    low, high = score.min(), score.max()
    for row, column in np.ndindex(*score.shape):
        if high > low and (score[row, column] - low) / (high - low) >= threshold:
            result[:, row, column] = 0
    return result


def slow_minmax(score: np.ndarray) -> np.ndarray:
    return (score - score.min()) / (score.max() - score.min())


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_features_are_erased_where_the_normalised_map_reaches_the_threshold(threshold: float) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(4, 5, 6, 7, generator=generator) + 0.1
    maps = torch.randn(4, 6, 7, generator=generator) * 3 + 5
    erased = erase(features, maps, threshold)
    for index in range(4):
        expected = slow_erase(features[index].numpy(), maps[index].double().numpy(), threshold)
        np.testing.assert_array_equal(erased[index].numpy(), expected)
    gone = (erased == 0).all(1)
    assert torch.equal(gone, (erased == 0).any(1)), "all channels of a pixel or none"
    if threshold == 1.0:
        assert (gone.sum((1, 2)) == 1).all(), "the maximum alone"
    if threshold == 0.0:
        assert gone.all()


def test_erasing_by_hand() -> None:
    # Normalised: 0, .25, .7, 1; "reaches" includes equality.
    maps = torch.tensor([[[10.0, 12.5], [17.0, 20.0]]])
    assert erase(torch.ones(1, 1, 2, 2), maps, 0.25).flatten().tolist() == [1, 0, 0, 0]
    assert erase(torch.ones(1, 1, 2, 2), maps, 0.71).flatten().tolist() == [1, 1, 1, 0]
    assert erase(torch.ones(1, 1, 2, 2), torch.full((1, 2, 2), 3.0), 0.7).all(), "a constant map erases nothing"


def test_no_gradient_flows_through_the_mask_or_to_what_is_erased() -> None:
    features = torch.ones(1, 2, 1, 4, requires_grad=True)
    maps = torch.tensor([[[0.0, 0.2, 0.9, 1.0]]], requires_grad=True)
    erase(features, maps, 0.7).sum().backward()
    assert maps.grad is None
    assert features.grad is not None
    assert features.grad[0, :, 0].tolist() == [[1, 1, 0, 0]] * 2


@torch.no_grad()
def test_logits_are_the_mean_map_of_branch_a_and_b_sees_erased_features(model: Any) -> None:
    features = model.features(images())
    labels = torch.tensor([2, 0, 2])
    logits_a, logits_b = model.head.both_logits(features, labels)
    assert torch.equal(logits_a, model.logits(features))
    maps_a = model.head.branch_a(features)
    torch.testing.assert_close(logits_a, maps_a.mean((2, 3)))
    for index, label in enumerate(labels.tolist()):
        left = slow_erase(features[index].numpy(), maps_a[index, label].double().numpy(), 0.7)
        expected = model.head.branch_b(torch.from_numpy(left)[None]).mean((2, 3))[0]
        torch.testing.assert_close(logits_b[index], expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_map_of_a_class_is_the_larger_of_two_after_erasing_for_that_class(model: Any) -> None:
    features = model.features(images())
    every = model.class_maps(features)
    assert every.shape == (3, CLASSES, *features.shape[2:])
    assert every.min() >= 0 and every.amax((2, 3)).eq(1).all()
    maps_a = model.head.branch_a(features).double().numpy()
    for index in range(3):
        for target in range(CLASSES):
            left = slow_erase(features[index].numpy(), maps_a[index, target], 0.7)
            map_b = model.head.branch_b(torch.from_numpy(left)[None])[0, target].double().numpy()
            expected = np.maximum(slow_minmax(maps_a[index, target]), slow_minmax(map_b))
            np.testing.assert_allclose(every[index, target].numpy(), expected, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_one_class_an_image_is_the_same_map_for_one_pass(model: Any) -> None:
    targets, passes = torch.tensor([3, 0, 1]), []
    handle = model.head.branch_b.register_forward_hook(lambda *_: passes.append(1))
    maps, logits = target_maps(model, images(), targets)
    assert len(passes) == 1
    every, same_logits = class_maps(model, images())
    handle.remove()
    torch.testing.assert_close(maps, every[torch.arange(3), targets])
    assert torch.equal(logits, same_logits)
    assert torch.equal(attribute(model, images(), targets), maps)
    with pytest.raises(ParameterError, match="target 4 is no class of a network with 4 classes"):
        attribute(model, images(), torch.tensor([0, 4, 1]))


@torch.no_grad()
def test_extraction_of_a_split_passes_branch_b_once_a_batch(model: Any) -> None:
    class Images:
        pixels = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)

        def batch(self, indices: np.ndarray) -> np.ndarray:
            return self.pixels[indices]

    def extract(attribution: str, supersets: list[list[int]] | None) -> np.ndarray:
        options = {"options": {}, "supersets": supersets, "device": torch.device("cpu"), "batch_size": 3}
        return extract_maps(model, Images(), np.arange(5) % CLASSES, attribution=attribution, **options)[0]

    passes: list[int] = []
    handle = model.head.branch_b.register_forward_hook(lambda *_: passes.append(1))
    maps = extract("cam", None)
    assert len(passes) == 2
    # Aggregation over singletons goes the long way, through the maps of every class, and stretches each again.
    alone = extract("cam+superset", [[index] for index in range(CLASSES)])
    handle.remove()
    assert len(passes) == 2 + 2 * CLASSES
    np.testing.assert_allclose([slow_minmax(each) for each in maps], alone, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_constant_maps_are_zero_and_hide_no_other(model: Any) -> None:
    class Still(nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return features.new_full((len(features), CLASSES, *features.shape[2:]), 2.0)

    features = model.features(images())
    branch_a, branch_b = model.head.branch_a, model.head.branch_b
    try:
        model.head.branch_a = Still()
        expected = branch_b(features)[:, 1]
        maps = model.head.target_maps(features, torch.ones(3, dtype=torch.long))
        assert maps.amax((1, 2)).eq(1).all(), "the other branch's map, nothing being erased"
        for index in range(3):
            np.testing.assert_allclose(maps[index], slow_minmax(expected[index].double().numpy()), atol=1e-4)
        model.head.branch_b = Still()
        assert not model.class_maps(features).any()
    finally:
        model.head.branch_a, model.head.branch_b = branch_a, branch_b


def test_a_saved_network_keeps_its_threshold(model: Any, tmp_path: Path) -> None:
    assert float(model.head.threshold) == pytest.approx(0.7)
    model.head.threshold.fill_(0.31)
    try:
        save_model(tmp_path / "model.safetensors", model)
        again = load_model(tmp_path / "model.safetensors")
        assert torch.equal(again.head.threshold, torch.tensor(0.31))
        with torch.no_grad():
            targets = torch.tensor([1, 2, 3])
            assert torch.equal(attribute(again, images(), targets), attribute(model, images(), targets))
    finally:
        model.head.threshold.fill_(0.7)


@pytest.mark.parametrize(("map_stride", "strides"), [(16, [2, 2, 2, 2]), (8, [2, 2, 2, 1])])
def test_the_pools_of_vgg16_overlap(map_stride: int, strides: list[int]) -> None:
    trunk = VGG16(0.125, map_stride)
    names = list(trunk.state_dict())
    head = build_head(trunk, CLASSES)
    pools = [layer for layer in trunk.features if isinstance(layer, nn.MaxPool2d)]
    assert [(pool.kernel_size, pool.stride, pool.padding) for pool in pools] == [(3, stride, 1) for stride in strides]
    assert list(trunk.state_dict()) == names, "released weights still load by name"
    features = head.neck(trunk(images(1)))  # type: ignore[operator]
    assert features.shape == (1, 64, 64 // map_stride, 64 // map_stride)
    # pool5 with stride 1, then the average; both leave out what lies beyond the border or count it as zero.
    x = torch.rand(1, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    padded = np.pad(x[0, 0].numpy(), 1, constant_values=-np.inf)
    top = np.array([[padded[r : r + 3, c : c + 3].max() for c in range(3)] for r in range(3)])
    padded = np.pad(top, 1)
    mean = [[padded[r : r + 3, c : c + 3].mean() for c in range(3)] for r in range(3)]
    np.testing.assert_allclose(head.neck(x)[0, 0], mean, rtol=1e-5)  # type: ignore[operator]


@pytest.mark.parametrize(("backbone", "channels"), [("inceptionv3", 768), ("resnet50", 2048), ("vgg16", 512)])
def test_the_published_branches_have_1024_channels(backbone: str, channels: int) -> None:
    with torch.device("meta"):
        model = build(backbone, head="acol", num_classes=200)
    for branch in (model.head.branch_a, model.head.branch_b):
        shapes = [tuple(layer.weight.shape) for layer in branch if isinstance(layer, nn.Conv2d)]
        assert shapes == [(1024, channels, 3, 3), (1024, 1024, 3, 3), (200, 1024, 1, 1)]


def test_a_trunk_without_branches_is_refused() -> None:
    trunk = VGG16(0.125, 16)
    trunk.stage_names = ("one", "two")  # type: ignore[misc]
    with pytest.raises(ParameterError, match="ends in 'two'"):
        build_head(trunk, CLASSES)
