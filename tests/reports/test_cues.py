"""The cue table: which scores it asks for, and what it makes of them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from wsol.config.cues import cue_limits, cue_row, cue_settings, load_cues
from wsol.errors import DataError, ParameterError
from wsol.files import write_json
from wsol.reports.cells import ScaleView
from wsol.reports.cues import cue_lines, cues_csv, cues_markdown, pair_lines, pairs_csv, required

DEFINITION: dict[str, Any] = {
    "id": "cues",
    "title": "Cues",
    "source": "A paper",
    "dataset": "CUB",
    "backbones": ["resnet50"],
    "split": "test",
    "differing_parts": [1, 2],
    "rows": [
        {"label": "CAM", "method": "cam", "attribution": "cam", "published": {"1": 24.1, "mean": 29.6}, "note": ""},
        {"label": "EM", "method": "calm_em", "attribution": "calm", "published": {}, "note": "a note"},
    ],
}


def view(**changes: Any) -> ScaleView:
    settings: dict[str, Any] = {
        "name": "tiny",
        "stand_ins": {"CUB": "synthbirds"},
        "backbones": ("vgg16", "resnet50"),
        "methods": frozenset({"cam"}),
        "seeds": (0, 1),
    }
    return ScaleView(**settings | changes)


def write_scores(seed: int, shift: float, groups: tuple[str, ...] = ("1", "2", "mean")) -> None:
    found = {
        name: {"value": 10.0 + shift, "pooled": 9.0, "chance": 5.0, "n_pairs": 3, "n_images": 12, "n_skipped": 1}
        for name in groups
    }
    if "2" in found:
        found["2"] |= {"value": None, "pooled": None}
    common = {name: {"value": 7.0 + shift} for name in found}
    pairs = [
        {"classes": [0, 2], "names": ["wren", "robin"], "parts": ["head"], "n_images": 8, "n_skipped": 1}
        | {"value": 20.0 + shift, "pooled": 20.0},
        {"classes": [1, 2], "names": ["tit", "robin"], "parts": ["head", "wing"], "n_images": 0, "n_skipped": 9}
        | {"value": None, "pooled": None},
    ]
    document = {"groups": found, "common": common, "pairs": pairs}
    write_json(f"results/tiny/cues/synthbirds/resnet50/cam/s{seed}/cam.json", document)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "definition" not in request.node.name:
        monkeypatch.chdir(tmp_path)
        for seed in (0, 1):
            Path(f"results/tiny/cues/synthbirds/resnet50/cam/s{seed}").mkdir(parents=True)


def test_what_the_scale_measures_is_asked_for() -> None:
    files = [f"results/tiny/cues/synthbirds/resnet50/cam/s{seed}/cam.json" for seed in (0, 1)]
    assert required(DEFINITION, view()) == {("resnet50", "cam", "cam"): files}
    assert required(DEFINITION, view(stand_ins={})) == {}
    assert required(DEFINITION, view(backbones=("vgg16",))) == {}


def test_values_are_means_over_seeds_and_gaps_say_why() -> None:
    write_scores(0, 0.0)
    write_scores(1, 2.0)
    rows = list(csv.DictReader(io.StringIO(cues_csv(cue_lines(DEFINITION, view())))))
    assert [(r["label"], r["differing_parts"], r["status"]) for r in rows] == [
        ("CAM", "1", "measured"),
        ("CAM", "2", "missing"),
        ("CAM", "mean", "measured"),
        *(("EM", group, "missing") for group in ("1", "2", "mean")),
    ]
    first = rows[0]
    assert (first["value"], first["std"], first["n_seeds"], first["pooled"]) == ("11.0", "1.414214", "2", "9.0")
    assert (first["n_pairs"], first["n_images"], first["n_skipped"]) == ("3", "12", "1")
    assert (first["published"], rows[1]["published"], rows[2]["published"]) == ("24.1", "", "29.6")
    assert rows[1]["value"] == rows[1]["pooled"] == ""
    assert (first["common"], rows[1]["common"]) == ("8.0", "")
    absent = cue_lines(DEFINITION, view(stand_ins={}))
    assert {line.status for line in absent} == {"not-in-scale"} and {line.dataset for line in absent} == {""}


def test_every_pair_has_a_line() -> None:
    write_scores(0, 0.0)
    assert pair_lines(DEFINITION, view()) == [], "a seed is missing"
    write_scores(1, 2.0)
    rows = list(csv.DictReader(io.StringIO(pairs_csv(pair_lines(DEFINITION, view())))))
    assert [(r["label"], r["name_a"], r["name_b"], r["parts"], r["differing_parts"]) for r in rows] == [
        ("CAM", "wren", "robin", "head", "1"),
        ("CAM", "tit", "robin", "head+wing", "2"),
    ]
    assert [(r["value"], r["n_seeds"], r["n_images"], r["n_skipped"]) for r in rows] == [
        ("21.0", "2", "8", "1"),
        ("", "0", "0", "9"),
    ]


def test_one_seed_has_no_spread_and_a_missing_seed_no_value() -> None:
    write_scores(0, 0.0)
    assert cue_lines(DEFINITION, view())[0].status == "missing"
    line = cue_lines(DEFINITION, view(seeds=(0,)))[0]
    assert (line.value, line.std, line.n_seeds) == (10.0, None, 1)
    write_scores(0, 0.0, groups=("1",))
    with pytest.raises(DataError, match="has no group"):
        cue_lines(DEFINITION, view(seeds=(0,)))


def test_the_page_says_what_was_left_out() -> None:
    write_scores(0, 0.0)
    lines = cue_lines(DEFINITION, view(seeds=(0,)))
    page = cues_markdown(DEFINITION, lines, view(seeds=(0,)), {"images_per_class": 2, "pairs": 5})
    assert "| CAM | resnet50 | 10.0 | missing | 10.0 | 7.0 | 5.0 | 9.0 | 3 | 12 | 1 |" in page
    assert "first 2 test images of each class and at most 5 pairs" in page and "EM: a note." in page
    assert "| CAM | 24.1 |  | 29.6 |" in page and "not to be subtracted" in page
    whole = cues_markdown(DEFINITION, lines, view(is_paper=True), {"images_per_class": None, "pairs": None})
    assert "All pairs, and all test images" in whole and "not to be subtracted" not in whole


def test_the_definition_of_this_project() -> None:
    assert len(load_cues()["rows"]) == 9
    assert cue_limits("paper") == {"images_per_class": None, "pairs": None}
    costly = cue_settings("demo", "synthbirds", "cam", "smoothgrad")
    cheap = cue_settings("demo", "synthbirds", "cam", "cam")
    assert costly["images_per_class"] is not None and cheap["images_per_class"] is None
    assert costly["common"] == cheap["common"] == {"images_per_class": 2, "pairs": 5}
    assert "published" not in costly and "label" not in costly, "a printed value must not make a job run again"
    assert cue_settings("demo", "synthbirds", "cam", "integrated_gradients_released")["options"] == {"reference": True}
    with pytest.raises(ParameterError, match="no row of method 'cam' with attribution 'calm'"):
        cue_row("cam", "calm")
