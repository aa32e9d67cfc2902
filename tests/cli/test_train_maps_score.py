"""The verbs train, maps and score, one after the other, on a made-up data set small enough for a test."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import wsol
from wsol.attribution import attribute, score_maps
from wsol.attribution.store import read_maps
from wsol.attribution.superset import aggregate
from wsol.cli import maps, score, train
from wsol.config import resolve
from wsol.config.scale import load_scale
from wsol.data.images import load_images
from wsol.data.manifest import read_manifest
from wsol.data.transforms import eval_batch
from wsol.errors import DataError
from wsol.files import load_metadata, load_tensors, read_json, sha256_file
from wsol.metrics.boxes import box_accuracy, rescale_boxes
from wsol.models import load_model
from wsol.provenance.closure import OBSERVERS, code_closure
from wsol.testing.interruption import stop_in_step
from wsol.testing.parameters import forget

pytestmark = pytest.mark.system
REPO = Path(__file__).resolve().parents[2]
SIZE, CLASSES, EACH = 48, 3, 4
EVALUATED = ("train-fullsup", "test")
SCALE = f"""
name: mini
purpose: a test
image_size: {SIZE}
resize: 54
threads: 1
stand_ins: {{CUB: synthbirds, OpenImages: synthobjects}}
datasets:
  synthbirds: &all
    {{classes: {CLASSES}, seed: 0, images_per_class: {{train-weaksup: {EACH}, train-fullsup: {EACH}, test: {EACH}}}}}
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
# Runs verbs one after the other; before each the package is forgotten, so that what it loads is what it uses.
DRIVER = """
import importlib, json, sys
loaded = {}
for name, module, arguments in json.load(open("jobs.json")):
    for known in [known for known in sys.modules if known.partition(".")[0] == "wsol"]:
        del sys.modules[known]
    sys.argv = [module, *arguments]
    code = importlib.import_module(module).main(arguments)
    assert code == 0, name
    files = [found.__file__ for known, found in sys.modules.items() if known.partition(".")[0] == "wsol"]
    loaded[name] = sorted(file for file in files if file)
json.dump(loaded, open("loaded.json", "w"))
"""


def train_arguments(dataset: str, out: str = "results/mini/checkpoints", state: str = "scratch/state.pt") -> list[str]:
    folder = f"{out}/{dataset}/resnet50/cam/s0"
    return [
        *("--settings", f"results/mini/params/train/{dataset}/resnet50/cam.json"),
        *("--train", f"data/mini/{dataset}/train-weaksup.parquet"),
        *("--val", f"data/mini/{dataset}/train-fullsup.parquet"),
        *("--classes", f"data/mini/{dataset}/classes.json"),
        *("--seed", "0", "--out-dir", folder, "--state", state, "--device", "cpu"),
        *("--sidecar", f"{folder}/train.prov.json"),
    ]


def maps_arguments(dataset: str, attribution: str, model: bool = True) -> list[str]:
    backbone, method = ("resnet50", "cam") if model else ("none", "center")
    stem = f"results/mini/maps/{dataset}/{backbone}/{method}/s0/{attribution}"
    result = [
        *("--settings", f"results/mini/params/maps/{method}/{attribution}.json"),
        *("--manifests", *(f"data/mini/{dataset}/{split}.parquet" for split in EVALUATED)),
        *("--out", *(f"{stem}.{split}.safetensors" for split in EVALUATED)),
        *("--device", "cpu", "--sidecar", f"{stem}.prov.json"),
    ]
    if model:
        result += ["--model", f"results/mini/checkpoints/{dataset}/resnet50/cam/s0/model.safetensors"]
    if "+" in attribution:
        result += ["--supersets", f"results/mini/supersets/{dataset}/supersets.json"]
    return result


