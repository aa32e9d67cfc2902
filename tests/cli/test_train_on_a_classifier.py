"""`wsol train` with a method that keeps another method's model as its classifier, which F-CAM does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from wsol.attribution.store import read_maps
from wsol.cli import maps, score, train
from wsol.cli.data import prepare, render
from wsol.config import resolve
from wsol.config.paths import EVALUATED_SPLITS
from wsol.files import load_tensors, read_json, save_tensors, sha256_file
from wsol.testing.interruption import stop_in_step
from wsol.testing.parameters import forget

REPO = Path(__file__).resolve().parents[2]
CLASSES = 3
SCALE = f"""
name: mini
purpose: a test
image_size: 48
resize: 54
threads: 1
stand_ins: {{CUB: synthbirds}}
datasets:
  synthbirds: {{classes: {CLASSES}, seed: 0, images_per_class: {{train-weaksup: 4, train-fullsup: 2, test: 2}}}}
backbones:
  resnet50: {{width: 0.125, map_stride: 8}}
methods: all
seeds: [0]
"""
HERE = {"epochs": 2, "batch_size": 5, "learning_rate": 0.05, "decay_every_epochs": 2}
CHANGES = {
    "cam": {},
    "fcam_cam": {"options": {"crf_weight": 0.0, "background": 0.4}},
    "cam_best_by_layercam": {"checkpoint": "best", "selection_metric": "MaxBoxAcc"},
}
DATA = "data/mini/synthbirds"
CLASSIFIER = "results/mini/checkpoints/synthbirds/resnet50/cam/s7/model.safetensors"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout with data, and CAM's model with seed 7."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "pyproject.toml").touch()
    (root / "workflow").symlink_to(REPO / "workflow")
    shutil.copytree(REPO / "params", root / "params")
    (root / "params/scales/mini.yaml").write_text(SCALE)
    for method, changes in CHANGES.items():
        path = root / f"params/methods/{method}.yaml"
        settings = yaml.safe_load(path.read_text())
        settings["hyperparameters"].append({"source": "a test", "when": {"scale": "mini"}, "set": HERE | changes})
        if "elsewhere" in settings:
            settings["scales"].append("mini")
        path.write_text(yaml.safe_dump(settings, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("WSOL_TRACKING", "off")
        forget()
        resolve.environment_file("mini")
        resolve.parameter_file("mini", "scores", "synthbirds")
        data = ["--settings", resolve.parameter_file("mini", "data", "synthbirds")]
        for method, attribution in (("cam", "cam"), ("fcam_cam", "fcam"), ("cam_best_by_layercam", "layercam")):
            resolve.parameter_file("mini", "train", "synthbirds", "resnet50", method)
            resolve.parameter_file("mini", "maps", method, attribution)
        render.main([*data, "--out", f"{DATA}/images.zip", "--sidecar", f"{DATA}/images.prov.json"])
        prepare.main([*data, "--out-dir", DATA, "--sidecar", f"{DATA}/manifests.prov.json"])
        assert train.main(training("cam", str(Path(CLASSIFIER).parent))) == 0
        yield root
    forget()


def training(method: str, out: str) -> list[str]:
    return [
        *("--settings", f"results/mini/params/train/synthbirds/resnet50/{method}.json"),
        *("--train", f"{DATA}/train-weaksup.parquet", "--val", f"{DATA}/train-fullsup.parquet"),
        *("--classes", f"{DATA}/classes.json", "--seed", "7", "--out-dir", out, "--state", f"{out}.state.pt"),
        *("--device", "cpu", "--sidecar", f"{out}/train.prov.json"),
    ]


def mapping(method: str, attribution: str, model: str, out: str) -> list[str]:
    return [
        *("--settings", f"results/mini/params/maps/{method}/{attribution}.json", "--model", model),
        *("--manifests", *(f"{DATA}/{split}.parquet" for split in EVALUATED_SPLITS)),
        *("--out", *(f"{out}.{split}.safetensors" for split in EVALUATED_SPLITS)),
        *("--device", "cpu", "--sidecar", f"{out}.prov.json"),
    ]


def scoring(name: str) -> list[str]:
    return [
        *("--settings", "results/mini/params/scores/synthbirds.json", "--device", "cpu"),
        *("--maps", *(f"{name}.{split}.safetensors" for split in EVALUATED_SPLITS)),
        *("--manifests", *(f"{DATA}/{split}.parquet" for split in EVALUATED_SPLITS)),
        *("--out", *(f"{name}.{split}.json" for split in EVALUATED_SPLITS)),
        *("--images-out", *(f"{name}.{split}.images.parquet" for split in EVALUATED_SPLITS)),
        *("--sidecar", f"{name}.scores.prov.json"),
    ]


def test_classifier_stays_and_predictions_with_it_from_training_to_scores(checkout: Path) -> None:
    assert train.main(training("fcam_cam", "whole")) == 0
    record = read_json("whole/train.prov.json")
    assert CLASSIFIER in record["inputs"], "of the same seed"
    assert {"src/wsol/methods/fcam.py", "src/wsol/models/decoder.py"} <= set(record["code"])

    before, after = load_tensors(CLASSIFIER)[0], load_tensors("whole/last.safetensors")[0]
    for name, value in before.items():
        np.testing.assert_array_equal(after[f"classifier.{name}"], value, err_msg=name)
    first = load_tensors("whole/best.safetensors")[0]
    history = Path("whole/train.csv").read_text().splitlines()
    accuracies = {line.split(",")[4] for line in history[1:]}
    assert len(history) == 4 and len(accuracies) == 1, "it classifies alike in every epoch"
    assert set(first) == set(after)

    assert maps.main(mapping("cam", "cam", CLASSIFIER, "cam")) == 0
    assert maps.main(mapping("fcam_cam", "fcam", "whole/model.safetensors", "fcam")) == 0
    for split in EVALUATED_SPLITS:
        cam, fcam = read_maps(f"cam.{split}.safetensors"), read_maps(f"fcam.{split}.safetensors")
        assert cam.predictions is not None and fcam.predictions is not None
        np.testing.assert_array_equal(fcam.predictions, cam.predictions)
        assert fcam.description["upsampling"]["order"] == "as-is"
        assert fcam.shape[1:] == (48, 48) and cam.shape[1:] == (6, 6)
        assert ((fcam.maps > 0) & (fcam.maps < 1)).all() and np.ptp(fcam.maps) > 0
    assert score.main(scoring("fcam")) == 0
    assert 0 <= read_json("fcam.test.json")["values"]["MaxBoxAccV2"] <= 100
    # The epoch was chosen by the very number that the kept model gets.
    kept = max(float(line.split(",")[5]) for line in history[1:])
    assert read_json("fcam.train-fullsup.json")["values"]["MaxBoxAccV2"] == pytest.approx(kept, abs=1e-3)


def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        stop_in_step(patched, train, 5)  # in the second of three steps of the second epoch
        with pytest.raises(KeyboardInterrupt):
            train.main(training("fcam_cam", "stopped"))
    assert Path("stopped.state.pt").exists()
    assert train.main(training("fcam_cam", "stopped")) == 0
    assert train.main(training("fcam_cam", "unbroken")) == 0
    for name in ("model.safetensors", "best.safetensors", "last.safetensors", "train.csv"):
        assert sha256_file(f"stopped/{name}") == sha256_file(f"unbroken/{name}"), name


def test_another_classifier_is_another_training(checkout: Path) -> None:
    """A state of a training beside other weights is dropped, and the sidecar names the file that was read."""
    assert train.main(training("fcam_cam", "again")) == 0
    first = sha256_file("again/model.safetensors")
    kept = Path(CLASSIFIER).read_bytes()
    try:
        weights, header = load_tensors(CLASSIFIER)
        save_tensors(CLASSIFIER, weights | {"head.classifier.weight": -weights["head.classifier.weight"]}, header)
        assert train.main(training("fcam_cam", "again")) == 0
        assert sha256_file("again/model.safetensors") != first
    finally:
        Path(CLASSIFIER).write_bytes(kept)


def test_an_epoch_is_chosen_by_the_methods_own_maps_and_metric(checkout: Path) -> None:
    assert train.main(training("cam_best_by_layercam", "chosen")) == 0
    assert maps.main(mapping("cam_best_by_layercam", "layercam", "chosen/model.safetensors", "layercam")) == 0
    assert score.main(scoring("layercam")) == 0
    history = [float(line.split(",")[5]) for line in Path("chosen/train.csv").read_text().splitlines()[1:]]
    values = read_json("layercam.train-fullsup.json")["values"]
    assert values["MaxBoxAcc"] == pytest.approx(max(history), abs=1e-3) != values["MaxBoxAccV2"]
