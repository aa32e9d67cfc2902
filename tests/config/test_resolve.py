"""From parameter files to the settings of one job: layering, completeness, and that an edit touches what it names."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wsol.config import method as method_files
from wsol.config import paths, resolve
from wsol.config.dataset import load_dataset, load_metric
from wsol.config.method import load_method
from wsol.config.names import all_scales, available_methods
from wsol.config.resolve import ExpectedTexts, hyperparameters, materialise, settings_of
from wsol.config.scale import load_scale
from wsol.errors import ParameterError
from wsol.files import canonical_json
from wsol.testing.parameters import forget

REPO = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("checkout")


def edit(name: str, change: Callable[[str], str]) -> None:
    path = Path("params") / name
    before = path.read_text()
    after = change(before)
    assert after != before, "the edit must change something"
    path.write_text(after)
    forget()


def resolved_paths() -> list[str]:
    """Every resolved file that a workflow can ask for, at every scale."""
    found = []
    for name in all_scales():
        view = load_scale(name)
        found += [paths.parameters_path(name, "data", dataset) for dataset in view.datasets]
        found += [paths.parameters_path(name, "supersets", dataset) for dataset in view.datasets]
        found += [paths.parameters_path(name, "scores", dataset) for dataset in view.datasets]
        found += [paths.parameters_path(name, "reports", "tableB"), f"results/{name}/params/environment.json"]
        for method in view.methods:
            settings = load_method(method)
            found += [paths.parameters_path(name, "maps", f"{method}/{a}") for a in settings["attributions"]]
            if settings["trained"]:
                cells = {f"{cell.dataset}/{cell.backbone}/{cell.method}" for cell in view.cells(method)}
                found += [paths.parameters_path(name, "train", cell) for cell in sorted(cells)]
        for dataset, options in view.settings["datasets"].items():
            own = [f"{dataset}/{backbone}/{m}" for m in options["methods"] or [] for backbone in view.backbones]
            found += [paths.parameters_path(name, "train", cell) for cell in own]
    return found


def snapshot() -> dict[str, str]:
    return {path: canonical_json(settings_of(path)) for path in resolved_paths()}


def changed(before: dict[str, str]) -> set[str]:
    after = snapshot()
    assert after.keys() == before.keys()
    return {path for path in after if after[path] != before[path]}


# --- everything resolves ------------------------------------------------------------------------------------------


def test_every_cell_of_every_scale_resolves_to_settings_that_json_can_hold() -> None:
    texts = snapshot()
    assert {path.split("/")[1] for path in texts} == {path.stem for path in (REPO / "params/scales").glob("*.yaml")}
    for path, text in texts.items():
        assert json.loads(text) == settings_of(path), path


def test_train_settings_hold_what_a_training_depends_on() -> None:
    settings = settings_of("results/smoke/params/train/synthbirds/vgg16/cam.json")
    view = load_scale("smoke").settings
    assert settings["architecture"] == view["backbones"]["vgg16"]
    assert all(settings[name] == view[name] for name in ("image_size", "resize", "threads"))
    assert (settings["attribution"], settings["attribution_options"]) == ("cam", {})
    assert set(settings["selection"]["metrics"]) == {"boxes"}
    assert settings["selection"]["headline_metric"] == "MaxBoxAccV2"
    assert {key: settings[key] for key in ("scale", "dataset", "backbone", "method")} == {
        "scale": "smoke",
        "dataset": "synthbirds",
        "backbone": "vgg16",
        "method": "cam",
    }


@pytest.mark.parametrize("name", sorted(path.stem for path in (REPO / "params/datasets").glob("*.yaml")))
def test_the_metric_that_selects_an_epoch_gives_the_headline_number_without_predictions(name: str) -> None:
    from wsol.metrics.evaluate import metric_type

    dataset = load_dataset(name)
    selecting = metric_type(dataset["metrics"][0])
    assert set(selecting.needs) == {dataset["localisation"]}
    expected = {"boxes": "MaxBoxAccV2", "masks": "PxAP"}
    assert dataset["headline_metric"] == expected[dataset["metrics"][0]]
    for metric in dataset["metrics"]:
        assert load_metric(metric)["parameters"]


def test_every_job_of_a_resolved_cell_has_code() -> None:
    from wsol.config import roots
    from wsol.provenance.closure import code_closure

    asked: set[tuple[str, ...]] = {tuple(roots.render_roots()), tuple(roots.table_roots())}
    for name in all_scales():
        view = load_scale(name)
        for dataset in view.datasets:
            asked |= {
                tuple(roots.score_roots(dataset)),
                tuple(roots.manifest_roots(load_dataset(dataset)["reader"])),
            }
        for method in view.methods:
            for attribution in load_method(method)["attributions"]:
                for cell in view.cells(method):
                    if cell.backbone == paths.NO_BACKBONE:
                        asked.add(tuple(roots.image_free_map_roots(method)))
                        continue
                    asked.add(tuple(roots.map_roots(cell.backbone, method, attribution)))
                    asked.add(tuple(roots.train_roots(cell.dataset, cell.backbone, method, attribution)))
    for modules in asked:
        files = code_closure(*modules)
        # Or a new key of a scale would train everything anew.
        assert "src/wsol/config/scale.py" not in files, modules
        for module in modules:
            stem = f"src/{module.replace('.', '/')}"
            assert f"{stem}.py" in files or f"{stem}/__init__.py" in files, module


def test_settings_of_one_cell_are_not_shared_with_another() -> None:
    first = settings_of("results/smoke/params/train/synthbirds/resnet50/cam.json")
    text = canonical_json(first)
    first["hyperparameters"]["epochs"] = 99
    assert canonical_json(settings_of("results/smoke/params/train/synthbirds/resnet50/cam.json")) == text


# --- an edit touches what it names --------------------------------------------------------------------------------


def test_one_learning_rate_changes_one_file() -> None:
    before = snapshot()
    edit("methods/has.yaml", lambda text: text.replace("1.42891848e-3", "1.42891849e-3"))
    assert changed(before) == {"results/paper/params/train/CUB/vgg16/has.json"}


def test_a_parents_learning_rate_changes_the_children_that_have_none_of_their_own() -> None:
    before = snapshot()
    edit("methods/cam.yaml", lambda text: text.replace("1.268269e-5", "1.268270e-5"))
    # Every other method of the paper has a rate of its own there; InCA's and F-CAM's give none.
    heirs = ("cam", "inca", *(name for name in available_methods() if name.startswith("cam_best_by_")))
    assert changed(before) == {f"results/paper/params/train/CUB/vgg16/{name}.json" for name in heirs}


def test_a_layer_of_some_scales_changes_their_cells_alone() -> None:
    before = snapshot()
    layer = "  - {source: test, when: {scale: [smoke, photos]}, set: {momentum: 0.123}}\n"
    edit("methods/has.yaml", lambda text: text + layer)
    assert changed(before) == set(), "neither scale has this method"
    edit("methods/cam.yaml", lambda text: text + layer)
    touched = changed(before)
    assert touched
    apart = {f"{name}.json" for name in available_methods() if load_method(name)["code"] == "fcam"}
    assert touched == {
        path
        for path in before
        if path.split("/")[3] == "train" and path.split("/")[1] in ("smoke", "photos") and Path(path).name not in apart
    }, "and those of the methods that inherit, which F-CAM's do not"


def test_a_stride_of_one_data_set_changes_its_cells_alone() -> None:
    data = "{classes: 4, seed: 0, images_per_class: {train-weaksup: 2, train-fullsup: 2, test: 2}}"

    def scale_file(extra: str = "") -> str:
        return (
            "{name: toy, purpose: x, image_size: 64, resize: 72, threads: 1, stand_ins: {},\n"
            " methods: [cam], seeds: [0],\n"
            f" datasets: {{synthnet: {data}, synthbirds: {data[:-1]}{extra}}}}},\n"
            " backbones: {resnet50: {map_stride: 16}, vgg16: {map_stride: 16}}}\n"
        )

    Path("params/scales/toy.yaml").write_text(scale_file())
    recipe = canonical_json(hyperparameters("cam", "smoke", "synthnet", "resnet50"))
    edit("methods/cam.yaml", lambda text: text + "  - {source: t, when: {scale: toy}, set: " + recipe.strip() + "}\n")
    before = snapshot()
    edit("scales/toy.yaml", lambda text: scale_file(", backbones: {resnet50: {map_stride: 8}}"))
    assert changed(before) == {"results/toy/params/train/synthbirds/resnet50/cam.json"}
    settings = settings_of("results/toy/params/train/synthbirds/resnet50/cam.json")
    assert settings["architecture"] == {"width": 1.0, "map_stride": 8, "pretrained": None}
    assert settings_of("results/toy/params/train/synthbirds/vgg16/cam.json")["architecture"]["map_stride"] == 16


def test_an_aggregation_cannot_choose_the_epoch() -> None:
    edit("methods/cam.yaml", lambda text: text.replace("attributions:\n", "attributions:\n  cam+first: {}\n"))
    with pytest.raises(
        ParameterError, match=r"cam\.yaml: the first attribution, 'cam\+first'.* put the plain one first"
    ):
        settings_of("results/smoke/params/train/synthbirds/resnet50/cam.json")


def test_the_same_value_in_other_words_changes_nothing() -> None:
    before = snapshot()
    edit(
        "methods/cam.yaml",
        lambda text: "# a note\n" + text.replace("learning_rate: 1.268269e-5", "learning_rate: 0.1268269e-4"),
    )
    edit("methods/cam.yaml", lambda text: text.replace("published budget", "budget as published"))
    assert changed(before) == set()


def test_a_new_layer_for_one_backbone_changes_that_backbone_of_the_method_and_its_heirs_alone() -> None:
    before = snapshot()
    layer = "  - {source: test, when: {scale: smoke, backbone: vgg16}, set: {epochs: 77}}\n"
    edit("methods/calm_em.yaml", lambda text: text + layer)
    touched = changed(before)
    assert touched == {
        f"results/smoke/params/train/{dataset}/vgg16/{method}.json"
        for dataset in ("synthbirds", "synthnet", "synthobjects")
        for method in ("calm_em", "calm_ml")
    }


def test_a_metric_changes_scores_and_the_trainings_that_it_selects() -> None:
    before = snapshot()
    edit("metrics/masks.yaml", lambda text: text.replace("thresholds: 1000", "thresholds: 100"))
    on_masks = {"synthobjects", "OpenImages30k", "synthscenes"}
    touched = changed(before)
    assert touched
    assert touched == {
        path
        for path in before
        if path.split("/")[3] in ("scores", "train") and path.removesuffix(".json").split("/")[4] in on_masks
    }


def test_a_metric_that_selects_no_epoch_retrains_nothing() -> None:
    before = snapshot()
    edit("metrics/localization.yaml", lambda text: text.replace("top: [1, 5]", "top: [1]"))
    touched = changed(before)
    assert touched and {path.split("/")[3] for path in touched} == {"scores"}


def test_a_method_more_changes_no_job_but_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot()
    known = available_methods()
    text = Path("params/methods/center.yaml").read_text()
    Path("params/methods/newcomer.yaml").write_text(text.replace("name: center", "name: newcomer", 1))
    forget()
    with pytest.raises(ParameterError, match=r"newcomer\.yaml has no code: src/wsol/methods/newcomer\.py"):
        load_method("newcomer")
    for folder in ("methods", "models/backbones"):
        shutil.copytree(REPO / "src/wsol" / folder, tmp_path / "src/wsol" / folder)
    (tmp_path / "src/wsol/methods/newcomer.py").write_text('"""New."""\n')
    monkeypatch.setattr(method_files, "__file__", str(tmp_path / "src/wsol/config/method.py"))
    forget()
    assert available_methods() == sorted([*known, "newcomer"])
    after = {path: canonical_json(settings_of(path)) for path in before}
    everything = [name for name in all_scales() if load_scale(name).settings["methods"] == "all"]
    assert everything
    assert {path for path in before if after[path] != before[path]} == {
        f"results/{name}/params/reports/tableB.json" for name in everything
    }


def test_another_data_seed_changes_that_data_set_alone() -> None:
    before = snapshot()
    edit("scales/smoke.yaml", lambda text: re.sub(r"(synthbirds: .*?)seed: \d+", r"\1seed: 123", text, count=1))
    assert changed(before) == {"results/smoke/params/data/synthbirds.json"}


def test_a_licence_or_note_of_a_data_set_changes_no_job() -> None:
    before = snapshot()
    edit("datasets/CUB.yaml", lambda text: text.replace("title: CUB-200-2011", "title: CUB"))
    assert changed(before) == set()


# --- paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "results/smoke/params/train/synthbirds/resnet50.json",
        "results/smoke/params/train/synthbirds/resnet50/cam/s0.json",
        "results/smoke/params/train/synthbirds/resnet50/nosuch.json",
        "results/smoke/params/train/synthbirds/alexnet/cam.json",
        "results/smoke/params/train/synthbirds/resnet50/center.json",
        "results/smoke/params/train/CUB/resnet50/cam.json",
        "results/nosuch/params/train/synthbirds/resnet50/cam.json",
        "results/nosuch/params/environment.json",
        "results/nosuch/params/supersets/synthnet.json",
        "results/smoke/params/maps/cam/nosuch.json",
        "results/smoke/params/scores/nosuch.json",
        "results/smoke/params/scores/CUB.json",
        "results/smoke/params/supersets/CUB.json",
        "results/smoke/params/data/CUB.json",
        "results/smoke/params/nosuch/synthnet.json",
        "results/smoke/params/environment",
        "results/smoke/params/scores/synthnet",
        "results/smoke/params.json",
        "results/smoke/scores/synthnet.json",
        "data/smoke/params/scores/synthnet.json",
        "/results/smoke/params/scores/synthnet.json",
        "results/smoke/params/scores/../scores/synthnet.json",
        "",
    ],
)
def test_a_path_that_the_grammar_does_not_make_is_refused(path: str) -> None:
    with pytest.raises(ParameterError):
        settings_of(path)
    with pytest.raises(KeyError):
        ExpectedTexts()[path]
    assert path not in ExpectedTexts()


def test_expected_texts_are_what_materialise_writes() -> None:
    for path in ("results/smoke/params/scores/synthnet.json", "results/smoke/params/environment.json"):
        assert materialise(path) == path
        assert Path(path).read_text() == ExpectedTexts()[path]


def test_materialise_writes_only_what_changed() -> None:
    path = resolve.parameter_file("smoke", "train", "synthbirds", "resnet50", "cam")
    other = resolve.parameter_file("smoke", "train", "synthbirds", "vgg16", "cam")
    assert path == "results/smoke/params/train/synthbirds/resnet50/cam.json"
    for name in (path, other):
        os.utime(name, ns=(10**18, 10**18))
    assert materialise(path) == path
    assert Path(path).stat().st_mtime_ns == 10**18
    layer = "  - {source: test, when: {scale: smoke, backbone: resnet50}, set: {epochs: 77}}\n"
    edit("methods/cam.yaml", lambda text: text + layer)
    materialise(path)
    materialise(other)
    assert Path(path).stat().st_mtime_ns != 10**18
    assert json.loads(Path(path).read_text())["hyperparameters"]["epochs"] == 77
    assert Path(other).stat().st_mtime_ns == 10**18


def test_the_environment_names_the_versions_that_compute() -> None:
    import sys

    import numpy as np

    versions: dict[str, Any] = resolve.environment()
    assert versions["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert versions["numpy"] == np.__version__
    assert set(versions) == {"python", *resolve.NUMERIC_PACKAGES}
