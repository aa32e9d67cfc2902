from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from wsol.data.released import read_released
from wsol.errors import DataError, ParameterError
from wsol.methods.center import center_gaussian
from wsol.metrics.boxes import box_accuracy, rescale_boxes
from wsol.metrics.levels import threshold_grid
from wsol.reports.center import COLUMNS, center_rows, frame_boxes, hit_counts, write_center_csv

PARAMS = Path(__file__).parents[2] / "params"
PUBLISHED = PARAMS / "papers" / "center.yaml"
METRIC = PARAMS / "metrics" / "boxes.yaml"


def real_metadata() -> Path:
    root = Path(os.environ.get("WSOL_DATA", "../shared/data")) / "wsol-metadata"
    if not root.is_dir():
        pytest.skip("set WSOL_DATA to the folder with wsol-metadata")
    return root


def write_split(folder: Path, seed: int, images: int = 12) -> None:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    ids, sizes, boxes = [], [], []
    for i in range(images):
        width, height = rng.integers(60, 500, 2)
        ids.append(f"{i}.jpg")
        sizes.append(f"{i}.jpg,{width},{height}")
        for _ in range(rng.integers(1, 4)):
            x, y = sorted(rng.integers(0, width, 2)), sorted(rng.integers(0, height, 2))
            boxes.append(f"{i}.jpg,{x[0]},{y[0]},{x[1]},{y[1]}")
    for name, lines in (("image_ids", ids), ("image_sizes", sizes), ("localization", boxes)):
        (folder / f"{name}.txt").write_text("\n".join(lines))


@pytest.fixture
def metadata(tmp_path) -> Path:
    for seed, (dataset, split) in enumerate([("CUB", "val"), ("CUB", "test"), ("ILSVRC", "val"), ("ILSVRC", "test")]):
        write_split(tmp_path / dataset / split, seed)
    return tmp_path


def test_rows_equal_the_metric_on_one_map_an_image(metadata, tmp_path):
    rows = write_center_csv(metadata, PUBLISHED, METRIC, tmp_path / "center.csv")
    with (tmp_path / "center.csv").open(newline="") as stream:
        assert list(csv.DictReader(stream)) == rows
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 4 * 5
    for dataset, split in (("CUB", "test"), ("ILSVRC", "val")):
        truth = read_released(metadata, dataset, split, with_labels=False)
        boxes = [rescale_boxes(truth.boxes_of(i), truth.sizes[i].tolist(), 224) for i in range(12)]
        maps = np.repeat(center_gaussian(224)[None], 12, axis=0)
        every, largest = box_accuracy(maps, boxes), box_accuracy(maps, boxes, (0.5,), "largest")
        values = {r["metric"]: r["value"] for r in rows if (r["dataset"], r["split"]) == (dataset, split)}
        expected = {"MaxBoxAcc": largest.max_box_acc, "MaxBoxAccV2": every.max_box_acc_v2}
        expected |= dict(zip(["BoxAccV2@30", "BoxAccV2@50", "BoxAccV2@70"], every.best, strict=True))
        assert values == {name: f"{100 * value:.2f}" for name, value in expected.items()}
    for row in rows:
        assert row["value"] == f"{100 * int(row['hits']) / int(row['n']):.2f}"
    means = [row for row in rows if row["metric"] == "MaxBoxAccV2"]
    assert {row["n"] for row in means} == {"36"}


def test_files_that_are_not_the_released_ones_are_not_compared_with_the_papers(metadata, tmp_path):
    rows = write_center_csv(metadata, PUBLISHED, METRIC, tmp_path / "center.csv")
    assert not any(row["published"] for row in rows)
    noted = {(row["dataset"], row["split"], row["metric"]) for row in rows if "localization.txt" in row["erratum"]}
    assert noted == {("CUB", "test", "MaxBoxAcc"), ("CUB", "test", "MaxBoxAccV2"), ("ILSVRC", "test", "MaxBoxAccV2")}


