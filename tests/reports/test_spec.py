from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from wsol.errors import ParameterError
from wsol.reports.spec import input_files, load_spec

TABLE_B = Path("params/papers/calm/table_b.yaml")
PRINTED_ROWS = ["HaS", "ACoL", "SPG", "ADL", "CutMix", "InCA", "CAM", "CAM + Y", "CALM_EM", "CALM_EM + Y"]
GROUPS = ["ImageNet", "CUB", "OpenImages"]


@pytest.fixture
def made_up(tmp_path: Path) -> Callable[..., Path]:
    """Writes a two-row table with its printed values and errata; the arguments replace parts of it."""

    def write(published: str | None = None, errata: list[dict[str, object]] | None = None, **changes: object) -> Path:
        settings: dict[str, object] = {
            "id": "tableX",
            "paper": "some",
            "title": "A table",
            "source": "a paper",
            "published": "x.published.csv",
            "errata": "errata.yaml",
            "split": "test",
            "threshold": "oracle",
            "columns": {
                "groups": [
                    {
                        "dataset": "Birds",
                        "metric": "PxAP",
                        "members": [{"label": "A", "backbone": "a"}, {"label": "B", "backbone": "b"}],
                        "mean": "Mean",
                    }
                ]
            },
            "rows": [{"label": "one", "method": "one", "attribution": "cam"}, {"label": "two", "published_only": True}],
        }
        settings.update(changes)
        (tmp_path / "x.published.csv").write_text(published or "row,Birds A,Birds B,Birds Mean\none,1.0,2.0,1.5\n")
        (tmp_path / "errata.yaml").write_text(yaml.safe_dump({"errata": errata or []}))
        path = tmp_path / "x.yaml"
        path.write_text(yaml.safe_dump(settings, sort_keys=False))
        return path

    return write


def test_table_b_has_the_printed_rows_and_columns_in_order() -> None:
    spec = load_spec(TABLE_B)
    assert [row.label for row in spec.rows] == [*PRINTED_ROWS, "FSL", "Center"]
    assert [row.label for row in spec.rows if not row.extra] == PRINTED_ROWS
    expected = [f"{group} {label}" for group in GROUPS for label in ("VGG", "Inception", "ResNet", "Mean")]
    assert [column.name for column in spec.columns] == [*expected, "Total Mean"]
    assert [column.metric for column in spec.columns[::4]][:3] == ["MaxBoxAccV2", "MaxBoxAccV2", "PxAP"]
    assert all(row.source for row in spec.rows if row.extra)


def test_table_b_has_every_printed_value() -> None:
    spec = load_spec(TABLE_B)
    empty = [
        (row.label, column.name)
        for row in spec.rows
        for column in spec.columns
        if (row.label, column.name) not in spec.published
    ]
    tail = ["OpenImages VGG", "OpenImages Inception", "OpenImages ResNet", "OpenImages Mean", "Total Mean"]
    assert empty == [("InCA", name) for name in tail]
    assert spec.published["CALM_EM + Y", "CUB ResNet"] == 71.0


def test_printed_means_follow_from_the_printed_parts_except_the_listed_slips() -> None:
    spec = load_spec(TABLE_B)
    wrong = set()
    for row in spec.rows:
        for column in spec.columns:
            if not column.parts or (row.label, column.name) not in spec.published:
                continue
            parts = [spec.published[row.label, part] for part in column.parts]
            # Each printed number is within 0.05 of the true one, so a mean and its parts may differ by 0.1.
            if abs(sum(parts) / len(parts) - spec.published[row.label, column.name]) > 0.1 + 1e-9:
                wrong.add((row.label, column.name))
    listed = {place for place, erratum in spec.errata.items() if erratum.kind == "arithmetic"}
    assert wrong == listed == {("CAM + Y", "Total Mean"), ("Center", "Total Mean")}


def test_arithmetic_errata_say_what_the_parts_give() -> None:
    spec = load_spec(TABLE_B)
    parts = {column.name: column.parts for column in spec.columns}
    for (row, column), erratum in spec.errata.items():
        if erratum.kind == "arithmetic":
            values = [spec.published[row, part] for part in parts[column]]
            assert round(sum(values) / len(values), 1) == erratum.correct
    assert spec.errata["CAM + Y", "Total Mean"].text.startswith("printed 60.1, correct 61.3: ")


def test_both_rounding_orders_give_the_printed_totals() -> None:
    """This table cannot tell whether rounded or unrounded means were averaged, so we round once, at the end."""
    spec = load_spec(TABLE_B)
    members = {column.name: column.parts for column in spec.columns if column.parts}
    for row in spec.rows:
        printed = spec.published.get((row.label, "Total Mean"))
        if printed is None or (row.label, "Total Mean") in spec.errata:
            continue
        exact = [sum(spec.published[row.label, part] for part in members[f"{group} Mean"]) / 3 for group in GROUPS]
        rounded = [spec.published[row.label, f"{group} Mean"] for group in GROUPS]
        assert round(sum(exact) / 3, 1) == round(sum(rounded) / 3, 1) == printed, row.label


def test_a_mean_column_averages_its_group_and_the_total_the_means() -> None:
    columns = {column.name: column for column in load_spec(TABLE_B).columns}
    assert columns["CUB Mean"].parts == ("CUB VGG", "CUB Inception", "CUB ResNet")
    assert columns["Total Mean"].parts == ("ImageNet Mean", "CUB Mean", "OpenImages Mean")


