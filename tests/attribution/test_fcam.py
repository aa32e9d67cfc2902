"""F-CAM's maps: probabilities that are scored as they are, and the classifier's own predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wsol.attribution import attribute, load, score_order
from wsol.attribution.extract import extract_maps
from wsol.attribution.postprocess import score_maps
from wsol.attribution.store import read_maps, write_maps
from wsol.errors import ParameterError
from wsol.models import build
from wsol.models.families.fcam import FCam


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    return FCam(build("resnet50", num_classes=4, width=0.125, map_stride=8)).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_maps_are_the_foreground_whatever_the_class(model: Any, images: torch.Tensor) -> None:
    maps, logits = load("fcam").class_maps(model, images)
    scores, _ = model.decode(images)
    assert maps.shape == (3, 4, 64, 64) and maps.stride(1) == 0, "no memory for each class"
    torch.testing.assert_close(maps[:, 2], (1 / (1 + (scores[:, 0] - scores[:, 1]).exp())))
    assert torch.equal(logits, model.classifier(images))
    for targets in ([0, 1, 2], [3, 3, 3]):
        own, own_logits = load("fcam").target_maps(model, images, torch.tensor(targets))
        assert torch.equal(own, maps[:, 0]) and torch.equal(own_logits, logits)
        assert torch.equal(attribute(model, images, torch.tensor(targets), "fcam"), maps[:, 0])


def test_what_it_cannot_do_is_refused(model: Any, images: torch.Tensor) -> None:
    with pytest.raises(ParameterError, match="target 4 is no class of a network with 4 classes"):
        attribute(model, images, torch.tensor([0, 4, 1]), "fcam")
    with pytest.raises(ParameterError, match="head 'cam' and no decoder"):
        attribute(build("resnet50", num_classes=4, width=0.125), images, torch.tensor([0, 1, 2]), "fcam")


def test_it_alone_is_scored_as_it_is_and_not_its_sums() -> None:
    assert score_order("fcam") == "as-is"
    assert score_order("fcam+superset") == "resize-normalize"
    assert {score_order(name) for name in ("cam", "cam+superset", "calm", "fsl")} == {"resize-normalize"}


def test_stored_maps_come_back_unchanged(model: Any, tmp_path: Path) -> None:
    """Through extraction, the store and scoring: the values that the network gave, to the last bit."""

    class Images:
        def batch(self, chosen: np.ndarray) -> np.ndarray:
            return np.random.default_rng(0).integers(0, 256, (7, 64, 64, 3), dtype=np.uint8)[chosen]

    labels = np.array([0, 1, 2, 3, 0, 1, 2])
    request: dict[str, Any] = {"options": {}, "supersets": None, "device": "cpu", "batch_size": 3}
    maps, predictions = extract_maps(model, Images(), labels, attribution="fcam", **request)
    _, plain = extract_maps(model.classifier, Images(), labels, attribution="cam", **request)
    assert np.array_equal(predictions, plain), "classification is the classifier's"
    path = tmp_path / "maps.safetensors"
    ids = [f"{index}.jpg" for index in range(7)]
    write_maps(path, maps, ids, predictions, size=64, order=score_order("fcam"), split="test")
    store = read_maps(path)
    how = store.description["upsampling"]
    scores = score_maps(store.block(2, 5), how["size"], how["order"], how["interpolation"])
    np.testing.assert_array_equal(scores, maps[2:5].astype(np.float64))
    assert scores.min() > 0 and scores.max() < 1, "not min-maxed"


@pytest.mark.parametrize("as_tensor", [False, True])
def test_as_is_changes_nothing_but_what_is_no_probability(as_tensor: bool) -> None:
    maps = np.stack(
        [
            np.linspace(0.2, 0.7, 16).reshape(4, 4),
            np.full((4, 4), 0.25),
            np.linspace(-0.5, 1.5, 16).reshape(4, 4),
            np.where(np.eye(4) > 0, np.nan, 0.5),
        ]
    )
    given: Any = torch.from_numpy(maps) if as_tensor else maps
    found = np.asarray(score_maps(given, 4, "as-is"))
    np.testing.assert_array_equal(found[:3], maps[:3].clip(0, 1))
    assert not found[3].any()
    larger = np.asarray(score_maps(given, 9, "as-is", "bilinear"))
    assert larger.shape == (4, 9, 9)
    np.testing.assert_allclose(larger[1], 0.25, rtol=1e-15)  # a constant map stays
    assert larger[0].min() == pytest.approx(0.2) and larger[0].max() == pytest.approx(0.7)
