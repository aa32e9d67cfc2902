"""The report of remove-and-classify: ratios over seeds, what is undefined or missing, and its curves."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from wsol.config.paths import Cell
from wsol.errors import DataError, ParameterError
from wsol.files import write_json
from wsol.reports import removal_figure
from wsol.reports.cells import ScaleView
from wsol.reports.removal import (
    Line,
    RemovalSpec,
    counts_lookup,
    load_removal_spec,
    removal_csv,
    removal_rows,
    required_cells,
)
from wsol.reports.removal_figure import draw_removal

DEFINITION = Path("params/papers/calm/remove_and_classify.yaml")
SPEC = RemovalSpec(
    "Remove",
    "a test",
    (0.3, 0.9),
    ("CUB", "OpenImages"),
    (Line("CAM", "cam", "cam"), Line("CALM_EM", "calm_em", "calm")),
)
VIEW = ScaleView("mini", {"CUB": "synthbirds", "OpenImages": None}, ["vgg16", "resnet50"], {"cam", "calm_em"}, [0, 1])


def document(top: list[int], random: list[int]) -> dict[str, Any]:
    return {
        "shares": [0.3, 0.9],
        "correct_top": top,
        "correct_random": random,
        "correct_intact": 9,
        "correct_blank": 0,
        "n_images": 10,
    }


def lookup(changed: Mapping[tuple[str, str, int], Any] | None = None) -> Callable[[Cell, str], Any]:
    """Seed 0 counts 4 of 8 and 1 of 2, seed 1 counts 6 of 8 and 2 of 2, unless changed."""

    def find(cell: Cell, attribution: str) -> Any:
        key = cell.backbone, cell.method, cell.seed
        if changed and key in changed:
            return changed[key]
        return document([6, 2], [8, 2]) if cell.seed else document([4, 1], [8, 2])

    return find


def test_ratios_are_averaged_over_seeds_and_counts_added() -> None:
    rows = removal_rows(SPEC, VIEW, lookup())
    assert len(rows) == 2 * 2 * 4, "two backbones and lines on the one data set of the scale, at 0, two shares and 1"
    first = {row.k: row for row in rows[:4]}
    assert (first[0.3].dataset, first[0.3].backbone, first[0.3].method) == ("synthbirds", "vgg16", "cam")
    assert (first[0.3].value, first[0.3].correct_top, first[0.3].correct_random) == (0.625, 10, 16)
    assert first[0.3].std == pytest.approx(0.25 / math.sqrt(2))
    assert (first[0.9].value, first[0.9].n_images, first[0.9].n_seeds) == (0.75, 20, 2)
    assert first[0.3].status == "measured"


def test_the_ends_are_1_by_definition_whatever_the_counts() -> None:
    ends = [row for row in removal_rows(SPEC, VIEW, lookup()) if row.k in (0, 1)]
    assert {(row.value, row.status) for row in ends} == {(1.0, "by-definition")}
    assert {(row.k, row.correct_top, row.correct_random) for row in ends} == {(0, 18, 18), (1, 0, 0)}


def test_a_ratio_over_nothing_is_undefined_and_a_lacking_seed_missing() -> None:
    changed = {("vgg16", "cam", 1): document([3, 0], [0, 2]), ("resnet50", "calm_em", 0): None}
    rows = removal_rows(SPEC, VIEW, lookup(changed))
    undefined = [row for row in rows if row.status == "undefined"]
    assert [(row.backbone, row.method, row.k, row.value) for row in undefined] == [("vgg16", "cam", 0.3, None)]
    assert undefined[0].correct_top == 7
    missing = {(row.backbone, row.method) for row in rows if row.status == "missing"}
    assert missing == {("resnet50", "calm_em")}
    assert sum(row.status == "missing" for row in rows) == 4


def test_a_method_that_the_scale_lacks_is_missing_and_not_asked_for() -> None:
    view = replace(VIEW, methods=frozenset({"cam"}))
    assert {cell.method for cell, _ in required_cells(SPEC, view)} == {"cam"}
    assert {row.status for row in removal_rows(SPEC, view, lookup()) if row.method == "calm_em"} == {"missing"}


def test_required_cells_are_every_seed_of_every_line() -> None:
    cells = required_cells(SPEC, VIEW)
    assert len(cells) == len(set(cells)) == 2 * 2 * 2
    assert (Cell("mini", "synthbirds", "resnet50", "calm_em", 1), "calm") in cells


def test_a_method_without_a_network_is_refused() -> None:
    with pytest.raises(ParameterError, match="cam has no network"):
        required_cells(SPEC, replace(VIEW, backbone_free=frozenset({"cam"})))


def test_counts_of_other_shares_are_refused() -> None:
    with pytest.raises(DataError, match="make the count files again"):
        removal_rows(replace(SPEC, shares=(0.5,)), VIEW, lookup())


def test_count_files_are_read_where_jobs_write_them(tmp_path: Path) -> None:
    cell = Cell("mini", "synthbirds", "vgg16", "cam", 0)
    find = counts_lookup(tmp_path)
    assert find(cell, "cam") is None
    path = tmp_path / "mini/removal/synthbirds/vgg16/cam/s0/cam.json"
    write_json(path, document([1, 1], [2, 2]))
    assert find(cell, "cam") == document([1, 1], [2, 2])
    write_json(path, {"values": {}})
    with pytest.raises(DataError, match="not a count file"):
        find(cell, "cam")


def test_the_csv_says_what_the_rows_say() -> None:
    rows = removal_rows(SPEC, VIEW, lookup({("vgg16", "cam", 1): None}))
    lines = list(csv.DictReader(io.StringIO(removal_csv(rows))))
    assert len(lines) == len(rows)
    assert lines[1]["k"] == "0.3" and lines[0]["k"] == "0" and lines[1]["value"] == lines[1]["std"] == ""
    assert [lines[5][name] for name in ("method", "k", "value", "n_images")] == ["calm_em", "0.3", "0.625", "20"]


def test_the_definition_of_calm_compares_its_three_attributions() -> None:
    spec = load_removal_spec(DEFINITION)
    assert spec.shares == (0.1, 0.3, 0.5, 0.7, 0.9)
    assert {(line.method, line.attribution) for line in spec.lines} == {
        ("cam", "cam"),
        ("calm_em", "calm"),
        ("calm_ml", "calm"),
    }


def test_shares_must_ascend(tmp_path: Path) -> None:
    path = tmp_path / "remove.yaml"
    path.write_text(DEFINITION.read_text().replace("[0.1, 0.3,", "[0.3, 0.1,"))
    with pytest.raises(ParameterError, match="do not ascend"):
        load_removal_spec(path)


# --- curves -------------------------------------------------------------------------------------------------------


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = removal_rows(SPEC, VIEW, lookup())
    outs = [tmp_path / f"{name}.{kind}" for name in ("one", "two") for kind in ("png", "pdf")]
    draw_removal(SPEC, rows, outs[:2], "A title")
    draw_removal(SPEC, rows, outs[2:], "A title")
    for first, second in zip(outs[:2], outs[2:], strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert outs[0].read_bytes().startswith(b"\x89PNG") and outs[1].read_bytes().startswith(b"%PDF")


def test_a_panel_a_data_set_and_backbone_a_line_an_attribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Figure] = []
    monkeypatch.setattr(removal_figure, "_save", lambda figure, out: kept.append(figure))
    changed = {("vgg16", "cam", 1): document([3, 0], [0, 2]), ("resnet50", "calm_em", 0): None}
    draw_removal(SPEC, removal_rows(SPEC, VIEW, lookup(changed)), [tmp_path / "curve.png"], "A title")
    vgg, resnet = kept[0].axes
    assert [axis.get_title() for axis in (vgg, resnet)] == ["synthbirds, vgg16", "synthbirds, resnet50"]
    _, cam, calm = vgg.lines
    assert list(cam.get_xdata()) == [0, 0.3, 0.9, 1]
    values = list(cam.get_ydata())
    assert math.isnan(values[1]) and [values[0], *values[2:]] == [1, 0.25, 1], "a gap where the ratio is undefined"
    assert list(calm.get_ydata()) == [1, 0.625, 0.75, 1]
    looks = {(line.get_color(), line.get_marker(), str(line.get_linestyle())) for line in (cam, calm)}
    assert len(looks) == 2
    assert [text.get_text() for text in resnet.texts] == [r"missing: CALM$_{\mathrm{EM}}$"]
    assert [text.get_text() for text in vgg.texts] == []


def test_a_scale_that_measures_nothing_still_draws(tmp_path: Path) -> None:
    draw_removal(SPEC, [], [tmp_path / "empty.png"], "A title")
    assert (tmp_path / "empty.png").stat().st_size > 1000


def test_another_kind_of_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"as .png or .pdf"):
        draw_removal(SPEC, [], [tmp_path / "curve.svg"], "A title")
