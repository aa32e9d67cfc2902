"""The pages of F-CAM's figures of maps: which images, with which cuts, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsol.attribution.store import write_maps
from wsol.data.manifest import Manifest, Row
from wsol.errors import DataError
from wsol.files import write_json
from wsol.metrics.oracle import boxes_at
from wsol.reports.figures.draw import DPI, WIDTH
from wsol.reports.figures.localisation import OUTCOME_COLOURS, localisation_page
from wsol.reports.figures.regions import above_chance
from wsol.reports.figures.tiles import draw_tiles
from wsol.reports.pictures import PREDICTED_COLOUR, TRUE_COLOUR

SIZE = 16
BOX = (2, 4, 10, 12)


def make_split(folder: Path, localisation: str, labels: list[int]) -> Manifest:
    """An image a label, its object the same square everywhere."""
    rng = np.random.default_rng(0)
    mask = np.zeros((SIZE, SIZE), dtype=np.uint8)
    mask[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 255
    rows = []
    for index, label in enumerate(labels):
        name = f"{localisation}{index}"
        Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)).save(folder / f"{name}.png")
        Image.fromarray(mask).save(folder / f"{name}.mask.png")
        truth: dict[str, Any] = (
            {"boxes": np.array([BOX], dtype=np.float64)} if localisation == "boxes" else {"masks": [f"{name}.mask.png"]}
        )
        rows.append(Row(name, label, f"class {label}", SIZE, SIZE, f"{name}.png", **truth))
    return Manifest.from_rows(localisation, "test", str(folder), max(labels) + 1, localisation, rows)


def place(dataset: str, backbone: str = "resnet50") -> dict[str, Any]:
    return {
        "dataset": dataset,
        "dataset_title": f"Data of {dataset}",
        "stands_in_for": "CUB",
        "synthetic": True,
        "cell": {"scale": "smoke", "dataset": dataset, "backbone": backbone, "seed": 0},
    }


def settings(*places: dict[str, Any], kind: str = "localisation", groups: tuple[str, ...] = ("cam",)) -> dict[str, Any]:
    columns = [
        {"group": group, "role": role, "label": f"{group} {role}", "method": method, "attribution": attribution}
        for group in groups
        for role, method, attribution in (("baseline", "cam", group), ("ours", f"fcam_{group}", "fcam"))
    ]
    return {
        "name": "fcam_fig_x",
        "letter": "X",
        "kind": kind,
        "title": "Maps",
        "paper": "fcam",
        "images": 2,
        "scale": "smoke",
        "image_size": SIZE,
        "places": list(places),
        "columns": columns,
        "left_out": ["LayerCAM"],
    }


def write_cells(folder: Path, found: dict[str, Any], manifests: dict[str, Manifest]) -> tuple[list[Path], list[Path]]:
    """Maps and scores a cell: ours are probabilities, the higher the nearer they come to the object."""
    rng = np.random.default_rng(1)
    maps, scores = [], []
    for where in found["places"]:
        manifest = manifests[where["dataset"]]
        for column in found["columns"]:
            cell, ours = {**where["cell"], "method": column["method"]}, column["role"] == "ours"
            stem = folder / "-".join((*map(str, cell.values()), column["attribution"]))
            values = rng.uniform(0, 0.5, (len(manifest), SIZE, SIZE))
            for index in range(len(manifest) if ours else 0):
                # The later the image, the more rows of the object are found.
                values[index, BOX[1] : BOX[1] + 1 + index, BOX[0] : BOX[2]] = 0.9
            path = stem.with_suffix(".safetensors")
            order = "as-is" if ours else "resize-normalize"
            what = {"cell": cell, "attribution": column["attribution"], "split": "test", "order": order}
            write_maps(path, values, manifest.image_ids, None, size=SIZE, **what)
            maps.append(path)
            score = {"cell": cell | {"attribution": column["attribution"]}}
            score |= {"thresholds": {"MaxBoxAcc": 0.6} if manifest.localisation == "boxes" else {}}
            write_json(stem.with_suffix(".json"), score)
            scores.append(stem.with_suffix(".json"))
    return maps, scores


@pytest.fixture
def splits(tmp_path: Path) -> dict[str, Manifest]:
    return {name: make_split(tmp_path, name, [0, 0, 1, 1]) for name in ("boxes", "masks")}


def test_data_sets_stand_beside_each_other_and_groups_and_backbones_below(
    tmp_path: Path, splits: dict[str, Manifest]
) -> None:
    wide = [place(name, backbone) for name in ("boxes", "masks") for backbone in ("resnet50", "vgg16")]
    found = settings(*wide, groups=("cam", "gradcam"))
    page = localisation_page(found, list(splits.values()), *write_cells(tmp_path, found, splits))
    groups = [f"{backbone}, {group}" for backbone in ("resnet50", "vgg16") for group in ("cam", "gradcam")]
    assert [row.group for row in page.rows] == [group for group in groups for _ in range(2)]
    assert {len(row.tiles) for row in page.rows} == {10}
    assert "Data of masks (synthetic data, in place of CUB)" in page.blocks[1]
    assert "LayerCAM" in page.caption
    assert "τ of its maximum" in page.caption
    assert "score 0.8 and above" in page.caption
    draw_tiles(page, tmp_path / "a.png", tmp_path / "a.pdf")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == int(WIDTH * DPI)
        assert picture.height <= 23 / 2.54 * DPI + 1


def test_the_box_drawn_is_that_of_the_metric_and_the_true_one_is_beside_it(
    tmp_path: Path, splits: dict[str, Manifest]
) -> None:
    found = settings(place("boxes"))
    page = localisation_page(found, [splits["boxes"]], *write_cells(tmp_path, found, splits))
    assert [row.label for row in page.rows] == ["class 0", "class 1"]
    for row, index in zip(page.rows, (1, 3), strict=True):
        image, _, _, _, ours = row.tiles
        assert image.boxes == [(*map(float, BOX), TRUE_COLOUR)]
        score = np.zeros((SIZE, SIZE))
        score[BOX[1] : BOX[1] + 1 + index, BOX[0] : BOX[2]] = 0.9
        expected = boxes_at(score, 0.6, "largest")[0]
        assert ours.boxes == [(*map(float, BOX), TRUE_COLOUR), (*map(float, expected), PREDICTED_COLOUR)]
        assert ours.note.startswith("τ 0.60, IoU 0.")


def test_pixels_found_missed_and_false_have_their_colours(tmp_path: Path, splits: dict[str, Manifest]) -> None:
    found = settings(place("masks"))
    page = localisation_page(found, [splits["masks"]], *write_cells(tmp_path, found, splits))
    image, _, _, _, ours = page.rows[0].tiles
    assert image.region is not None
    assert image.region.sum() == 64
    # Image 1: two of the object's eight rows.
    assert ours.note == "IoU 0.25"
    tinted = ours.image.astype(int)
    for colour, region in (
        (OUTCOME_COLOURS[1], tinted[BOX[1] : BOX[1] + 2, BOX[0] : BOX[2]]),
        (OUTCOME_COLOURS[2], tinted[BOX[1] + 2 : BOX[3], BOX[0] : BOX[2]]),
    ):
        wanted = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
        order = np.argsort(wanted)
        assert (np.diff(region[..., order], axis=-1) >= 0).all()
    outside = tinted[0]
    assert (outside == outside[:, :1]).all()


@pytest.mark.parametrize("dataset", ["boxes", "masks"])
def test_failures_are_the_images_of_lowest_score(tmp_path: Path, splits: dict[str, Manifest], dataset: str) -> None:
    found = settings(place(dataset), kind="failures")
    page = localisation_page(found, [splits[dataset]], *write_cells(tmp_path, found, splits))
    # By construction the first image is the worst, then the second, whose classes are one.
    assert [row.label.partition("\n")[0] for row in page.rows] == ["class 0", "class 0"]
    first, second = (float(row.label.partition("\n")[2]) for row in page.rows)
    assert first < second
    if dataset == "masks":
        mask = np.zeros((SIZE, SIZE), dtype=np.uint8)
        mask[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 1
        from wsol.attribution.store import read_maps

        path = tmp_path / "smoke-masks-resnet50-0-fcam_cam-fcam.safetensors"
        assert first == pytest.approx(above_chance(read_maps(path).maps[0].astype(float), mask), abs=0.006)
        assert "lowest, the lowest first" in page.caption


def test_files_of_another_cell_or_number_are_refused(tmp_path: Path, splits: dict[str, Manifest]) -> None:
    found = settings(place("boxes"), groups=("cam", "gradcam"))
    maps, scores = write_cells(tmp_path, found, splits)
    manifests = [splits["boxes"]]
    with pytest.raises(DataError, match="3 map files and 4 score files for 4 cells"):
        localisation_page(found, manifests, maps[1:], scores)
    with pytest.raises(DataError, match=r"of method 'fcam_cam' for the column of 'cam'"):
        localisation_page(found, manifests, [maps[1], maps[0], *maps[2:]], scores)
    with pytest.raises(DataError, match=r"json: of attribution 'gradcam' for the column of 'cam'"):
        localisation_page(found, manifests, maps, [scores[2], *scores[1:]])
