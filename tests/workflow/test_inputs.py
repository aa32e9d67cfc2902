"""What the tables show, from which the pictures and curves of a scale follow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from wsol.config import paths
from wsol.config.method import load_method
from wsol.config.scale import load_scale
from wsol.reports.catalogue import table_specs
from wsol.testing.parameters import forget
from wsol.workflow import inputs
from wsol.workflow.targets import Targets

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shutil.copytree(REPO / "params", tmp_path / "params")
    (tmp_path / "workflow").symlink_to(REPO / "workflow")
    monkeypatch.chdir(tmp_path)
    forget()
    yield tmp_path
    forget()


def rows_of_tables() -> set[tuple[str, str, str]]:
    """(method, attribution, paper's data set) of every row of a table that is measured, read without the package."""
    found = set()
    for path in Path("params/papers").glob("*/*.yaml"):
        content = yaml.safe_load(path.read_text())
        if {"id", "rows", "columns"} <= set(content):
            datasets = {group["dataset"] for group in content["columns"]["groups"]}
            rows = [(row["method"], row.get("attribution", "")) for row in content["rows"] if row.get("method")]
            found |= {(*row, dataset) for row in rows for dataset in datasets}
    return found


@pytest.mark.parametrize("scale", ["smoke", "demo", "small"])
def test_what_the_tables_show_is_every_row_that_the_scale_has_on_the_tables_data_sets(scale: str) -> None:
    view = load_scale(scale)
    expected = {
        (cell, attribution)
        for named, attribution, dataset in rows_of_tables()
        if (method := view.method_here(named)) in view.methods and attribution in load_method(method)["attributions"]
        for cell in view.cells(method)
        if cell.dataset == view.stand_ins[dataset]
    }
    found = inputs.tabled(scale)
    assert len(found) == len(set(found)), "a cell in two tables is shown once"
    assert set(found) == expected
    assert not [cell for cell, _ in found if cell.dataset == "synthmix" or cell.method == "pretraining"]


def test_they_come_in_the_order_of_the_rows_and_lack_what_the_scale_lacks() -> None:
    shown = list(dict.fromkeys(pair for cell, name in inputs.tabled("small") if (pair := (cell.method, name))))
    spec = yaml.safe_load(table_specs()["tableB"].read_text())
    rows = [(row["method"], row["attribution"]) for row in spec["rows"] if row.get("method")]
    assert [pair for pair in shown if pair in rows] == [pair for pair in dict.fromkeys(rows) if pair in shown]
    assert {cell.method for cell, _ in inputs.tabled("smoke")} <= set(load_scale("smoke").methods)
    assert {cell.method for cell, _ in inputs.tabled("photos")} == {"cam", "center"}


def test_pictures_show_the_tables_first_backbone_and_seed_and_curves_all_networks() -> None:
    view = load_scale("small")
    shown = inputs.shown_maps(SimpleNamespace(scale="small", dataset="synthnet"))
    expected = [
        paths.maps_path(cell, name, "test")
        for cell, name in inputs.tabled("small", pictured=True)
        if cell.dataset == "synthnet" and cell.backbone in (view.backbones[0], "none") and cell.seed == 0
    ]
    assert shown == expected and len(shown) > 10
    assert len(inputs.shown_scores(SimpleNamespace(scale="small", dataset="synthnet"))) == len(shown)
    assert inputs.picture_pages(SimpleNamespace(scale="small")) == [
        f"reports/small/pictures/{name}.png" for name in ("synthbirds", "synthobjects", "synthnet")
    ]
    histories = Targets("small").histories
    assert len(histories) == len(set(histories))
    cells = {cell for cell, _ in inputs.tabled("small", pictured=True)}
    assert set(histories) == {paths.history_path(cell) for cell in cells if cell.backbone != paths.NO_BACKBONE}


def test_supersets_are_made_of_what_is_measured_and_manifests_of_everything() -> None:
    targets = Targets("smoke")
    assert not [path for path in targets.supersets if "synthmix" in path] and len(targets.supersets) == 3
    assert paths.manifest_path("smoke", "synthmix", "train-weaksup") in targets.manifests
