from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.errors import DataError, ParameterError
from wsol.reports.cells import (
    CELL_FIELDS,
    Cell,
    CellKey,
    ScaleView,
    evaluate,
    required_cells,
    rows_of_method,
    score_path,
    scores_lookup,
)
from wsol.reports.spec import Column, Erratum, Row, TableSpec, load_spec

TABLE_B = Path("params/papers/calm/table_b.yaml")
SYNTHETIC = {"ImageNet": "synthnet", "CUB": "synthbirds", "OpenImages": "synthobjects"}
DEMO = ScaleView(
    name="demo",
    stand_ins=SYNTHETIC,
    backbones=["resnet50"],
    methods={"cam", "center"},
    seeds=[0],
    backbone_free={"center"},
)
SMALL = replace(DEMO, name="small", backbones=["vgg16", "inceptionv3", "resnet50"], seeds=[0, 1])

SPEC = TableSpec(
    id="tableX",
    paper="some",
    title="A table",
    source="a paper",
    split="test",
    threshold="oracle",
    decimals=1,
    pictures=True,
    columns=(
        Column("Birds", "A", "Birds", "a", "PxAP"),
        Column("Birds", "B", "Birds", "b", "PxAP"),
        Column("Birds", "Mean", "Birds", None, "PxAP", parts=("Birds A", "Birds B")),
        Column("Things", "A", "Things", "a", "Acc"),
        Column("Things", "B", "Things", "b", "Acc"),
        Column("Things", "Mean", "Things", None, "Acc", parts=("Things A", "Things B")),
        Column("Total", "Mean", parts=("Birds Mean", "Things Mean")),
    ),
    rows=(
        Row("one", "one", "cam"),
        Row("centre", "centre", "centre"),
        Row("two", "two", "cam"),
        Row("quoted", published_only=True),
    ),
    published={("one", "Birds A"): 10.0, ("one", "Total Mean"): 40.0, ("quoted", "Birds A"): 7.0},
    errata={("one", "Total Mean"): Erratum(40.0, 41.0, "arithmetic", "sum")},
)
VIEW = ScaleView(
    "full", {"Birds": "birds", "Things": "things"}, ["a", "b"], {"one", "centre"}, [0, 1, 2], True, {"centre"}
)


def score(key: CellKey) -> float:
    """A made-up score with simple means: data set, backbone and seed each add their part."""
    return {"birds": 10.0, "things": 50.0}[key.dataset] + {"a": 0.0, "b": 4.0, "none": 1.0}[key.backbone] + key.seed**2


def found(cells: list[Cell], row: str, column: str) -> Cell:
    (cell,) = (cell for cell in cells if (cell.row, cell.column) == (row, column))
    return cell


def test_table_b_at_demo_needs_nine_scores() -> None:
    keys = required_cells(load_spec(TABLE_B), DEMO)
    by_hand = []
    for attribution in ("cam", "cam+superset"):
        for dataset, metric in (("synthnet", "MaxBoxAccV2"), ("synthbirds", "MaxBoxAccV2"), ("synthobjects", "PxAP")):
            by_hand.append(CellKey(dataset, "resnet50", "cam", attribution, "test", 0, metric))
    for dataset, metric in (("synthnet", "MaxBoxAccV2"), ("synthbirds", "MaxBoxAccV2"), ("synthobjects", "PxAP")):
        by_hand.append(CellKey(dataset, "none", "center", "center", "test", 0, metric))
    assert keys == by_hand
    assert len(keys) == 9


def test_table_b_at_small_needs_each_backbone_and_seed_but_center_once() -> None:
    keys = required_cells(load_spec(TABLE_B), SMALL)
    assert len(keys) == len(set(keys)) == 2 * 3 * 3 * 2 + 3
    assert {key.seed for key in keys if key.method == "center"} == {0}


def test_a_scale_of_one_data_set_needs_that_data_set_alone() -> None:
    photos = replace(DEMO, stand_ins={"ImageNet": "tinyimagenet", "CUB": None})
    assert {key.dataset for key in required_cells(load_spec(TABLE_B), photos)} == {"tinyimagenet"}


