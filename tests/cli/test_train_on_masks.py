"""`wsol train` with a method that learns from the masks of train-fullsup, which FSL is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from wsol.cli import maps, train
from wsol.cli.data import prepare, render
from wsol.config import resolve
from wsol.config.dataset import load_dataset
from wsol.config.scale import load_scale
from wsol.data.manifest import read_manifest, write_manifest
from wsol.errors import DataError, ParameterError, TrainingError
from wsol.files import read_json, sha256_file
from wsol.methods import fsl
from wsol.testing.interruption import stop_in_step
from wsol.testing.parameters import forget

REPO = Path(__file__).resolve().parents[2]
CLASSES, EACH = 3, 4
SCALE = f"""
name: mini
purpose: a test
image_size: 48
resize: 54
threads: 1
stand_ins: {{CUB: synthbirds, OpenImages: synthobjects}}
datasets:
  synthbirds: &all
    {{classes: {CLASSES}, seed: 0, images_per_class: {{train-weaksup: 2, train-fullsup: {EACH}, test: 2}}}}
  synthobjects: *all
backbones:
  resnet50: {{width: 0.125, map_stride: 8}}
methods: all
seeds: [0]
"""
LAYER = """
  - source: a test
    when: {scale: mini}
    set: {epochs: 2, batch_size: 5, learning_rate: 0.05, decay_every_epochs: 2}
"""
MADE = ("model.safetensors", "best.safetensors", "last.safetensors", "train.csv")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout with the data of both kinds, boxes and masks, and the settings of FSL."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "pyproject.toml").touch()
    (root / "workflow").symlink_to(REPO / "workflow")
    shutil.copytree(REPO / "params", root / "params")
    (root / "params/scales/mini.yaml").write_text(SCALE)
    with (root / "params/methods/cam.yaml").open("a") as stream:
        stream.write(LAYER)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("WSOL_TRACKING", "off")
        forget()
        resolve.environment_file("mini")
        resolve.parameter_file("mini", "maps", "fsl", "fsl")
        for dataset in load_scale("mini").datasets:
            data = f"data/mini/{dataset}"
            settings = ["--settings", resolve.parameter_file("mini", "data", dataset)]
            resolve.parameter_file("mini", "train", dataset, "resnet50", "fsl")
            render.main([*settings, "--out", f"{data}/images.zip", "--sidecar", f"{data}/images.prov.json"])
            prepare.main([*settings, "--out-dir", data, "--sidecar", f"{data}/manifests.prov.json"])
        yield root
    forget()


def arguments(dataset: str, out: str) -> list[str]:
    return [
        *("--settings", f"results/mini/params/train/{dataset}/resnet50/fsl.json"),
        *("--train", f"data/mini/{dataset}/train-weaksup.parquet"),
        *("--val", f"data/mini/{dataset}/train-fullsup.parquet"),
        *("--classes", f"data/mini/{dataset}/classes.json"),
        *("--seed", "0", "--out-dir", out, "--state", f"{out}.state.pt", "--device", "cpu"),
        *("--sidecar", f"{out}/train.prov.json"),
    ]


@pytest.mark.parametrize("dataset", ["synthbirds", "synthobjects"])
def test_it_trains_on_the_few_images_and_reads_the_files_of_every_method(
    checkout: Path, capsys: pytest.CaptureFixture[str], dataset: str
) -> None:
    assert load_dataset(dataset)["localisation"] == {"synthbirds": "boxes", "synthobjects": "masks"}[dataset]
    assert train.main(arguments(dataset, f"{dataset}-fsl")) == 0
    said = capsys.readouterr().out
    assert f"train-fullsup, {CLASSES * EACH} images of {CLASSES} classes" in said
    record = read_json(f"{dataset}-fsl/train.prov.json")
    assert set(record["inputs"]) == {
        f"results/mini/params/train/{dataset}/resnet50/fsl.json",
        "results/mini/params/environment.json",
        *(f"data/mini/{dataset}/{name}.parquet" for name in ("train-weaksup", "train-fullsup")),
        f"data/mini/{dataset}/images.zip",
        f"data/mini/{dataset}/classes.json",
    }
    assert {Path(name).name for name in record["outputs"]} == set(MADE)
    assert "src/wsol/training/dense.py" in record["code"]


def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        stop_in_step(patched, train, 5)  # in the second of three steps of the second epoch
        with pytest.raises(KeyboardInterrupt):
            train.main(arguments("synthobjects", "stopped"))
    assert Path("stopped.state.pt").exists()
    assert train.main(arguments("synthobjects", "stopped")) == 0
    assert train.main(arguments("synthobjects", "unbroken")) == 0
    for name in MADE:
        assert sha256_file(f"stopped/{name}") == sha256_file(f"unbroken/{name}"), name


def test_its_maps_are_extracted_as_any_others(checkout: Path) -> None:
    from wsol.attribution.store import read_maps

    assert train.main(arguments("synthbirds", "mapped")) == 0
    done = maps.main(
        [
            *("--settings", "results/mini/params/maps/fsl/fsl.json"),
            *("--manifests", "data/mini/synthbirds/test.parquet", "--out", "mapped/fsl.test.safetensors"),
            *("--model", "mapped/model.safetensors", "--device", "cpu", "--sidecar", "mapped/fsl.prov.json"),
        ]
    )
    assert done == 0
    store = read_maps("mapped/fsl.test.safetensors")
    assert store.maps.shape == (CLASSES * 2, 6, 6)
    assert ((store.maps > 0) & (store.maps < 1)).all() and np.ptp(store.maps) > 0
    assert store.predictions is not None and (store.predictions[:, 0] >= 0).all()


def test_a_class_that_the_few_images_lack_is_named(checkout: Path) -> None:
    full = read_manifest("data/mini/synthbirds/train-fullsup.parquet")
    write_manifest("lacking.parquet", full.subset(np.flatnonzero(full.labels != 1)))
    chosen = arguments("synthbirds", "lacking")
    chosen[chosen.index("--val") + 1] = "lacking.parquet"
    name = full.class_names[int(np.flatnonzero(full.labels == 1)[0])]
    with pytest.raises(
        TrainingError, match=f"class '{name}' has no training image .* check the train-fullsup manifest"
    ):
        train.main(chosen)


def test_a_method_that_asks_for_what_there_is_not_is_refused(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsl.Method, "training_split", "train-weaksup")
    with pytest.raises(DataError, match=r"synthbirds train-weaksup: image .* has neither mask nor box"):
        train.main(arguments("synthbirds", "refused"))
    monkeypatch.setattr(fsl.Method, "training_split", "test")
    with pytest.raises(ParameterError, match="training_split is 'test'; use one of train-weaksup, train-fullsup"):
        train.main(arguments("synthbirds", "refused"))