def score_arguments(dataset: str, cell: str, attribution: str) -> list[str]:
    stem = f"results/mini/{{}}/{dataset}/{cell}/s0/{attribution}"
    return [
        *("--settings", f"results/mini/params/scores/{dataset}.json"),
        *("--maps", *(f"{stem.format('maps')}.{split}.safetensors" for split in EVALUATED)),
        *("--manifests", *(f"data/mini/{dataset}/{split}.parquet" for split in EVALUATED)),
        *("--out", *(f"{stem.format('scores')}.{split}.json" for split in EVALUATED)),
        *("--images-out", *(f"{stem.format('scores')}.{split}.images.parquet" for split in EVALUATED)),
        *("--sidecar", f"{stem.format('scores')}.prov.json"),
    ]


def jobs() -> list[tuple[str, str, list[str]]]:
    result: list[tuple[str, str, list[str]]] = []
    for dataset in ("synthbirds", "synthobjects"):
        data = f"data/mini/{dataset}"
        settings = ["--settings", f"results/mini/params/data/{dataset}.json"]
        supersets = f"results/mini/supersets/{dataset}/supersets"
        result += [
            (
                f"{dataset} render",
                "wsol.cli.data.render",
                [*settings, "--out", f"{data}/images.zip", "--sidecar", f"{data}/images.prov.json"],
            ),
            (
                f"{dataset} prepare",
                "wsol.cli.data.prepare",
                [*settings, "--out-dir", data, "--sidecar", f"{data}/manifests.prov.json"],
            ),
            (
                f"{dataset} supersets",
                "wsol.cli.supersets",
                [
                    *("map", "--classes", f"{data}/classes.json"),
                    *("--settings", f"results/mini/params/supersets/{dataset}.json"),
                    *("--out", f"{supersets}.json", "--sidecar", f"{supersets}.prov.json"),
                ],
            ),
            (f"{dataset} train", "wsol.cli.train", train_arguments(dataset)),
        ]
        for cell, attribution in (("resnet50/cam", "cam"), ("resnet50/cam", "cam+superset"), ("none/center", "center")):
            with_model = cell.startswith("resnet50")
            result += [
                (f"{dataset} maps {attribution}", "wsol.cli.maps", maps_arguments(dataset, attribution, with_model)),
                (f"{dataset} score {attribution}", "wsol.cli.score", score_arguments(dataset, cell, attribution)),
            ]
    return result


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout in which every job ran, in a process of its own."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "pyproject.toml").touch()
    (root / "workflow").symlink_to(REPO / "workflow")
    shutil.copytree(REPO / "params", root / "params")
    (root / "params/scales/mini.yaml").write_text(SCALE)
    with (root / "params/methods/cam.yaml").open("a") as stream:
        stream.write(LAYER)
    before = Path.cwd()
    os.chdir(root)
    forget()
    try:
        resolve.environment_file("mini")
        for layer in ("data", "supersets", "scores"):
            for dataset in load_scale("mini").datasets:
                resolve.parameter_file("mini", layer, dataset)
        for dataset in load_scale("mini").datasets:
            resolve.parameter_file("mini", "train", dataset, "resnet50", "cam")
        for method, attribution in (("cam", "cam"), ("cam", "cam+superset"), ("center", "center")):
            resolve.parameter_file("mini", "maps", method, attribution)
        Path("jobs.json").write_text(json.dumps(jobs()))
        environment = {key: value for key, value in os.environ.items() if key != "WSOL_PARENT"}
        done = subprocess.run(
            [sys.executable, "-c", DRIVER],
            capture_output=True,
            text=True,
            env={**environment, "WSOL_PROGRESS": "scratch/progress"},
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        Path("said.txt").write_text(done.stdout)
    finally:
        os.chdir(before)
        forget()
    yield root
    forget()


@pytest.fixture
def checkout(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(built)
    monkeypatch.setenv("WSOL_TRACKING", "off")
    forget()
    return built


def files(folder: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


# --- what lies there afterwards -----------------------------------------------------------------------------------


def test_every_output_is_there_and_no_temporary(checkout: Path) -> None:
    both = [f".{split}" for split in EVALUATED]
    for dataset in ("synthbirds", "synthobjects"):
        assert files(f"results/mini/checkpoints/{dataset}") == [
            f"resnet50/cam/s0/{name}"
            for name in ("best.safetensors", "last.safetensors", "model.safetensors", "train.csv", "train.prov.json")
        ]
        assert files(f"results/mini/maps/{dataset}") == sorted(
            f"{stem}{end}"
            for stem in ("none/center/s0/center", "resnet50/cam/s0/cam", "resnet50/cam/s0/cam+superset")
            for end in (*(f"{split}.safetensors" for split in both), ".prov.json")
        )
        assert len(files(f"results/mini/scores/{dataset}")) == 3 * 5
    assert not Path("scratch/state.pt").exists()
    assert list(checkout.rglob("*.partial*")) == []


def test_sidecars_hold_the_hashes_of_what_was_read_and_written(checkout: Path) -> None:
    sidecars = sorted(Path("results").rglob("*.prov.json"))
    assert len(sidecars) == 2 * (1 + 1 + 3 + 3)
    for path in sidecars:
        record = read_json(path)
        assert record["cell"]["dataset"] in path.parts
        for name, digest in {**record["inputs"], **record["outputs"]}.items():
            assert sha256_file(name) == digest, f"{path}: {name}"
        beside = {name for name in files(str(path.parent)) if name.startswith(path.name.split(".")[0] + ".")}
        if "checkpoints" not in path.parts:
            assert {Path(name).name for name in record["outputs"]} == beside - {path.name}
    record = read_json("results/mini/checkpoints/synthbirds/resnet50/cam/s0/train.prov.json")
    assert record["cell"] == {
        "scale": "mini",
        "dataset": "synthbirds",
        "backbone": "resnet50",
        "method": "cam",
        "seed": 0,
    }
    assert set(record["inputs"]) == {
        "results/mini/params/train/synthbirds/resnet50/cam.json",
        "results/mini/params/environment.json",
        "data/mini/synthbirds/images.zip",
        "data/mini/synthbirds/train-weaksup.parquet",
        "data/mini/synthbirds/train-fullsup.parquet",
        "data/mini/synthbirds/classes.json",
    }
    record = read_json("results/mini/maps/synthbirds/resnet50/cam/s0/cam+superset.prov.json")
    assert "results/mini/supersets/synthbirds/supersets.json" in record["inputs"]
    assert "results/mini/checkpoints/synthbirds/resnet50/cam/s0/model.safetensors" in record["inputs"]


SIDECAR_OF = {
    "render": "data/mini/{dataset}/images.prov.json",
    "prepare": "data/mini/{dataset}/manifests.prov.json",
    "supersets": "results/mini/supersets/{dataset}/supersets.prov.json",
    "train": "results/mini/checkpoints/{dataset}/resnet50/cam/s0/train.prov.json",
    "maps": "results/mini/maps/{dataset}/{cell}/s0/{attribution}.prov.json",
    "score": "results/mini/scores/{dataset}/{cell}/s0/{attribution}.prov.json",
}


@pytest.mark.parametrize("name", [name for name, *_ in jobs()])
def test_all_code_that_a_job_loaded_is_code_that_its_sidecar_names(checkout: Path, name: str) -> None:
    dataset, verb, *rest = name.split()
    attribution = rest[0] if rest else ""
    cell = "none/center" if attribution == "center" else "resnet50/cam"
    record = read_json(SIDECAR_OF[verb].format(dataset=dataset, cell=cell, attribution=attribution))
    package = Path(wsol.__file__).resolve().parents[2]
    loaded = {Path(file).relative_to(package).as_posix() for file in read_json("loaded.json")[name]}
    # Observers cannot change a byte, nor can what they alone load.
    watching = {f"src/{module.replace('.', '/')}" for module in OBSERVERS}
    by_observers = set(code_closure("wsol.config.roots", "wsol.config.paths", observers=()))
    unnamed = {
        file
        for file in loaded - set(record["code"]) - by_observers
        if not any(file == f"{prefix}.py" or file.startswith(f"{prefix}/") for prefix in watching)
    }
    assert unnamed == set()


# --- training -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["synthbirds", "synthobjects"])
def test_training_writes_models_and_a_row_an_epoch(checkout: Path, dataset: str) -> None:
    folder = Path(f"results/mini/checkpoints/{dataset}/resnet50/cam/s0")
    with (folder / "train.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    columns = ["epoch", "learning_rate", "loss", "train_accuracy", "val_accuracy", "val_localisation"]
    assert list(rows[0]) == columns
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [rows[0][column] for column in columns[1:4]] == ["", "", ""]
    assert all(row[column] for row in rows[1:] for column in columns)
    localisation = [float(row["val_localisation"]) for row in rows]
    best = localisation.index(max(localisation))
    epochs = {
        name: load_metadata(folder / f"{name}.safetensors")["extra"]["epoch"] for name in ("best", "last", "model")
    }
    assert epochs == {"best": best, "last": 2, "model": 2}, "the last epoch is the published checkpoint of the recipe"
    model, last = (load_tensors(folder / f"{name}.safetensors")[0] for name in ("model", "last"))
    assert all(np.array_equal(model[name], last[name]) for name in last)
    extra = load_metadata(folder / "model.safetensors")["extra"]
    assert extra["classes"] == [entry["name"] for entry in read_json(f"data/mini/{dataset}/classes.json")["classes"]]
    assert extra["image_size"] == SIZE and extra["cell"]["dataset"] == dataset


def test_training_again_in_another_process_and_after_an_interruption_gives_the_same_bytes(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = train_arguments("synthbirds", out="again", state="again/state.pt")
    with monkeypatch.context() as patched:
        stop_in_step(patched, train, 5)
        with pytest.raises(KeyboardInterrupt):
            train.main(arguments)
    assert files("again") == ["state.pt"], "nothing is published of a training that did not end"
    assert train.main(arguments) == 0
    for name in ("model.safetensors", "best.safetensors", "last.safetensors", "train.csv"):
        ours, theirs = (
            Path(f"{top}/synthbirds/resnet50/cam/s0/{name}") for top in ("again", "results/mini/checkpoints")
        )
        assert ours.read_bytes() == theirs.read_bytes(), name
    assert not Path("again/state.pt").exists()
    shutil.rmtree("again")


def test_an_image_that_is_not_the_manifests_stops_the_training_by_name(checkout: Path) -> None:
    archive, aside = Path("data/mini/synthbirds/images.zip"), Path("aside.zip")
    archive.rename(aside)
    manifest = read_manifest("data/mini/synthbirds/train-weaksup.parquet")
    try:
        with zipfile.ZipFile(aside) as old, zipfile.ZipFile(archive, "w") as new:
            other = old.read(manifest.images[0])
            for name in old.namelist():
                new.writestr(name, other if name == manifest.images[7] else old.read(name))
        with pytest.raises(DataError, match=rf"{manifest.images[7]} is not the file that the manifest describes"):
            train.main(train_arguments("synthbirds", out="other", state="other/state.pt"))
        assert files("other") == []
    finally:
        aside.replace(archive)


# --- maps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", EVALUATED)
def test_stored_maps_are_those_of_the_network_for_the_true_class(checkout: Path, split: str) -> None:
    import torch

    store = read_maps(f"results/mini/maps/synthbirds/resnet50/cam/s0/cam.{split}.safetensors")
    manifest = read_manifest(f"data/mini/synthbirds/{split}.parquet")
    assert store.image_ids == manifest.image_ids and store.maps.shape == (CLASSES * EACH, SIZE // 8, SIZE // 8)
    model = load_model("results/mini/checkpoints/synthbirds/resnet50/cam/s0/model.safetensors")
    pixels = eval_batch(torch.from_numpy(load_images(manifest, range(len(manifest)), SIZE)))
    with torch.no_grad():
        expected = attribute(model, pixels, torch.from_numpy(manifest.labels)).numpy()
        every = model.class_maps(model.features(pixels))
        logits = model(pixels)
    np.testing.assert_allclose(store.maps, expected, rtol=1e-4, atol=1e-5)
    assert store.predictions is not None
    assert store.predictions.shape == (CLASSES * EACH, 5) and (store.predictions[:, CLASSES:] == -1).all()
    np.testing.assert_array_equal(store.predictions[:, 0], logits.argmax(1).numpy())
    assert store.description["upsampling"] == {"size": SIZE, "interpolation": "bicubic", "order": "resize-normalize"}
    assert store.description["split"] == split and store.description["attribution"] == "cam"
    # All birds are one superset: the maps of all classes are added.
    summed = read_maps(f"results/mini/maps/synthbirds/resnet50/cam/s0/cam+superset.{split}.safetensors")
    np.testing.assert_allclose(
        summed.maps, aggregate(every, torch.ones(every.shape[:2], dtype=torch.bool)).numpy(), rtol=1e-3, atol=1e-3
    )


def test_supersets_of_one_class_give_the_same_score_maps(checkout: Path) -> None:
    plain, alone = (
        read_maps(f"results/mini/maps/synthobjects/resnet50/cam/s0/{name}.test.safetensors")
        for name in ("cam", "cam+superset")
    )
    np.testing.assert_allclose(score_maps(plain.maps, SIZE), score_maps(alone.maps, SIZE), atol=1e-5)


def test_a_method_without_a_network_stores_its_map_once(checkout: Path) -> None:
    from wsol.methods.center import center_gaussian

    store = read_maps("results/mini/maps/synthbirds/none/center/s0/center.test.safetensors")
    assert store.maps.shape == (1, SIZE, SIZE) and store.predictions is None
    assert len(store.image_ids) == CLASSES * EACH
    np.testing.assert_allclose(store.maps[0], center_gaussian(SIZE), atol=1e-6)
    assert store.description["cell"] == {
        "scale": "mini",
        "dataset": "synthbirds",
        "backbone": "none",
        "method": "center",
        "seed": 0,
    }


def test_supersets_of_another_data_set_are_refused(checkout: Path, tmp_path: Path) -> None:
    Path("other.json").write_text(json.dumps({"classes": {"0": [0], "1": [1]}}))
    arguments = maps_arguments("synthbirds", "cam+superset")
    arguments[arguments.index("--supersets") + 1] = "other.json"
    with pytest.raises(DataError, match=r"other\.json: has supersets of 2 classes, the network has 3"):
        maps.main(arguments)
    with pytest.raises(DataError, match="2 manifests but 1 output files"):
        short = maps_arguments("synthbirds", "cam")
        short.remove("results/mini/maps/synthbirds/resnet50/cam/s0/cam.test.safetensors")
        maps.main(short)


# --- scores -------------------------------------------------------------------------------------------------------

KEYS = {
    *("cell", "headline_metric", "threshold_policy", "image_size", "frozen", "dataset", "split", "n_images"),
    *("parameters", "values", "curves", "thresholds", "threshold_index", "means", "counts", "intervals", "breakdown"),
}


@pytest.mark.parametrize("dataset", ["synthbirds", "synthobjects"])
@pytest.mark.parametrize(
    ("cell", "attribution"), [("resnet50/cam", "cam"), ("resnet50/cam", "cam+superset"), ("none/center", "center")]
)
def test_score_files_say_what_they_measured(checkout: Path, dataset: str, cell: str, attribution: str) -> None:
    stem = f"results/mini/scores/{dataset}/{cell}/s0/{attribution}"
    documents = {split: read_json(f"{stem}.{split}.json") for split in EVALUATED}
    for split, document in documents.items():
        assert set(document) == KEYS
        for name, (low, high) in document["intervals"]["values"].items():
            assert 0 <= low <= high <= 100 and name in document["values"]
        assert sum(document["breakdown"]["classes"]["n"]) == CLASSES * EACH
        assert sum(document["breakdown"]["sizes"]["n"]) == CLASSES * EACH
        assert (document["split"], document["n_images"]) == (split, CLASSES * EACH)
        assert document["cell"]["attribution"] == attribution and document["cell"]["dataset"] == dataset
        assert set(document["threshold_policy"]) == {"values", "frozen"}
        assert all(0 <= value <= 100 for value in document["values"].values())
        names = {"PxAP"} if dataset == "synthobjects" else {"MaxBoxAcc", "MaxBoxAccV2"}
        assert names <= set(document["values"])
        assert ("Top1Loc" in document["values"]) == (dataset == "synthbirds" and attribution != "center")
        images = pq.read_table(f"{stem}.{split}.images.parquet")
        manifest = read_manifest(f"data/mini/{dataset}/{split}.parquet")
        assert images.column("image_id").to_pylist() == manifest.image_ids
        if dataset == "synthbirds":
            hits = images.column("MaxBoxAcc").to_pylist()
            assert 100 * sum(hits) / len(hits) == pytest.approx(document["values"]["MaxBoxAcc"])
    assert documents["train-fullsup"]["frozen"] == {}
    frozen = documents["test"]["frozen"]
    assert set(frozen["values"]) == set(documents["test"]["values"])
    for name, threshold in frozen["thresholds"].items():
        low, high = documents["test"]["intervals"]["frozen"][name]
        assert low <= frozen["values"][name] <= high, f"at {threshold}"
        hits = documents["test"]["breakdown"]["classes"]["frozen"][name]["hits"]
        assert 100 * sum(hits) / (CLASSES * EACH) == pytest.approx(frozen["values"][name])
    assert frozen["chosen_on"] == {"dataset": dataset, "split": "train-fullsup"}
    for name, value in frozen["values"].items():
        assert value <= documents["test"]["values"][name] + 1e-9, "the oracle's threshold is the best there is"


@pytest.mark.parametrize(("cell", "attribution"), [("resnet50/cam", "cam"), ("none/center", "center")])
def test_scores_are_those_of_the_stored_maps(checkout: Path, cell: str, attribution: str) -> None:
    curves, best = {}, {}
    for split in EVALUATED:
        store = read_maps(f"results/mini/maps/synthbirds/{cell}/s0/{attribution}.{split}.safetensors")
        manifest = read_manifest(f"data/mini/synthbirds/{split}.parquet")
        upsampled = score_maps(store.block(0, len(manifest)), SIZE)
        boxes = [rescale_boxes(box, (SIZE, SIZE), SIZE) for box in manifest.boxes]
        found = box_accuracy(upsampled, boxes, contours="all")
        document = read_json(f"results/mini/scores/synthbirds/{cell}/s0/{attribution}.{split}.json")
        assert document["values"]["MaxBoxAccV2"] == pytest.approx(100 * found.max_box_acc_v2)
        curves[split], best[split] = found.curve, found.curve.argmax(axis=1)
    expected = np.mean([curves["test"][level, best["train-fullsup"][level]] for level in range(3)])
    assert document["frozen"]["values"]["MaxBoxAccV2"] == pytest.approx(100 * expected)


def test_splits_in_the_wrong_order_are_refused(checkout: Path) -> None:
    arguments = score_arguments("synthbirds", "resnet50/cam", "cam")
    at = arguments.index("--manifests") + 1
    arguments[at], arguments[at + 1] = arguments[at + 1], arguments[at]
    with pytest.raises(DataError, match="--manifests must be those of train-fullsup and test, in this order"):
        score.main(arguments)


def test_maps_of_another_split_are_refused(checkout: Path) -> None:
    arguments = score_arguments("synthbirds", "resnet50/cam", "cam")
    at = arguments.index("--maps") + 1
    arguments[at], arguments[at + 1] = arguments[at + 1], arguments[at]
    before = files("results/mini/scores")
    with pytest.raises(DataError, match=r"cam\.test\.safetensors: lacks image 'synthbirds/train-fullsup/00000'"):
        score.main(arguments)
    assert files("results/mini/scores") == before


def test_verbs_say_what_they_wrote(checkout: Path) -> None:
    said = Path("said.txt").read_text()
    assert "12 images of 3 classes, 2 epochs on cpu" in said
    assert "model.safetensors: epoch 2 of 2" in said
    assert "12 maps 6×6, top-1 accuracy" in said
    assert "one map 48×48 for 12 images" in said
    assert "MaxBoxAccV2" in said and "PxAP" in said
    progress = {path.name.split("__")[0] for path in Path("scratch/progress").iterdir()}
    assert progress == {"data", "train", "maps", "scores"}
    for path in Path("scratch/progress").iterdir():
        assert path.read_text().startswith("1.0000"), f"{path.name} ended"
