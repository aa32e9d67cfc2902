"""The verbs removal and removal_report on a made-up data set and an untrained network."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from wsol.attribution.store import read_maps, write_maps
from wsol.cli import maps, removal, removal_report
from wsol.cli.data import prepare, render
from wsol.config import resolve
from wsol.data.images import load_images
from wsol.data.manifest import read_manifest
from wsol.data.transforms import eval_batch
from wsol.errors import DataError
from wsol.files import read_json
from wsol.metrics.removal import count_correct, image_keys
from wsol.models import build, load_model, save_model
from wsol.testing.parameters import forget

REPO = Path(__file__).resolve().parents[2]
SCALE = """
name: mini
purpose: a test
image_size: 32
resize: 36
threads: 1
stand_ins: {CUB: synthbirds}
datasets:
  synthbirds: {classes: 3, seed: 0, images_per_class: {train-weaksup: 1, train-fullsup: 1, test: 23}}
backbones:
  resnet50: {width: 0.125, map_stride: 8}
methods: [cam]
seeds: [0]
"""
CELL = {"scale": "mini", "dataset": "synthbirds", "backbone": "resnet50", "method": "cam", "seed": 0}
PLACE = "synthbirds/resnet50/cam/s0"
MODEL, MAPS = f"results/mini/checkpoints/{PLACE}/model.safetensors", f"results/mini/maps/{PLACE}/cam"
DATA, COUNTS = "data/mini/synthbirds", f"results/mini/removal/{PLACE}/cam.json"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Images, manifests, an untrained network and its maps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WSOL_TRACKING", "off")
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "workflow").symlink_to(REPO / "workflow")
    shutil.copytree(REPO / "params", tmp_path / "params")
    (tmp_path / "params/scales/mini.yaml").write_text(SCALE)
    forget()
    resolve.environment_file("mini")
    for layer, name in (("data", "synthbirds"), ("removal", "calm"), ("reports", "remove_and_classify")):
        resolve.parameter_file("mini", layer, name)
    resolve.parameter_file("mini", "maps", "cam", "cam")
    settings = ["--settings", "results/mini/params/data/synthbirds.json"]
    render.main([*settings, "--out", f"{DATA}/images.zip", "--sidecar", f"{DATA}/images.prov.json"])
    prepare.main([*settings, "--out-dir", DATA, "--sidecar", f"{DATA}/manifests.prov.json"])
    torch.manual_seed(0)
    save_model(
        MODEL, build("resnet50", num_classes=3, width=0.125, map_stride=8), extra={"cell": CELL, "classes": list("abc")}
    )
    splits = ("train-fullsup", "test")
    maps.main(
        [
            *("--settings", "results/mini/params/maps/cam/cam.json", "--model", MODEL, "--device", "cpu"),
            *("--manifests", *(f"{DATA}/{split}.parquet" for split in splits)),
            *("--out", *(f"{MAPS}.{split}.safetensors" for split in splits), "--sidecar", f"{MAPS}.prov.json"),
        ]
    )
    yield tmp_path
    forget()


def arguments() -> list[str]:
    return [
        *("--settings", "results/mini/params/removal/calm.json", "--model", MODEL, "--device", "cpu"),
        *("--manifest", f"{DATA}/test.parquet", "--maps", f"{MAPS}.test.safetensors"),
        *("--out", COUNTS, "--sidecar", COUNTS.replace(".json", ".prov.json")),
    ]


def test_counts_of_a_split_and_their_report(checkout: Path) -> None:
    assert removal.main(arguments()) == 0
    found = read_json(COUNTS)
    manifest = read_manifest(f"{DATA}/test.parquet")
    assert len(manifest) == found["n_images"] == 69, "more than one batch"
    whole = count_correct(
        load_model(MODEL),
        eval_batch(torch.from_numpy(load_images(manifest, np.arange(69), 32))),
        torch.from_numpy(manifest.labels),
        torch.from_numpy(read_maps(f"{MAPS}.test.safetensors").maps),
        torch.tensor(image_keys(manifest.image_ids, 0)),
        (0.1, 0.3, 0.5, 0.7, 0.9),
    )
    assert (tuple(found["correct_top"]), tuple(found["correct_random"])) == (whole.top, whole.random)
    assert (found["correct_intact"], found["correct_blank"]) == (whole.intact, whole.blank)
    assert whole.blank == 23, "a blank image is of one class to any network, a third of the images here"
    record = read_json(COUNTS.replace(".json", ".prov.json"))
    assert {MODEL, f"{MAPS}.test.safetensors", f"{DATA}/test.parquet", f"{DATA}/images.zip"} <= set(record["inputs"])

    out = "reports/mini/remove_and_classify.csv"
    figures = [f"reports/mini/figures/remove_and_classify.{kind}" for kind in ("png", "pdf")]
    removal_report.main(
        [
            *("--spec", "params/papers/calm/remove_and_classify.yaml", "--out", out, "--figures", *figures),
            *("--settings", "results/mini/params/reports/remove_and_classify.json"),
            *("--sidecar", "reports/mini/remove_and_classify.prov.json"),
        ]
    )
    with Path(out).open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    cam = [line for line in lines if line["method"] == "cam"]
    assert [int(line["correct_top"]) for line in cam] == [whole.intact, *whole.top, whole.blank]
    assert {line["status"] for line in lines if line["method"] != "cam"} == {"missing"}
    assert all(Path(figure).stat().st_size > 5000 for figure in figures)


def test_maps_of_another_network_or_other_images_are_refused(checkout: Path) -> None:
    store, path = read_maps(f"{MAPS}.test.safetensors"), f"{MAPS}.test.safetensors"
    maps_, ids = np.array(store.maps), store.image_ids
    write_maps(path, maps_, ids, None, size=32, cell={**CELL, "seed": 1}, attribution="cam", split="test")
    with pytest.raises(DataError, match="give the maps of this checkpoint"):
        removal.main(arguments())
    write_maps(path, maps_, ids[::-1], None, size=32, cell=CELL, attribution="cam", split="test")
    with pytest.raises(DataError, match="extract the maps again"):
        removal.main(arguments())
    assert not Path(COUNTS).exists()


def test_reports_need_no_torch() -> None:
    code = (
        "import sys, wsol.cli.removal_report, wsol.cli.claims; print(bool({'torch', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