def test_an_attribution_that_its_method_lacks_is_not_required() -> None:
    view = replace(DEMO, attributions={"cam": {"cam"}, "center": {"center"}})
    assert {key.attribution for key in required_cells(load_spec(TABLE_B), view)} == {"cam", "center"}


def test_values_means_and_spread_by_hand() -> None:
    cells = evaluate(SPEC, VIEW, score)
    # Seeds 0, 1, 2 add 0, 1, 4: mean 5/3, sample variance (25/9 + 4/9 + 49/9) / 2 = 13/3.
    spread = (13 / 3) ** 0.5
    expected = {"birds PxAP A": 10, "birds PxAP B": 14, "birds PxAP Mean": 12, "things Acc Mean": 52, "Total Mean": 32}
    for column, base in expected.items():
        cell = found(cells, "one", column)
        assert cell.value == pytest.approx(base + 5 / 3, abs=1e-12)
        assert cell.std == pytest.approx(spread, abs=1e-12)
        assert (cell.n_seeds, cell.status) == (3, "measured")


def test_the_spread_of_a_mean_is_that_of_its_seedwise_means() -> None:
    opposed = {("a", 0): 10.0, ("b", 0): 20.0, ("a", 1): 20.0, ("b", 1): 10.0}
    view = replace(VIEW, seeds=[0, 1], methods={"one"})
    cells = evaluate(SPEC, view, lambda key: opposed[key.backbone, key.seed])
    assert found(cells, "one", "birds PxAP A").std == pytest.approx(50**0.5)
    assert found(cells, "one", "birds PxAP Mean").std == 0


def test_a_method_without_network_repeats_its_one_value() -> None:
    cells = evaluate(SPEC, VIEW, score)
    line = [cell for cell in cells if cell.row == "centre"]
    assert [cell.value for cell in line] == [11, 11, 11, 51, 51, 51, 31]
    assert [cell.backbone for cell in line] == ["none", "none", "mean", "none", "none", "mean", "mean"]
    assert {(cell.n_seeds, cell.std) for cell in line} == {(1, None)}


def test_one_score_is_looked_up_once() -> None:
    asked: list[CellKey] = []
    evaluate(SPEC, VIEW, lambda key: asked.append(key) or 1.0)
    assert sorted(asked) == sorted(required_cells(SPEC, VIEW))


def test_statuses() -> None:
    view = replace(VIEW, stand_ins={"Birds": "birds", "Things": None}, backbones=["a"], methods={"one", "centre"})
    cells = evaluate(SPEC, view, lambda key: None if key.method == "one" else 1.0)
    grid = {row.label: [cell.status for cell in cells if cell.row == row.label] for row in SPEC.rows}
    outside = "not-in-scale"
    assert grid == {
        "one": ["missing", *[outside] * 6],
        "centre": ["measured", *[outside] * 6],
        "two": ["missing", *[outside] * 6],
        "quoted": ["published-only"] * 7,
    }
    assert {cell.value for cell in cells if cell.status != "measured"} == {None}
    assert found(cells, "one", "Things Acc A").dataset == ""


def test_one_missing_seed_makes_the_cell_and_its_means_missing() -> None:
    cells = evaluate(
        SPEC, VIEW, lambda key: None if (key.dataset, key.backbone, key.seed) == ("birds", "b", 2) else 5.0
    )
    statuses = [cell.status for cell in cells if cell.row == "one"]
    assert statuses == ["measured", "missing", "missing", "measured", "measured", "measured", "missing"]


def test_differences_are_shown_at_the_papers_scale_alone() -> None:
    at_paper = evaluate(SPEC, VIEW, score)
    elsewhere = evaluate(SPEC, replace(VIEW, is_paper=False), score)
    assert found(at_paper, "one", "birds PxAP A").delta == pytest.approx(5 / 3)
    assert found(at_paper, "one", "birds PxAP B").delta is None
    assert {cell.delta for cell in elsewhere} == {None}
    assert [cell.published for cell in at_paper] == [cell.published for cell in elsewhere]


