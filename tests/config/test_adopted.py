"""What the project adopted from its searches: it is used, it is what the table of draws says, and twins agree."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from wsol.cli.search.adopt import parameter_file, read_recorded
from wsol.config.curve_figures import curve_settings
from wsol.config.curve_lines import line_files
from wsol.config.resolve import train_settings
from wsol.config.scale import load_scale
from wsol.config.search import own_values
from wsol.config.searched import draws_path, searched_path
from wsol.config.yamlfile import PARAMS, load_yaml
from wsol.reports.figures.curve_page import numbers_csv
from wsol.reports.figures.draws import draws_page

ADOPTED = sorted(PARAMS.glob("searched/*/*.yaml"))


def cell_of(path: Path) -> tuple[str, str, str, str]:
    cell = load_yaml(path, "searched")["cell"]
    return cell["scale"], cell["dataset"], cell["backbone"], cell["method"]


def values_of(path: Path) -> dict[str, Any]:
    found = load_yaml(path, "searched")["set"]
    options = {f"options.{name}": value for name, value in found.get("options", {}).items()}
    return {name: value for name, value in found.items() if name != "options"} | options


@pytest.mark.parametrize("path", ADOPTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_training_of_a_cell_that_exists_has_the_values(path: Path) -> None:
    scale, dataset, backbone, method = cell_of(path)
    assert (dataset, backbone) in {(cell.dataset, cell.backbone) for cell in load_scale(scale).cells(method)}
    values = values_of(path)
    assert own_values(train_settings(scale, dataset, backbone, method)["hyperparameters"], list(values)) == values


@pytest.mark.parametrize("path", [path for path in ADOPTED if draws_path(*cell_of(path)).exists()], ids=str)
def test_the_values_are_those_of_the_draw_that_the_rule_of_the_scale_chooses(path: Path) -> None:
    values = values_of(path)
    with draws_path(*cell_of(path)).open(newline="", encoding="utf-8") as stream:
        draws = [line for line in csv.DictReader(stream) if line["status"] == "finished"]
    share = load_scale(path.parent.name).settings["search"]["least_accuracy"]
    floor = share * max(float(draw["val_accuracy"]) for draw in draws)
    able = [draw for draw in draws if float(draw["val_accuracy"]) >= floor]
    # max() keeps the first of equals, and the table is in the order of the draws
    winner = max(able, key=lambda draw: float(draw["val_localisation"]))
    assert {name: float(winner[name]) for name in values} == values


@pytest.mark.parametrize("path", [path for path in ADOPTED if not draws_path(*cell_of(path)).exists()], ids=str)
def test_values_without_draws_are_those_of_the_scale_that_was_searched(path: Path) -> None:
    _, *cell = cell_of(path)
    source = str(load_yaml(path, "searched")["source"])
    searched = [name.parent.name for name in PARAMS.glob(f"searched/*/{'.'.join(cell)}.draws.csv")]
    origin = next(name for name in searched if f"searched at scale {name}" in source)
    assert values_of(PARAMS / "searched" / origin / path.name) == values_of(path)


@pytest.mark.parametrize("path", sorted(PARAMS.glob("searched/*/*.draws.csv")), ids=lambda path: path.stem)
def test_what_was_recorded_can_be_chosen_from_today(path: Path) -> None:
    cell = (path.parent.name, *path.name.removesuffix(".draws.csv").split("."))
    found = read_recorded(*cell)
    adopted = searched_path(*cell)
    assert not adopted.exists() or parameter_file(found) == adopted.read_text(encoding="utf-8")


def test_the_figure_of_all_searches_shows_the_recorded_draws() -> None:
    settings = curve_settings("demo", "search_learning_rate")
    cells = [Path(name).parent.parts[-3:] for name in line_files(settings)]
    page = draws_page(settings, [draws_path("demo", *cell) for cell in cells])
    assert numbers_csv(list(page.numbers)) == Path("reports/search_learning_rate.csv").read_text(encoding="utf-8")
