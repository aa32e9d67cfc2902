"""Scales: what they offer, and what is refused in them."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from wsol.config import paths
from wsol.config.dataset import load_dataset
from wsol.config.method import load_method
from wsol.config.names import all_scales
from wsol.config.paths import Cell
from wsol.config.scale import load_config, load_scale
from wsol.errors import ParameterError

REPO = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("checkout")


def edit(name: str, change: Callable[[Any], None]) -> None:
    """Change a parameter file as data, so that no test depends on the values that the project has just now."""
    path = Path("params") / name
    value = yaml.safe_load(path.read_text())
    before = copy.deepcopy(value)
    change(value)
    assert value != before
    path.write_text(yaml.safe_dump(value, sort_keys=False))


def setting(*path: str | int, value: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


def test_the_configured_scale_exists() -> None:
    assert load_config()["scale"] in all_scales()


def test_the_scales_of_the_design_exist() -> None:
    assert {"smoke", "demo", "small", "photos", "full", "paper"} <= set(all_scales())
    assert [name for name in all_scales() if load_scale(name).settings["is_paper"]] == ["paper"]


@pytest.mark.parametrize("name", sorted(path.stem for path in (REPO / "params/scales").glob("*.yaml")))
def test_stand_ins_and_data_sets_of_a_scale_fit_together(name: str) -> None:
    view = load_scale(name)
    for paper_name, dataset in view.stand_ins.items():
        settings = load_dataset(dataset)
        assert settings["localisation"] == ("masks" if paper_name == "OpenImages" else "boxes")
    for dataset in view.datasets:
        options = view.settings["datasets"][dataset]
        synthetic = load_dataset(dataset)["source"]["kind"] == "synthetic"
        assert ({"classes", "seed", "images_per_class"} <= set(options)) == synthetic, (
            "a synthetic data set needs classes, seed and counts; a real one has its own"
        )


def test_cells_of_a_trained_method_are_all_combinations_and_of_a_still_one_one_a_data_set() -> None:
    view = load_scale("small")
    trained = view.cells("cam")
    assert len(set(trained)) == len(trained)
    measured = ("synthbirds", "synthobjects", "synthnet")
    assert {(cell.dataset, cell.backbone, cell.seed) for cell in trained} == {
        (dataset, backbone, seed) for dataset in measured for backbone in view.backbones for seed in view.seeds
    }
    assert {(cell.dataset, cell.backbone, cell.seed) for cell in view.cells("center")} == {
        (dataset, "none", 0) for dataset in measured
    }


@pytest.mark.parametrize("name", sorted(path.stem for path in (REPO / "params/scales").glob("*.yaml")))
def test_the_papers_data_sets_are_benchmarks_and_data_for_first_weights_are_in_no_cell(name: str) -> None:
    view = load_scale(name)
    own = [dataset for dataset, options in view.settings["datasets"].items() if options["methods"] is not None]
    assert set(view.stand_ins.values()) <= set(view.benchmarks)
    assert set(view.benchmarks).isdisjoint(own) and {*view.benchmarks, *own} == set(view.datasets)
    assert {cell.dataset for method in view.methods for cell in view.cells(method)} == set(view.benchmarks)


def test_a_data_set_named_for_a_method_stays_a_data_set_of_the_scale() -> None:
    assert load_scale("smoke").benchmarks == ["synthbirds", "synthobjects", "synthnet"]
    edit("scales/smoke.yaml", setting("datasets", "synthnet", "methods", value=["cam"]))
    load_scale.cache_clear()
    view = load_scale("smoke")
    assert "synthnet" in view.datasets and view.benchmarks == ["synthbirds", "synthobjects"]
    assert {cell.dataset for cell in view.cells("cam")} == {"synthbirds", "synthobjects"}, "no table measures it"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("methods", "all", "not valid under any"),
        ("methods", [], "not valid under any"),
        ("threads", 0, "0 is less than the minimum of 1"),
    ],
)
def test_options_of_a_data_set_that_make_no_sense_are_refused(option: str, value: object, message: str) -> None:
    edit("scales/smoke.yaml", setting("datasets", "synthmix", option, value=value))
    with pytest.raises(ParameterError, match=rf"smoke\.yaml: at datasets\.synthmix\.{option}.*{message}"):
        load_scale("smoke")


def test_methods_are_all_or_those_that_are_named() -> None:
    edit("scales/smoke.yaml", lambda value: value.update(methods="all", purpose="x"))
    assert {"cam", "center"} <= set(load_scale("smoke").methods)
    edit("scales/demo.yaml", setting("methods", value=["center"]))
    assert load_scale("demo").methods == ["center"]
    edit("scales/small.yaml", setting("methods", value=["cam", "cma"]))
    with pytest.raises(ParameterError, match=r"small\.yaml: method 'cma' has no params/methods/cma\.yaml; .* cam,"):
        assert load_scale("small").methods


def test_what_a_table_sees_of_a_scale_does_not_change_with_sizes_and_seeds_of_data() -> None:
    before = load_scale("smoke").as_view_settings()
    edit("scales/smoke.yaml", setting("image_size", value=56))
    edit("scales/smoke.yaml", setting("datasets", "synthbirds", "seed", value=3))
    load_scale.cache_clear()
    assert load_scale("smoke").as_view_settings() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting("name", value="smok"), "name is 'smok'; it must be the file's name"),
        (setting("image_size", value=2000), r"resize \d+ is below image_size 2000"),
        (setting("stand_ins", "CUB", value="synthscenes"), "stand_ins names 'synthscenes', which is not in datasets"),
        (setting("seeds", value=[]), "at seeds"),
        (setting("seeds", value=[0, 0]), "at seeds"),
        (setting("threads", value=0), "at threads: 0 is less than the minimum of 1"),
        (
            setting("backbones", "resnet50", "map_stride", value=4),
            r"at backbones\.resnet50\.map_stride: 4 is not one of",
        ),
        (
            setting("datasets", "synthnet", "clases", value=4),
            r"unknown key 'clases' at datasets\.synthnet; .*'classes'",
        ),
    ],
)
def test_a_scale_that_makes_no_sense_is_refused(change: Callable[[Any], None], message: str) -> None:
    edit("scales/smoke.yaml", change)
    with pytest.raises(ParameterError, match=rf"smoke\.yaml: .*{message}"):
        load_scale("smoke")


def test_a_data_set_cannot_change_a_backbone_that_the_scale_does_not_have() -> None:
    edit("scales/smoke.yaml", setting("datasets", "synthnet", "backbones", value={"resnet5": {"map_stride": 8}}))
    with pytest.raises(
        ParameterError, match=r"smoke\.yaml: data set 'synthnet' changes backbone 'resnet5', which is not"
    ):
        load_scale("smoke")


def test_files_must_carry_their_names() -> None:
    edit("methods/cam.yaml", setting("name", value="camp"))
    edit("datasets/CUB.yaml", setting("name", value="cub"))
    with pytest.raises(ParameterError, match=r"cam\.yaml: name is 'camp'"):
        load_method("cam")
    with pytest.raises(ParameterError, match=r"CUB\.yaml: name is 'cub'"):
        load_dataset("CUB")
    with pytest.raises(ParameterError, match=r"huge\.yaml: no such parameter file; there is .*smoke"):
        load_scale("huge")


def test_paths_follow_one_grammar_and_no_two_artefacts_share_one() -> None:
    cell = Cell("demo", "synthnet", "resnet50", "cam", 3)
    assert paths.checkpoint_path(cell) == "results/demo/checkpoints/synthnet/resnet50/cam/s3/model.safetensors"
    assert paths.checkpoint_path(cell, "best").endswith("/s3/best.safetensors")
    assert paths.maps_path(cell, "cam+superset", "test") == (
        "results/demo/maps/synthnet/resnet50/cam/s3/cam+superset.test.safetensors"
    )
    assert paths.score_path(cell, "cam", "train-fullsup") == (
        "results/demo/scores/synthnet/resnet50/cam/s3/cam.train-fullsup.json"
    )
    assert paths.manifest_path("demo", "synthnet", "test") == "data/demo/synthnet/test.parquet"
    assert paths.supersets_path("demo", "synthnet") == "results/demo/supersets/synthnet/supersets.json"
    assert cell.as_dict() == {
        "scale": "demo",
        "dataset": "synthnet",
        "backbone": "resnet50",
        "method": "cam",
        "seed": 3,
    }
    made = []
    for name in all_scales():
        view = load_scale(name)
        for method in view.methods:
            for cell in view.cells(method):
                made += [paths.checkpoint_path(cell)]
                for attribution in load_method(method)["attributions"]:
                    made += [paths.maps_path(cell, attribution, split) for split in paths.EVALUATED_SPLITS]
                    made += [paths.score_path(cell, attribution, split) for split in paths.EVALUATED_SPLITS]
    assert len(set(made)) == len(made)
    layer = re.compile(r"results/[a-z0-9_]+/(checkpoints|maps|scores)/")
    assert all(layer.match(path) for path in made), "layer first: a DVC stage owns one folder"