def test_an_erratum_is_attached_to_its_cell_alone() -> None:
    cells = evaluate(SPEC, VIEW, score)
    assert {(cell.row, cell.column): cell.erratum for cell in cells if cell.erratum} == {
        ("one", "Total Mean"): "printed 40.0, correct 41.0: sum"
    }


def test_fields_are_the_promised_ones() -> None:
    promised = "row, column, dataset, backbone, method, attribution, metric, split, value, std, n_seeds, published"
    assert [*promised.split(", "), "delta", "status", "erratum"] == list(CELL_FIELDS)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 100), min_size=12, max_size=12), st.permutations(range(3)))
def test_means_do_not_depend_on_the_order_of_seeds(values: list[float], order: list[int]) -> None:
    columns = [("birds", "a"), ("birds", "b"), ("things", "a"), ("things", "b")]

    def lookup(key: CellKey) -> float:
        return values[3 * columns.index((key.dataset, key.backbone)) + key.seed]

    view = replace(VIEW, methods={"one"})
    total = found(evaluate(SPEC, view, lookup), "one", "Total Mean")
    again = found(evaluate(SPEC, replace(view, seeds=order), lookup), "one", "Total Mean")
    assert total.value == pytest.approx(sum(values) / 12)
    assert again.value == pytest.approx(total.value)


def test_view_from_the_settings_of_a_scale() -> None:
    view = ScaleView.from_settings(
        {
            "name": "demo",
            "purpose": "trying",
            "stand_ins": SYNTHETIC,
            "backbones": ["resnet50"],
            "seeds": [0],
            "is_paper": False,
            "methods": {"cam": True, "center": False},
        }
    )
    assert (view.methods, view.backbone_free, view.purpose) == ({"cam", "center"}, {"center"}, "trying")
    assert len(required_cells(load_spec(TABLE_B), view)) == 9


KEY = CellKey("synthbirds", "resnet50", "cam", "cam+superset", "test", 0, "MaxBoxAccV2")


def write_score(root: Path, content: object) -> Path:
    path = root / Path(score_path("demo", KEY)).relative_to("results")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_scores_are_found_by_the_path_grammar(tmp_path: Path) -> None:
    assert score_path("demo", KEY) == "results/demo/scores/synthbirds/resnet50/cam/s0/cam+superset.test.json"
    assert scores_lookup(tmp_path, "demo")(KEY) is None
    write_score(tmp_path, {"values": {"MaxBoxAccV2": 51.25, "PxAP": None}})
    lookup = scores_lookup(tmp_path, "demo")
    assert lookup(KEY) == 51.25
    assert lookup(replace(KEY, metric="PxAP")) is None
    assert lookup(replace(KEY, metric="other")) is None
    assert lookup(replace(KEY, seed=1)) is None


@pytest.mark.parametrize(
    "content", [{"value": 1}, [], {"values": {"MaxBoxAccV2": "high"}}, {"values": {"MaxBoxAccV2": 101}}]
)
def test_a_broken_score_file_is_named(tmp_path: Path, content: object) -> None:
    path = write_score(tmp_path, content)
    with pytest.raises(DataError, match="delete") as caught:
        scores_lookup(tmp_path, "demo")(KEY)
    assert str(path) in str(caught.value)


