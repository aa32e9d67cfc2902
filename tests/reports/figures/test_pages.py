"""The pages of figures A to E: which images, with which maps and outlines, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from wsol.attribution.store import write_maps
from wsol.data.cues import PartMap
from wsol.data.cues.synthetic import SyntheticTruth
from wsol.data.manifest import Manifest, Row
from wsol.data.synthetic.birds import HEAD, WING, attributes, class_name
from wsol.errors import DataError
from wsol.reports.figures import counterfactual, depths
from wsol.reports.figures.attribution_grid import attribution_page
from wsol.reports.figures.extract import counterfactual_maps, depth_maps
from wsol.reports.figures.store import read_figure_maps, write_figure_maps

SIZE = 16


def make_split(folder: Path, labels: list[int], hidden: tuple[int, ...] = ()) -> Manifest:
    """An image a label; part maps have head and wing, those in `hidden` no head."""
    rng = np.random.default_rng(0)
    rows = []
    for index, label in enumerate(labels):
        Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)).save(folder / f"{index}.png")
        parts = np.zeros((SIZE, SIZE), dtype=np.uint8)
        parts[2:6, 2:6] = 0 if index in hidden else HEAD
        parts[8:12, 4:10] = WING
        Image.fromarray(parts).save(folder / f"{index}.parts.png")
        rows.append(
            Row(
                image_id=f"bird_{index}",
                class_index=label,
                class_name=class_name(label),
                width=SIZE,
                height=SIZE,
                image=f"{index}.png",
                boxes=np.array([[2, 2, 10, 12]], dtype=np.float64),
                parts=f"{index}.parts.png",
            )
        )
    return Manifest.from_rows("synthbirds", "test", str(folder), max(labels) + 1, "boxes", rows)


def truth_of(manifest: Manifest) -> SyntheticTruth:
    classes = range(manifest.num_classes)
    entries = [
        {"index": i, "name": class_name(i), "wnid": None, "path": [], "attributes": attributes(i)} for i in classes
    ]
    return SyntheticTruth(manifest, entries)


def settings(kind: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": "calm_fig_x",
        "letter": "X",
        "kind": kind,
        "title": "Maps",
        "paper": "calm",
        "images": 3,
        "depths": 6,
        "scale": "smoke",
        "image_size": SIZE,
        "dataset": "synthbirds",
        "dataset_title": "Synthetic birds",
        "stands_in_for": "CUB",
        "synthetic": True,
        "superset_rule": "all",
        "cell": {"scale": "smoke", "dataset": "synthbirds", "backbone": "resnet50", "seed": 0},
        "columns": [
            {"label": "CAM", "method": "cam", "attribution": "cam", "options": {}},
            {"label": "CALM", "method": "calm_em", "attribution": "calm", "options": {}},
        ],
        **changes,
    }


def write_columns(folder: Path, manifest: Manifest, **changes: Any) -> list[Path]:
    """A map file for each column of `settings`: a bright corner, in raw values of a hundred for CAM."""
    rng = np.random.default_rng(1)
    files = []
    for method, attribution, scale in (("cam", "cam", 100.0), ("calm_em", "calm", 0.01)):
        path = folder / f"{method}.safetensors"
        maps = scale * rng.uniform(-1 if method == "cam" else 0, 1, (len(manifest), 4, 4))
        cell = {**settings("attribution")["cell"], "method": method, **changes}
        write_maps(
            path, maps, manifest.image_ids, None, size=SIZE, cell=cell, attribution=attribution, split=manifest.split
        )
        files.append(path)
    return files


def test_maps_of_different_units_are_drawn_on_one_scale(tmp_path: Path) -> None:
    manifest = make_split(tmp_path, [0, 0, 1, 1, 2, 2])
    page = attribution_page(settings("attribution"), manifest, write_columns(tmp_path, manifest))
    assert [row.label for row in page.rows] == [class_name(0), class_name(1), class_name(2)]
    assert page.headings == ["image", "CAM", "CALM"]
    for row in page.rows:
        assert {panel.limits for panel in row.panels} == {(0.0, 1.0)}
        for panel in row.panels:
            assert (panel.values.min(), panel.values.max()) == (0.0, 1.0)
        assert row.boxes == [[2.0, 2.0, 10.0, 12.0]]
    for word in ("Synthetic birds", "synthetic data", "in place of CUB", "scale smoke", "split test", "resnet50"):
        assert word in page.title
    assert "all classes" in page.caption


def test_a_missing_or_wrong_map_file_is_named(tmp_path: Path) -> None:
    manifest = make_split(tmp_path, [0, 1, 2])
    files = write_columns(tmp_path, manifest)
    with pytest.raises(DataError, match=r"absent.safetensors: no such file"):
        attribution_page(settings("attribution"), manifest, [files[0], tmp_path / "absent.safetensors"])
    with pytest.raises(DataError, match=r"calm_em.safetensors: of method 'calm_em' for the column of 'cam'"):
        attribution_page(settings("attribution"), manifest, files[::-1])
    other = write_columns(tmp_path, manifest, backbone="vgg16")
    with pytest.raises(DataError, match="of backbone 'vgg16' for the column of 'resnet50'"):
        attribution_page(settings("attribution"), manifest, other)
    with pytest.raises(DataError, match="missing"):
        attribution_page(settings("attribution"), make_split(tmp_path, [0, 1, 2, 2]), write_columns(tmp_path, manifest))


def test_a_pair_is_shown_on_an_image_with_all_differing_parts(tmp_path: Path) -> None:
    # Of the four images of class 0 the last two hide the head, and the search starts at the third.
    manifest = make_split(tmp_path, [0, 0, 0, 0, 1, 1], hidden=(2, 3))
    (row,), (region,) = counterfactual.choose_rows(settings("counterfactual"), manifest, truth_of(manifest))
    assert region.sum() == region[2:6, 2:6].sum() == 16
    assert row["classes"] == [0, 1]
    assert row["parts"] == ["head"]
    assert row["image_id"] == "bird_0"
    assert row["other_id"] == "bird_5"
    with pytest.raises(DataError, match="no pair of classes"):
        headless = make_split(tmp_path, [0, 1], hidden=(0,))
        counterfactual.choose_rows(settings("counterfactual"), headless, truth_of(headless))


def test_differing_parts_are_outlined_and_limits_are_symmetric(tmp_path: Path) -> None:
    # Classes 0 and 1 differ in the head alone, 1 and 2 in head and wing.
    manifest = make_split(tmp_path, [0, 1, 2])
    rows, regions = counterfactual.choose_rows(settings("counterfactual"), manifest, truth_of(manifest))
    assert [row["parts"] for row in rows] == [["head"], ["head", "wing"]]
    drawn = [np.array([[0.5, -1.5], [0, 0]]), np.array([[1e-3, 0], [0, -2e-4]])]
    maps = [[*drawn, region] for region in regions]
    page = counterfactual.counterfactual_page(settings("counterfactual"), manifest, rows, maps)
    head, both = (row.region for row in page.rows)
    assert head is not None
    assert both is not None
    assert (head.sum(), both.sum()) == (16, 16 + 24)
    assert head[2:6, 2:6].all()
    for row, row_of in zip(page.rows, rows, strict=True):
        assert [panel.limits for panel in row.panels] == [(-1.5, 1.5), (-1e-3, 1e-3)]
        assert [panel.note for panel in row.panels] == ["±1.5", "±0.001"]
        assert row.pictures[0].title == f"A: {class_name(row_of['classes'][0])}"
    assert [row.label for row in page.rows] == ["1 part: head", "2 parts: head, wing"]
    page.check("figure")


def test_a_data_set_without_part_masks_is_refused(tmp_path: Path) -> None:
    manifest = make_split(tmp_path, [0, 1])
    manifest.parts[0] = None
    with pytest.raises(DataError, match="image 'bird_0' has no part map"):
        counterfactual.choose_rows(settings("counterfactual"), manifest, truth_of(manifest))


class FeetAndWings:
    """Parts of another data set than the rendered one: two classes that differ in part 2."""

    parts = ("wing", "leg")

    def traits(self, class_index: int) -> dict[str, Any]:
        return {"wing": "red", "leg": class_index}

    def part_map(self, index: int, size: int) -> PartMap:
        labels = np.zeros((size, size), dtype=np.uint8)
        labels[:2] = 1
        labels[-3:, :4] = 2
        return PartMap(labels, frozenset({1, 2}))


def test_the_parts_are_those_of_the_data_set(tmp_path: Path) -> None:
    (row,), (region,) = counterfactual.choose_rows(
        settings("counterfactual"), make_split(tmp_path, [0, 1]), FeetAndWings()
    )
    assert row["parts"] == ["leg"]
    assert region.sum() == region[-3:, :4].sum() == 12


def test_maps_of_growing_supersets_share_the_limits_of_their_row(tmp_path: Path) -> None:
    manifest = make_split(tmp_path, [0, 1, 2])
    classes = [
        {"index": index, "name": name, "wnid": None, "path": path}
        for index, (name, path) in enumerate([("wren", ["bird"]), ("robin", ["bird"]), ("cat", ["mammal"])])
    ]
    by_depth = depths.supersets_by_depth(classes, "hierarchy")
    rows = depths.choose_rows(settings("depths"), manifest, by_depth)
    assert [[one["label"] for one in row["supersets"]] for row in rows] == [
        ["wren alone", "bird (2 classes)", "all classes (3 classes)"],
        ["robin alone", "bird (2 classes)", "all classes (3 classes)"],
        ["cat alone", "all classes (3 classes)"],
    ]
    maps = [[np.full((2, 2), 0.05 * (place + 1)) for place in range(len(row["supersets"]))] for row in rows]
    page = depths.depths_page(settings("depths"), manifest, rows, maps)
    for row, top in zip(page.rows, (0.15, 0.15, 0.1), strict=True):
        assert len({panel.limits for panel in row.panels}) == 1
        assert row.panels[0].limits == (0.0, pytest.approx(top))
    assert [panel.title for panel in page.rows[2].panels] == ["cat alone", "all classes (3 classes)"]
    assert page.rows[2].panels[1].note == r"$\Sigma$ = 0.40"
    page.check("figure")


class FourClasses(torch.nn.Module):
    """Maps (B, 4, h, w): the colour channels and their sum, on a grid of 4."""

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(images, images.shape[-1] // 4)

    def class_maps(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat([features, features.sum(1, keepdim=True)], 1)

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        return self.class_maps(features).mean((2, 3))


def test_counterfactual_maps_are_differences_of_the_classes_maps() -> None:
    images = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    found = counterfactual_maps(FourClasses(), images, [(0, 1), (3, 2)], "cam", {})
    pooled = images.reshape(2, 3, 4, 4, 4, 4).mean((3, 5)).numpy()
    np.testing.assert_allclose(found[0], pooled[0, 0] - pooled[0, 1], atol=1e-6)
    np.testing.assert_allclose(found[1], pooled[1, 0] + pooled[1, 1], atol=1e-6)
    assert found.dtype == np.float32


def test_depth_maps_add_up_the_superset() -> None:
    images = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    everyone = {index: [0, 1, 2, 3] for index in range(4)}
    alone = {index: [index] for index in range(4)}
    found = depth_maps(FourClasses(), images, [1], [everyone, alone], "cam", {})
    pooled = images.reshape(1, 3, 4, 4, 4, 4).mean((3, 5)).numpy()[0]
    layers = [*pooled, pooled.sum(0)]
    scaled = [(layer - layer.min()) / (layer.max() - layer.min()) for layer in layers]
    np.testing.assert_allclose(found[0, 0], sum(scaled), atol=1e-5)
    np.testing.assert_allclose(found[1, 0], scaled[1], atol=1e-5)


def test_figure_maps_come_back_and_know_their_figure_and_images(tmp_path: Path) -> None:
    manifest = make_split(tmp_path, [0, 1, 2])
    path = tmp_path / "calm_fig_a.safetensors"
    maps = [[np.ones((2, 2), np.float32), np.zeros((4, 4), np.float32)], [np.full((2, 2), 3, np.float32)]]
    rows = [{"image": 1, "image_id": "bird_1"}, {"image": 2, "image_id": "bird_2"}]
    write_figure_maps(path, "calm_fig_a", rows, maps)
    found_rows, found = read_figure_maps(path, "calm_fig_a", manifest)
    assert found_rows == rows
    for one, other in zip(maps, found, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)
    with pytest.raises(DataError, match="holds maps of figure 'calm_fig_a', not of 'calm_fig_e'"):
        read_figure_maps(path, "calm_fig_e", manifest)
    with pytest.raises(DataError, match="image 'bird_2' is not at row 2"):
        read_figure_maps(path, "calm_fig_a", make_split(tmp_path, [0, 1]))
    with pytest.raises(DataError, match=r"absent.safetensors: no such file"):
        read_figure_maps(tmp_path / "absent.safetensors", "calm_fig_a", manifest)
