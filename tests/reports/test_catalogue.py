"""Which tables there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wsol.errors import ParameterError
from wsol.reports.catalogue import table_specs
from wsol.reports.spec import load_spec

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    table_specs.cache_clear()
    yield
    table_specs.cache_clear()


def write(name: str, text: str) -> None:
    path = Path("params/papers") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_projects_tables_are_found_and_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPO)
    specs = table_specs()
    assert specs["tableB"] == Path("params/papers/calm/table_b.yaml")
    for name, path in specs.items():
        assert load_spec(path).id == name


def test_a_file_with_rows_and_columns_is_a_table_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write("calm/table_b.yaml", "{id: tableB, rows: [], columns: []}")
    write("fcam/any_name.yaml", "{id: other, rows: [], columns: [], title: x}")
    write("calm/table_a.yaml", "{id: tableA, claims: []}")
    write("calm/errata.yaml", "errata: []")
    write("calm/empty.yaml", "")
    write("calm/list.yaml", "[id, rows, columns]")
    write("top.yaml", "{id: top, rows: [], columns: []}")
    assert table_specs() == {
        "tableB": Path("params/papers/calm/table_b.yaml"),
        "other": Path("params/papers/fcam/any_name.yaml"),
    }


def test_two_tables_of_one_id_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("calm/table_b.yaml", "{id: tableB, rows: [], columns: []}")
    write("fcam/table_b.yaml", "{id: tableB, rows: [], columns: []}")
    with pytest.raises(
        ParameterError, match=r"fcam/table_b\.yaml: table id 'tableB' is already that of .*calm/table_b"
    ):
        table_specs()


def test_a_broken_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("calm/table_b.yaml", "{id: tableB, rows: [")
    with pytest.raises(ParameterError, match=r"calm/table_b\.yaml: not valid YAML"):
        table_specs()