def test_table_code_loads_no_heavy_package() -> None:
    code = (
        "import sys; import wsol.reports.render, wsol.reports.pictures; "
        "from wsol.reports.spec import load_spec; load_spec('params/papers/calm/table_b.yaml'); "
        "print(sorted({'torch', 'pandas', 'matplotlib', 'mlflow', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


DERIVED = replace(
    SPEC,
    rows=(
        Row("one", "one", "cam"),
        Row("three", "three", "cam"),
        Row("centre", "centre", "centre"),
        Row("best", best_of=("one", "three")),
        Row("gain", difference=("three", "one")),
        Row("over centre", difference=("one", "centre")),
    ),
)


def test_derived_rows_are_worked_out_column_by_column_and_need_no_score_of_their_own() -> None:
    """Row three is 2 above one on backbone a and 3 below it on b, and its seeds spread in another way."""
    view = replace(VIEW, methods={"one", "three", "centre"})
    shift = {"a": [1.0, 2.0, 3.0], "b": [-3.0, -3.0, -3.0]}

    def lookup(key: CellKey) -> float:
        return score(key) + (shift[key.backbone][key.seed] if key.method == "three" else 0.0)

    spec = DERIVED
    assert {key.method for key in required_cells(spec, view)} == {"one", "three", "centre"}
    cells = evaluate(spec, view, lookup)
    by_place = {(cell.row, cell.column): cell for cell in cells}
    assert [by_place[row, "birds PxAP A"].value for row in ("one", "three", "best")] == [
        pytest.approx(10 + 5 / 3),
        pytest.approx(12 + 5 / 3),
        pytest.approx(12 + 5 / 3),
    ]
    assert by_place["best", "birds PxAP A"].std == by_place["three", "birds PxAP A"].std
    assert by_place["best", "birds PxAP B"].value == by_place["one", "birds PxAP B"].value
    # The best mean is that of row one, not the mean of the bests.
    assert by_place["best", "birds PxAP Mean"].value == by_place["one", "birds PxAP Mean"].value
    gain = by_place["gain", "birds PxAP A"]
    assert (gain.value, gain.std, gain.n_seeds) == (pytest.approx(2.0), pytest.approx(1.0), 3)
    assert by_place["gain", "birds PxAP Mean"].value == pytest.approx(-0.5)
    assert (gain.method, gain.attribution, gain.status) == ("", "", "measured")
    # A method without a network has one seed: means are subtracted, and there is no spread.
    over = by_place["over centre", "birds PxAP A"]
    assert (over.value, over.std, over.n_seeds) == (pytest.approx(10 + 5 / 3 - 11), None, 1)


def test_a_derived_row_has_the_worst_status_of_its_rows() -> None:
    rows = (Row("one", "one", "cam"), Row("two", "two", "cam"), Row("q", published_only=True))
    spec = replace(SPEC, rows=(*rows, Row("best", best_of=("one", "two")), Row("gain", difference=("one", "q"))))
    cells = evaluate(spec, VIEW, score)
    assert {cell.status for cell in cells if cell.row == "best"} == {"missing"}
    assert {cell.status for cell in cells if cell.row == "gain"} == {"published-only"}


def test_the_rows_of_one_method_are_those_of_the_whole_table() -> None:
    derived = Row("best", best_of=("one", "one again")), Row("best of all", best_of=("one", "centre"))
    spec = replace(SPEC, rows=(*SPEC.rows, Row("one again", "one", "other"), *derived))
    alone = rows_of_method(spec, VIEW, "one")
    assert [row.label for row in alone.rows] == ["one", "one again", "best"], "worked out from its rows alone"
    assert {key.method for key in required_cells(alone, VIEW)} == {"one"}
    assert evaluate(alone, VIEW, score) == [
        cell for cell in evaluate(spec, VIEW, score) if cell.row in ("one", "one again", "best")
    ]
    with pytest.raises(ParameterError, match=r"no row of method 'two' at scale full \(it has: centre, one\)"):
        rows_of_method(spec, VIEW, "two")


def test_one_methods_row_of_table_b_needs_its_own_trainings_alone() -> None:
    spec = load_spec(TABLE_B)
    cells = required_cells(rows_of_method(spec, DEMO, "cam"), DEMO)
    assert {(key.method, key.attribution) for key in cells} == {("cam", "cam"), ("cam", "cam+superset")}
    elsewhere = replace(DEMO, elsewhere={"has": "cam"})
    assert [row.label for row in rows_of_method(spec, elsewhere, "cam").rows] == ["HaS", "CAM", "CAM + Y"]
