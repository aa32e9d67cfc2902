"""Maps and predictions of a split: against one image at a time."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from wsol.attribution.extract import extract_maps
from wsol.attribution.superset import aggregate
from wsol.data.transforms import normalise
from wsol.errors import DataError, ParameterError
from wsol.models import build

COUNT, SIDE = 13, 32


class Images:
    def __init__(self) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)

    def batch(self, indices: np.ndarray) -> np.ndarray:
        return self.pixels[indices]


def network(classes: int) -> Any:
    torch.manual_seed(0)
    return build("resnet50", num_classes=classes, width=0.125, map_stride=8)


def extract(model: Any, classes: int, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    chosen = {"attribution": "cam", "options": {}, "supersets": None, "device": torch.device("cpu"), **options}
    return extract_maps(model, Images(), np.arange(COUNT) % classes, **chosen)


class Fixed(nn.Module):
    """The same logits for every image, or a row an image."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.values = torch.tensor(logits)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :1, :4, :4]

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        return self.values.expand(len(features), -1)

    def class_maps(self, features: torch.Tensor) -> torch.Tensor:
        return features.expand(-1, len(self.values), -1, -1) * torch.arange(1, len(self.values) + 1).view(-1, 1, 1)


def test_maps_and_predictions_are_those_of_each_image_alone() -> None:
    model = network(7).train()
    maps, predictions = extract(model, 7, batch_size=5)
    assert maps.shape == (COUNT, 4, 4) and maps.dtype == np.float32
    assert predictions.shape == (COUNT, 5) and predictions.dtype == np.int32
    model.eval()
    for index in range(COUNT):
        with torch.no_grad():
            pixels = normalise(torch.from_numpy(Images().pixels[index : index + 1]))
            features = model.features(pixels)
            logits = model.logits(features)[0].numpy()
            expected = model.class_maps(features)[0, index % 7].numpy()
        np.testing.assert_allclose(maps[index], expected, rtol=1e-4, atol=1e-5)
        assert predictions[index].tolist() == np.argsort(-logits)[:5].tolist()


@pytest.mark.parametrize("attribution", ["cam", "cam+superset"])
def test_the_batch_size_does_not_matter(attribution: str) -> None:
    model = network(6)
    supersets = [[0, 1], [0, 1], [2], [3, 4, 5], [3, 4, 5], [3, 4, 5]] if "+" in attribution else None
    whole_maps, whole_predictions = extract(model, 6, attribution=attribution, supersets=supersets, batch_size=64)
    for batch_size in (1, 4, COUNT):
        maps, predictions = extract(model, 6, attribution=attribution, supersets=supersets, batch_size=batch_size)
        np.testing.assert_allclose(maps, whole_maps, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(predictions, whole_predictions)


def test_an_aggregation_takes_the_superset_of_each_images_class() -> None:
    model = network(6)
    supersets = [[0, 1], [0, 1], [2], [3, 4, 5], [3, 4, 5], [3, 4, 5]]
    maps, predictions = extract(model, 6, attribution="cam+superset", supersets=supersets, batch_size=4)
    with torch.no_grad():
        features = model.eval().features(normalise(torch.from_numpy(Images().pixels)))
        every = model.class_maps(features)
    for index in range(COUNT):
        members = torch.zeros(1, 6, dtype=torch.bool)
        members[0, supersets[index % 6]] = True
        expected = aggregate(every[index : index + 1], members)[0].numpy()
        np.testing.assert_allclose(maps[index], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(predictions, extract(model, 6)[1])


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([1, 3, 3, 0, 3, 2, 1], [1, 2, 4, 5, 0]),
        ([0, 0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4]),
        ([-1, -1, 5, -1, -1, -1], [2, 0, 1, 3, 4]),
        ([1, 2, 2], [1, 2, 0, -1, -1]),
        ([4], [0, -1, -1, -1, -1]),
    ],
)
def test_ties_go_to_the_lower_class_and_few_classes_are_padded(logits: list[float], expected: list[int]) -> None:
    _, predictions = extract(Fixed([float(value) for value in logits]), len(logits), batch_size=6)
    assert predictions.tolist() == [expected] * COUNT


def test_progress_ends_at_one() -> None:
    fractions: list[float] = []
    extract(Fixed([0.0, 1.0]), 2, batch_size=5, progress=fractions.append)
    assert fractions == pytest.approx([5 / 13, 10 / 13, 1.0])


def test_an_aggregation_without_supersets_is_refused() -> None:
    with pytest.raises(ParameterError, match="aggregation 'superset' needs the supersets"):
        extract(Fixed([0.0, 1.0]), 2, attribution="cam+superset")


@pytest.mark.parametrize(
    ("supersets", "message"),
    [
        ([[0, 1], [0, 1], [0]], r"class 2 is not in its own superset \[0\]"),
        ([[0], [], [2]], "class 1 is not in its own superset"),
        ([[0], [1, 3], [2]], r"superset of class 1 names class 3, but there are 3"),
        ([[0], [-1, 1], [2]], r"superset of class 1 names class -1, but there are 3"),
    ],
)
def test_broken_supersets_are_refused(supersets: list[list[int]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        extract(Fixed([0.0, 1.0, 2.0]), 3, attribution="cam+superset", supersets=supersets)


def test_supersets_of_another_number_of_classes_are_refused() -> None:
    with pytest.raises(DataError, match="supersets of 2 classes, the network has 3"):
        extract(Fixed([0.0, 1.0, 2.0]), 2, attribution="cam+superset", supersets=[[0], [1]])


def test_options_reach_the_attribution(monkeypatch: pytest.MonkeyPatch) -> None:
    def class_maps(model: Any, images: torch.Tensor, gain: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
        features = model.features(images)
        return gain * model.class_maps(features), model.logits(features)

    monkeypatch.setitem(sys.modules, "wsol.attribution.amplified", SimpleNamespace(class_maps=class_maps))
    model = network(3)
    plain, louder = (
        extract(model, 3, attribution=name, options=options)[0]
        for name, options in (("cam", {}), ("amplified", {"gain": 4.0}))
    )
    np.testing.assert_allclose(louder, 4 * plain, rtol=1e-6)


def test_extraction_leaves_no_gradients_behind() -> None:
    model = network(3)
    extract(model, 3)
    assert torch.is_grad_enabled() and all(parameter.grad is None for parameter in model.parameters())


def test_an_attribution_without_code_is_refused() -> None:
    with pytest.raises(ParameterError, match="attribution 'gradcam2' has no code"):
        extract(Fixed([0.0, 1.0]), 2, attribution="gradcam2")
    with pytest.raises(ParameterError, match="attribution 'nosuch' has no code"):
        extract(Fixed([0.0, 1.0]), 2, attribution="cam+nosuch", supersets=[[0], [1]])
