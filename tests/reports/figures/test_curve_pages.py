"""Figures of curves: what is drawn, the numbers beside it, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsol.attribution.store import write_maps
from wsol.data.manifest import Manifest, Row
from wsol.errors import DataError
from wsol.reports.figures.activation_curves import activation_page
from wsol.reports.figures.convergence import convergence_page
from wsol.reports.figures.curve_page import COLUMNS, CurvePage, Line, Number, Panel, numbers_csv
from wsol.reports.figures.draw_curves import draw_curves
from wsol.reports.figures.draws import draws_page
from wsol.reports.figures.resolution import resolution_page, resolution_pictures
from wsol.reports.figures.searched import search_page
from wsol.reports.figures.threshold_curves import curve_of, threshold_page
from wsol.training.kept import kept_epoch

SIZE = 16


def settings(kind: str, seeds: tuple[int, ...] = (0,), **changes: Any) -> dict[str, Any]:
    """One panel with the lines of two methods."""
    lines = [
        {"label": "baseline", "method": "cam", "attribution": "cam", "checkpoint": "last", "metric": "MaxBoxAccV2"},
        {
            "label": "baseline + F-CAM",
            "method": "fcam_cam",
            "attribution": "fcam",
            "checkpoint": "best",
            "metric": "MaxBoxAccV2",
        },
    ]
    return {
        "name": "fcam_fig_x",
        "number": "X",
        "kind": kind,
        "title": "Curves",
        "paper": "fcam",
        "source": "here",
        "factors": [],
        "images": 2,
        "scale": "smoke",
        "image_size": SIZE,
        "seeds": list(seeds),
        "datasets": [
            {
                "dataset": "birds",
                "dataset_title": "Synthetic birds",
                "stands_in_for": "CUB",
                "synthetic": True,
                "localisation": "boxes",
                "headline_metric": "MaxBoxAccV2",
            }
        ],
        "panels": [{"row": "CAM", "dataset": "birds", "backbone": "resnet50", "lines": lines}],
        "left_out": ["GradCAM"],
        **changes,
    }


def cell(method: str, seed: int = 0) -> dict[str, Any]:
    return {"scale": "smoke", "dataset": "birds", "backbone": "resnet50", "method": method, "seed": seed}


def write_scores(folder: Path, curves: dict[tuple[str, int], Any], name: str = "MaxBoxAcc") -> list[Path]:
    files = []
    for (method, seed), curve in curves.items():
        path = folder / f"{method}.{seed}.json"
        attribution = "fcam" if method == "fcam_cam" else method
        document = {
            "cell": {**cell(method, seed), "attribution": attribution},
            "split": "test",
            "curves": {name: curve},
        }
        path.write_text(json.dumps(document))
        files.append(path)
    return files


def values(page: CurvePage, method: str) -> dict[str, Any]:
    return {number.quantity: list(number.values) for number in page.numbers if number.method == method}


def test_box_curves_have_a_line_a_seed_and_their_width(tmp_path: Path) -> None:
    peak, flat = [10.0, 80.0, 10.0, 0.0], [70.0, 72.0, 71.0, 0.0]
    runs = {("cam", 0): peak, ("cam", 1): [0.0] * 4, ("fcam_cam", 0): flat, ("fcam_cam", 1): flat}
    page = threshold_page(settings("thresholds", (0, 1)), write_scores(tmp_path, runs))
    panel = page.rows[0][0]
    assert [(line.label, line.look) for line in panel.lines] == [("baseline", 0)] * 2 + [("baseline + F-CAM", 1)] * 2
    assert panel.lines[0].x == [0.0, 0.25, 0.5, 0.75]
    assert panel.lines[0].y == peak
    assert values(page, "fcam_cam") == {
        "near_best": [0.75, 0.75],
        "best": [72.0, 72.0],
        "best_threshold": [0.25, 0.25],
    }
    assert values(page, "cam")["near_best"] == [0.25, None]
    for words in ("F-CAM, figure X", "in place of CUB", "split test", "scale smoke", "seeds 0, 1"):
        assert words in page.title
    assert "Not at this scale: GradCAM." in page.caption


def test_mask_curves_are_precision_against_recall() -> None:
    curve = {"precision": [0.2, 0.5, 1.0, None], "recall": [1.0, 0.8, 0.4, 0.0], "thresholds": [0.0, 0.3, 0.6, 1.0]}
    recall, precision, shape, thresholds = curve_of({"cell": {}, "curves": {"PxAP": curve}})
    assert recall == [100.0, 80.0, 40.0, 0.0]
    assert precision == [20.0, 50.0, 100.0, None]
    assert thresholds == [0.0, 0.3, 0.6]
    assert shape == pytest.approx([100 * 2 * 0.2 / 1.2, 100 * 2 * 0.5 * 0.8 / 1.3, 100 * 2 * 0.4 / 1.4])
    with pytest.raises(DataError, match="neither MaxBoxAcc nor PxAP"):
        curve_of({"cell": {}, "curves": {}})


def test_files_of_another_cell_are_refused(tmp_path: Path) -> None:
    files = write_scores(tmp_path, {("cam", 0): [1.0], ("fcam_cam", 0): [1.0]})
    with pytest.raises(DataError, match=r"fcam_cam.0.json: scores of"):
        threshold_page(settings("thresholds"), files[::-1])
    maps = tmp_path / "maps.safetensors"
    write_maps(maps, np.zeros((2, 4, 4)), ["a", "b"], None, size=SIZE, cell=cell("cam"), attribution="x", split="test")
    with pytest.raises(DataError, match=r"maps.safetensors: maps of"):
        activation_page(settings("activations"), [maps, maps])


def test_activations_are_those_of_the_scored_maps(tmp_path: Path) -> None:
    ids = [f"i{index}" for index in range(70)]  # more than a block
    rng = np.random.default_rng(0)
    raw = 100 * rng.random((70, SIZE, SIZE), dtype=np.float32)
    sure = np.where(raw > 50, np.float32(0.97), np.float32(0.02))
    files = []
    for maps, method, attribution, order in (
        (raw, "cam", "cam", "resize-normalize"),
        (sure, "fcam_cam", "fcam", "as-is"),
    ):
        files.append(tmp_path / f"{method}.safetensors")
        about = {"cell": cell(method), "attribution": attribution, "split": "test"}
        write_maps(files[-1], maps, ids, None, size=SIZE, order=order, **about)
    page = activation_page(settings("activations"), files)
    low, high = raw.min(axis=(1, 2), keepdims=True), raw.max(axis=(1, 2), keepdims=True)
    normalised = (raw.astype(float) - low) / (high - low.astype(float))
    assert values(page, "cam")["above_0.9"] == [pytest.approx((normalised >= 0.9).mean(), abs=1e-9)]
    assert values(page, "fcam_cam")["above_0.9"] == [pytest.approx((raw > 50).mean())]
    assert values(page, "fcam_cam")["below_0.1"] == [pytest.approx((raw <= 50).mean())]
    assert values(page, "fcam_cam")["rise_to_one"] == [None]
    drawn = [value for value in page.rows[0][0].lines[1].y if value is not None]
    assert sum(drawn) == pytest.approx(1.0)
    assert len(drawn) == 2  # empty bins leave gaps


def test_the_ring_is_on_the_epoch_whose_weights_are_kept(tmp_path: Path) -> None:
    localisation = [10.0, 40.0, 40.0, 30.0]
    history = [{"epoch": float(e), "val_accuracy": 5.0 * e, "val_localisation": v} for e, v in enumerate(localisation)]
    assert kept_epoch(history, "best") == 1  # the first of equals
    assert kept_epoch(history, "last") == 3
    path = tmp_path / "train.csv"
    lines = [f"{row['epoch']:g},{row['val_accuracy']},{row['val_localisation']}" for row in history]
    path.write_text("\n".join(["epoch,val_accuracy,val_localisation", *lines]) + "\n")
    page = convergence_page(settings("convergence"), [path, path])
    classifier, _, decoder, _ = page.rows[0][0].lines
    assert page.rows[0][0].y_label == "top-1 and MaxBoxAccV2, %"
    assert (classifier.marks, decoder.marks) == ([3], [1])
    assert values(page, "fcam_cam") == {
        "selected_epoch": [1],
        "selected_classification": [5.0],
        "selected_localisation": [40.0],
        "best_localisation": [40.0],
    }
    path.write_text("epoch,val_accuracy,val_localisation\n0,,3\n")
    with pytest.raises(DataError, match=r"train.csv: an epoch lacks"):
        convergence_page(settings("convergence"), [path, path])


def test_draws_of_a_value_are_averaged_and_unfinished_ones_left_out(tmp_path: Path) -> None:
    path = tmp_path / "draws.csv"
    head = "draw,rank,status,epoch,val_localisation,val_accuracy,options.background,reason"
    rows = ["0,2,finished,1,40,9,0.6,", "1,1,finished,1,60,9,0.6,", "2,3,finished,1,30,9,0.1,", "3,4,failed,,,,0.3,oom"]
    path.write_text("\n".join([head, *rows]) + "\n")
    chosen = settings("search", option="options.background", symbol="n⁻")
    chosen["panels"][0]["lines"] = chosen["panels"][0]["lines"][1:]
    page = search_page(chosen, [path])
    runs, means = page.rows[0][0].lines
    assert (page.rows[0][0].x_label, page.rows[0][0].y_label) == ("n⁻", "MaxBoxAccV2, %")
    assert (list(runs.x), list(runs.y), runs.dots) == ([0.6, 0.6, 0.1], [40.0, 60.0, 30.0], True)
    assert (list(means.x), list(means.y)) == ([0.1, 0.6], [30.0, 50.0])
    assert [(number.at, list(number.values)) for number in page.numbers] == [("0.1", [30.0]), ("0.6", [40.0, 60.0])]
    assert "seed" not in page.title
    path.write_text("\n".join([head.replace("options.background", "learning_rate"), *rows]) + "\n")
    with pytest.raises(DataError, match="draws of learning_rate"):
        search_page(chosen, [path])


@pytest.mark.parametrize(("share", "chosen", "value"), [(None, 75.0, "1e-05"), (0.9, 57.0, "0.002")])
def test_draws_show_both_measures_and_the_one_that_was_chosen(
    tmp_path: Path, share: float | None, chosen: float, value: str
) -> None:
    path = tmp_path / "draws.csv"
    head = "draw,rank,status,epoch,val_localisation,val_accuracy,learning_rate,options.patch,reason"
    rows = ["0,4,finished,1,40,80,0.2,3,", "1,1,finished,1,75,29,0.00001,3,", "2,5,failed,,,,0.9,3,loss is nan"]
    rows += ["3,2,finished,1,57,92,0.002,4,", "4,3,finished,1,57,91,0.03,5,"]  # equal, so the earlier
    path.write_text("\n".join([head, *rows]) + "\n")
    described = settings("draws", option="learning_rate", least_accuracy=share)
    described["panels"][0]["lines"] = described["panels"][0]["lines"][:1]
    page = draws_page(described, [path])
    assert (page.rows[0][0].title, page.rows[0][0].y_label) == ("CAM, birds (MaxBoxAccV2)", "%")
    accuracy, localisation = page.rows[0][0].lines
    assert (list(localisation.x), list(localisation.y)) == ([0.2, 1e-5, 0.002, 0.03], [40.0, 75.0, 57.0, 57.0])
    assert list(accuracy.y) == [80.0, 29.0, 92.0, 91.0] and page.rows[0][0].logarithmic_x
    assert list(accuracy.marks) == list(localisation.marks) == [float(value)]
    numbers = {number.quantity: (list(number.values), number.at) for number in page.numbers}
    assert numbers["chosen_localisation"] == ([chosen], value)
    assert numbers["highest_accuracy"] == ([29.0], "1e-05") and numbers["median_localisation"] == ([57.0], "")
    assert ("0.9 of the highest" in page.caption) == (share is not None)
    page.check("draws")
    draw_curves(page, tmp_path / "draws.png", tmp_path / "draws.pdf")
    assert Image.open(tmp_path / "draws.png").width == 1472
    with pytest.raises(DataError, match=r"options\.side was not searched"):
        draws_page({**described, "option": "options.side"}, [path])


def make_masks(folder: Path) -> Manifest:
    rows = []
    for index in range(4):
        Image.fromarray(np.full((SIZE, SIZE, 3), 90, dtype=np.uint8)).save(folder / f"{index}.png")
        mask = np.zeros((SIZE, SIZE), dtype=np.uint8)
        mask[2 : 6 + index, 3:10] = 255
        Image.fromarray(mask).save(folder / f"{index}.mask.png")
        rows.append(
            Row(
                image_id=f"object_{index}",
                class_index=index % 2,
                class_name=f"class {index % 2}",
                width=SIZE,
                height=SIZE,
                image=f"{index}.png",
                masks=(f"{index}.mask.png",),
            )
        )
    return Manifest.from_rows("objects", "test", str(folder), 2, "masks", rows)


def test_the_bound_needs_masks_alone_and_leaves_out_factors_above_the_side(tmp_path: Path) -> None:
    chosen = settings("resolution", panels=[], factors=[1, 2, 8, 32])
    chosen["datasets"][0] |= {"dataset": "objects", "localisation": "masks"}
    manifest = make_masks(tmp_path)
    page = resolution_page(chosen, manifest)
    assert page.rows[0][0].lines[0].x == [1, 2, 8]
    whole, half, eighth = (number.values[0] or 0.0 for number in page.numbers)
    assert whole == 100.0
    assert whole >= half > eighth > 0
    assert [number.at for number in page.numbers] == ["1", "2", "8"]
    assert "seed" not in page.title
    pictures, numbers = resolution_pictures({**chosen, "factors": [8]}, manifest)
    pictures.check("x")
    assert pictures.headings == ["image", "z = 8: low", "upscaled"]
    assert [row.label for row in pictures.rows] == ["class 0", "class 1"]
    assert len(set(np.unique(pictures.rows[0].panels[0].values))) <= 4  # a 2 × 2 map in blocks
    assert len(numbers) == 2


def test_numbers_are_means_over_seeds_and_undefined_where_a_seed_has_none() -> None:
    where = ("birds", "vgg16", "cam", "cam")
    text = numbers_csv([Number(*where, "best", [1.0, 2.0]), Number(*where, "width", [1.0, None], at="3")])
    first, second = csv.DictReader(io.StringIO(text))
    assert tuple(first) == COLUMNS
    assert (first["value"], first["std"], first["n_seeds"], first["status"]) == (
        "1.500000",
        "0.707107",
        "2",
        "measured",
    )
    assert (second["at"], second["value"], second["status"]) == ("3", "", "undefined")


def test_the_same_page_gives_the_same_bytes_at_print_size(tmp_path: Path) -> None:
    lines = [Line([0, 1, 2], [1.0, None, 3.0], "a", 0, marks=[2]), Line([0, 1, 2], [2.0, 2.0, 2.0], "b", 1)]
    page = CurvePage("Title", "Caption. " * 40, [[Panel("p", "x", "y", lines, whole_x=True)]] * 6)
    for name in ("a", "b"):
        draw_curves(page, tmp_path / f"{name}.png", tmp_path / f"{name}.pdf")
    for kind in ("png", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        width, height = (side / 220 * 2.54 for side in image.size)
    assert width == pytest.approx(17, abs=0.05)
    assert height < 23.05
    uneven = CurvePage("t", "c", [[Panel("p", "x", "y", [Line([0], [1.0, 2.0], "a", 0)])]])
    with pytest.raises(DataError, match="1 places and 2 values"):
        draw_curves(uneven, tmp_path / "c.png", tmp_path / "c.pdf")
