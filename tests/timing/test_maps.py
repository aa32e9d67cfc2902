"""What is timed is a map of the image's size, on untrained networks; what is too long is not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from wsol.config.names import all_scales
from wsol.config.paths import parameters_path
from wsol.config.resolve import settings_of
from wsol.config.scale import load_scale
from wsol.config.timing import timed_backbones, timing_settings
from wsol.errors import ParameterError
from wsol.timing.maps import full_size, time_maps

ROW = {"decoder": False, "baseline": False, "passes": None, "options": {}}
SETTINGS: dict[str, Any] = {
    "image_size": 32,
    "network": {"backbone": "resnet50", "num_classes": 5, "width": 0.125, "map_stride": 8},
    "repeats": 2,
    "warmups": 1,
    "limit": 300,
    "rows": [
        {**ROW, "label": "CAM*", "head": "cam", "attribution": "cam", "baseline": True},
        {**ROW, "label": "ACoL", "head": "acol", "attribution": "cam"},
        {**ROW, "label": "slow", "head": "cam", "attribution": "cam", "passes": 1},
    ],
}


def test_every_row_is_timed_as_often_as_asked_and_the_network_is_counted() -> None:
    state = torch.get_rng_state()
    done: list[float] = []
    found = time_maps(SETTINGS, "cpu", done.append)
    assert torch.equal(torch.get_rng_state(), state)
    assert {label: len(row["seconds"]) for label, row in found["rows"].items()} == {"CAM*": 2, "ACoL": 2, "slow": 1}
    assert all(time > 0 for row in found["rows"].values() for time in row["seconds"] + row["paper_seconds"])
    assert found["rows"]["slow"]["estimate"] > 0
    assert done == pytest.approx([2 / 3, 1])
    assert list(found["rows"]) == ["CAM*", "ACoL", "slow"]
    network = found["network"]
    from wsol.models import build

    model = build("resnet50", head="cam", num_classes=5, width=0.125, map_stride=8)
    assert network["classifier_parameters"] == sum(each.numel() for each in model.parameters())
    shape = network["feature_maps"], network["map_height"], network["map_width"]
    assert shape == tuple(model.features(torch.zeros(1, 3, 32, 32)).shape[1:])
    assert network["decoder_parameters"] is None


def test_a_costly_row_beyond_the_limit_is_estimated_and_not_run() -> None:
    rows = [{**SETTINGS["rows"][2], "attribution": "cam", "passes": 35}]
    found = time_maps({**SETTINGS, "rows": rows, "limit": 1e-9}, "cpu")["rows"]["slow"]
    assert found["seconds"] == found["paper_seconds"] == []
    assert found["estimate"] > 1e-9


def test_a_small_map_is_brought_to_the_images_size_and_a_large_one_stays() -> None:
    ramp = torch.tensor([[[0.0, 4.0]]]).expand(1, 2, 2)
    large = full_size(ramp, 4)
    assert large.shape == (1, 4, 4)
    assert large[0, 0].tolist() == pytest.approx([0, 1, 3, 4])
    assert full_size(large, 4) is large


@pytest.mark.parametrize("scale", sorted(set(all_scales()) - {"photos"}))
def test_settings_are_those_of_the_scale_with_the_papers_maps(scale: str) -> None:
    view = load_scale(scale)
    assert set(timed_backbones(scale)) == set(view.backbones)
    for backbone in timed_backbones(scale):
        settings = timing_settings(scale, backbone)
        assert settings["image_size"] == view.image_size
        assert settings["network"] == {
            "backbone": backbone,
            "num_classes": 200,
            "width": view.settings["backbones"][backbone].get("width", 1.0),
            "map_stride": 8,
        }
        labels = [row["label"] for row in settings["rows"]]
        assert {"CAM*", "ACoL", "SPG", "ADL"} <= set(labels)
        assert all(Path(f"src/wsol/attribution/{row['attribution']}.py").is_file() for row in settings["rows"])
    for name in ("repeats", "limit"):
        assert timing_settings("smoke", "resnet50")[name] < timing_settings("demo", "resnet50")[name]


def test_a_backbone_that_is_not_of_the_scale_is_refused() -> None:
    with pytest.raises(ParameterError, match="'vgg16' is not timed at scale demo"):
        timing_settings("demo", "vgg16")


def test_a_timing_has_resolved_settings_like_any_job() -> None:
    assert settings_of(parameters_path("smoke", "timing", "vgg16")) == timing_settings("smoke", "vgg16")
    with pytest.raises(ParameterError, match="'vgg19' is not timed"):
        settings_of(parameters_path("smoke", "timing", "vgg19"))
