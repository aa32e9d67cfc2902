"""A search through the workflow: from draws to their figure, and from adopted values to the training that has them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.system

FOLDER = "results/smoke/search/{dataset}/resnet50/cam"
DATASETS = ("synthbirds", "synthobjects", "synthnet")
FIGURE = "reports/smoke/figures/search_learning_rate"
SETTINGS = "results/smoke/params/train/synthbirds/resnet50/cam.json"
HAND, DRAWN = "1", "0"


def rewrite(path: Path, change: Any) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def one_draw_beside_the_values_that_are_there(scale: dict[str, Any]) -> None:
    scale["search"] = {"draws": 1, "own_values": True}


def cam_alone(curves: dict[str, Any]) -> None:
    figure = curves["curves"]["search_learning_rate"]
    figure["rows"] = [row for row in figure["rows"] if row["label"] == "CAM"]


def test_what_a_figure_of_draws_needs_is_searched_and_what_is_adopted_trains_its_cell_alone(spoilt: Any) -> None:
    root: Path = spoilt.root
    rewrite(root / "params/scales/smoke.yaml", one_draw_beside_the_values_that_are_there)
    rewrite(root / "params/papers/protocol/curves.yaml", cam_alone)
    by_hand = json.loads((root / SETTINGS).read_text(encoding="utf-8"))["hyperparameters"]["learning_rate"]

    spoilt.build(f"{FIGURE}.png")
    assert (root / f"{FIGURE}.png").read_bytes()[:4] == b"\x89PNG"
    assert (root / f"{FIGURE}.pdf").read_bytes()[:4] == b"%PDF"
    for dataset in DATASETS:
        folder = root / FOLDER.format(dataset=dataset)
        with (folder / "draws.csv").open(encoding="utf-8", newline="") as stream:
            draws = {line["draw"]: line for line in csv.DictReader(stream)}
        assert draws.keys() == {DRAWN, HAND}
        if dataset == "synthbirds":
            assert float(draws[HAND]["learning_rate"]) == by_hand
            assert float(draws[DRAWN]["learning_rate"]) != by_hand
        best = min(draws, key=lambda number: int(draws[number]["rank"]))
        chosen = json.loads((folder / "chosen.json").read_text(encoding="utf-8"))
        assert chosen["values"] == {"learning_rate": float(draws[best]["learning_rate"])}
    assert spoilt.verify()["problems"] == []
    assert spoilt.plan("reports/tableB.csv").jobs == set(), "a search that nobody adopted changes no table"

    spoilt.wsol("search.adopt", "smoke", "synthbirds", "resnet50", "cam")
    adopted = root / "params/searched/smoke/synthbirds.resnet50.cam.yaml"
    # Whichever of the two was chosen, the user may have another mind; so the plan does not hang on the outcome.
    rewrite(adopted, lambda content: content["set"].update(learning_rate=0.0123))
    plan = spoilt.plan("reports/tableB.csv")
    assert {job for job in plan.jobs if job.startswith("train_")} == {"train_model synthbirds/resnet50/cam/0"}
    measured = {job for job in plan.jobs if job.startswith(("extract_maps", "score_maps"))}
    assert measured and all(" synthbirds/resnet50/cam/0/" in job for job in measured)
    assert json.loads((root / SETTINGS).read_text(encoding="utf-8"))["hyperparameters"]["learning_rate"] == 0.0123
    assert spoilt.plan(f"{FIGURE}.png").jobs == set(), "a search does not hang on what it found"