def test_same_input_same_bytes(metadata, tmp_path):
    for name in ("a.csv", "b.csv"):
        write_center_csv(metadata, PUBLISHED, METRIC, tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_images_without_a_box_or_a_size_are_named(metadata):
    folder = metadata / "CUB" / "val"
    lines = (folder / "localization.txt").read_text().splitlines()
    (folder / "localization.txt").write_text("\n".join(line for line in lines if not line.startswith("7.jpg")))
    published, metric = (yaml.safe_load(path.read_text()) for path in (PUBLISHED, METRIC))
    with pytest.raises(DataError, match=r"7\.jpg has no box"):
        center_rows(metadata, published, metric["parameters"])
    (folder / "image_sizes.txt").write_text("")
    with pytest.raises(DataError, match="no image sizes"):
        center_rows(metadata, published, metric["parameters"])


def test_parameter_files_are_checked(metadata, tmp_path):
    published = yaml.safe_load(PUBLISHED.read_text())
    with pytest.raises(ParameterError, match="sgima"):
        center_rows(metadata, published | {"map": {"size": 224, "centre": 112, "sgima": 3}}, {})
    with pytest.raises(ParameterError, match="errata"):
        center_rows(metadata, published | {"errata": []}, {})
    with pytest.raises(ParameterError, match="no such"):
        write_center_csv(metadata, tmp_path / "none.yaml", METRIC, tmp_path / "center.csv")


def test_the_published_number_of_cub_comes_out(tmp_path):
    rows = write_center_csv(real_metadata(), PUBLISHED, METRIC, tmp_path / "center.csv")
    by_key = {(row["dataset"], row["split"], row["metric"]): row for row in rows}
    cub = by_key["CUB", "test", "MaxBoxAcc"]
    assert (cub["hits"], cub["n"], cub["value"], cub["published"], cub["erratum"]) == (
        "3460",
        "5794",
        "59.72",
        "59.7",
        "",
    )
    second = by_key["CUB", "test", "MaxBoxAccV2"]
    assert 56.8 <= float(second["value"]) <= 57.0
    assert second["published"] == "59.7"
    assert "MaxBoxAcc" in second["erratum"]
    ilsvrc = by_key["ILSVRC", "test", "MaxBoxAccV2"]
    assert ilsvrc["n"] == "150000"
    assert ilsvrc["value"] == "53.45"
    assert ilsvrc["published"] == "52.5"
    assert "first" in ilsvrc["erratum"]


def best_percent(centre: float, sigma: float, dataset: str, first_box_only: bool = False) -> np.ndarray:
    """Best accuracy at IoU 0.3, 0.5, 0.7 on the test split."""
    truth = read_released(real_metadata(), dataset, "test", with_labels=False)
    if first_box_only:
        first = np.flatnonzero(np.diff(truth.owners, prepend=-1))
        truth = replace(truth, boxes=truth.boxes[first], owners=truth.owners[first])
    score, grid = center_gaussian(224, centre, sigma), threshold_grid(1000)
    counts = hit_counts(
        score, frame_boxes(truth, 224), truth.owners, np.array([0.3, 0.5, 0.7]), "all", "exclusive", grid
    )
    return 100 * counts.max(axis=1) / len(truth.image_ids)


def test_no_centre_or_width_gives_the_printed_v2_of_cub():
    values = [best_percent(centre, sigma, "CUB").mean() for centre in (111.5, 112) for sigma in (28, 40, 56, 112)]
    assert 56.8 <= min(values) <= max(values) <= 57.0


def test_the_printed_v2_of_ilsvrc_is_iou_one_half_with_first_boxes_alone():
    assert best_percent(111.5, 56, "ILSVRC").mean() == pytest.approx(53.4, abs=0.05)
    first = best_percent(112, 56, "ILSVRC", first_box_only=True)
    assert f"{first[1]:.1f}" == "52.5"
    assert f"{first.mean():.1f}" == "51.6"


def test_neither_torch_nor_pandas_is_imported():
    code = "import sys, wsol.reports.center; sys.exit(bool({'torch', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
