"""The training methods that scale smoke leaves out of its list, asked for by path: each trains, maps and is scored."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

pytestmark = pytest.mark.system

# Every data set twice, both backbones three times.
CELLS = {
    "has": "synthbirds/resnet50",
    "acol": "synthobjects/vgg16",
    "spg": "synthnet/resnet50",
    "adl": "synthbirds/vgg16",
    "cutmix": "synthobjects/resnet50",
    "inca": "synthnet/vgg16",
}
# Test images of a data set: classes × images a class.
IMAGES = {"synthbirds": 6 * 4, "synthobjects": 4 * 4, "synthnet": 8 * 4}


def test_the_remaining_methods_run_from_the_common_start(spoilt: Any) -> None:
    scores = {method: f"results/smoke/scores/{place}/{method}/s0/cam.test.json" for method, place in CELLS.items()}
    plan = spoilt.plan(*scores.values())
    assert plan.jobs == {
        f"{rule} {place}/{method}/0{maps}"
        for method, place in CELLS.items()
        for rule, maps in (("train_model", ""), ("extract_maps", "/cam"), ("score_maps", "/cam"))
    }, "the classifier that they start from is there already"
    spoilt.build(*scores.values())
    for method, path in scores.items():
        found = json.loads((spoilt.root / path).read_text(encoding="utf-8"))
        dataset = CELLS[method].split("/")[0]
        assert found["n_images"] == IMAGES[dataset], method
        assert found["values"] and all(math.isfinite(value) for value in found["values"].values()), method
        assert 0 < found["values"][found["headline_metric"]] <= 100, method
        assert found["counts"]["constant_maps"] == found["counts"]["nan_maps"] == 0, method
    assert spoilt.verify()["problems"] == []