def test_members_and_groups_may_override_metric_split_and_name(made_up: Callable[..., Path]) -> None:
    group = {
        "name": "Val",
        "dataset": "Birds",
        "metric": "PxAP",
        "split": "train-fullsup",
        "members": [
            {"label": "A", "backbone": "a"},
            {"label": "B", "backbone": "b", "metric": "top1", "split": "test"},
        ],
    }
    spec = load_spec(made_up(published="row,Val A\none,3\n", columns={"groups": [group]}))
    assert [(column.name, column.metric, column.split) for column in spec.columns] == [
        ("Val A", "PxAP", "train-fullsup"),
        ("Val B", "top1", "test"),
    ]
    assert spec.published == {("one", "Val A"): 3.0}


def test_input_files_are_everything_the_definition_is_read_from(made_up: Callable[..., Path]) -> None:
    path = made_up()
    assert input_files(path) == [str(path), str(path.parent / "x.published.csv"), str(path.parent / "errata.yaml")]
    assert all(Path(name).is_file() for name in input_files(TABLE_B))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colums": {}}, ["x.yaml", "unknown key 'colums'", "did you mean 'columns'"]),
        (
            {"rows": [{"label": "one", "method": "one", "atribution": "cam"}]},
            ["x.yaml", "rows.0", "atribution", "attribution"],
        ),
        ({"rows": [{"label": "one"}]}, ["x.yaml", "rows.0", "method"]),
        ({"rows": [{"label": "one", "method": "m", "attribution": "a", "extra": True}]}, ["rows.0", "source"]),
        ({"threshold": "best"}, ["threshold", "best"]),
        (
            {"rows": [{"label": "best", "best_of": ["one"]}, {"label": "one", "published_only": True}]},
            ["row above 'one' is not in the table"],
        ),
        (
            {"rows": [{"label": "one", "published_only": True}, {"label": "best", "best_of": ["oen"]}]},
            ["'oen'", "did you mean 'one'"],
        ),
        (
            {"rows": [{"label": "one", "published_only": True}, {"label": "d", "difference": ["one"]}]},
            ["rows.1.difference"],
        ),
        (
            {"rows": [{"label": "one", "published_only": True}, {"label": "d", "best_of": ["one"], "method": "m"}]},
            ["row 'd' has best_of and method; keep one of them"],
        ),
        ({"rows": [{"label": "one", "published_only": True}] * 2}, ["row 'one' is given twice"]),
        ({"published": "row,Birds A\noen,1.0\n"}, ["x.published.csv", "'oen'", "did you mean 'one'"]),
        ({"published": "row,Birds a\none,1.0\n"}, ["x.published.csv", "'Birds a'", "did you mean 'Birds A'"]),
        ({"published": "row,Birds A\none,1..0\n"}, ["line 2", "'1..0' is not a number"]),
        ({"published": "row,Birds A\none,nan\n"}, ["'nan' is not a number"]),
        ({"published": "row,Birds A\none\n"}, ["line 2 has 1 fields, the header 2"]),
        ({"published": "row,Birds A\none,1\none,2\n"}, ["row 'one' is given twice"]),
        ({"published": "label,Birds A\none,1\n"}, ["first line"]),
    ],
)
def test_a_wrong_definition_is_refused_by_name(
    made_up: Callable[..., Path], changes: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(ParameterError) as caught:
        load_spec(made_up(**changes))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"printed": 1.6}, ["errata.yaml", "1.6", "1.5"]),
        ({"column": "Birds Meen"}, ["'Birds Meen'", "did you mean 'Birds Mean'"]),
        ({"row": "three"}, ["row 'three'"]),
        ({"column": ["Birds Mean", "Birds Mean"]}, ["two errata"]),
        ({"corect": 1.6}, ["errata.yaml", "unknown key 'corect'", "did you mean 'correct'"]),
    ],
)
def test_a_wrong_erratum_is_refused_by_name(
    made_up: Callable[..., Path], change: dict[str, object], words: list[str]
) -> None:
    entry = {"table": "tableX", "row": "one", "column": "Birds Mean", "printed": 1.5, "correct": 1.6, "why": "w"}
    entry["kind"] = "arithmetic"
    with pytest.raises(ParameterError) as caught:
        load_spec(made_up(errata=[entry | change]))
    for word in words:
        assert word in str(caught.value)


def test_errata_of_other_tables_are_not_ours(made_up: Callable[..., Path]) -> None:
    entry = {"table": "tableY", "row": "q", "column": "q", "printed": 1, "correct": 2, "why": "w", "kind": "arithmetic"}
    assert load_spec(made_up(errata=[entry])).errata == {}


def test_a_total_needs_the_mean_of_every_group(made_up: Callable[..., Path]) -> None:
    columns = {
        "groups": [{"dataset": "Birds", "metric": "PxAP", "members": [{"label": "A", "backbone": "a"}]}],
        "total": {"group": "Total", "label": "Mean"},
    }
    with pytest.raises(ParameterError, match="give every group a `mean`"):
        load_spec(made_up(published="row,Birds A\none,1\n", columns=columns))
