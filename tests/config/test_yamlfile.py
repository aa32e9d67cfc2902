"""Parameter files: what is refused, what a message says, what is filled in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wsol.config import yamlfile
from wsol.config.yamlfile import check, load_yaml
from wsol.errors import ParameterError

REPO = Path(__file__).resolve().parents[2]
PARAMS = REPO / "params"
SCHEMA_OF_FOLDER = {"scales": "scale", "datasets": "dataset", "methods": "method", "metrics": "metric"}
SCHEMA_OF_PAPER_FILE = {
    "errata": "errata",
    "claims": "claims",
    "remove_and_classify": "removal",
    "cues": "cues",
    "figures": "figures",
    "curves": "curves",
    "tableF2": "architecture",
    "tableF4": "timing",
}
# Read by wsol.reports.table_a, wsol.reports.center and wsol.data.annotation, which check them without a schema.
OWN_CHECKS = {"table_a", "center", "imagenet"}


@pytest.fixture(autouse=True)
def in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPO)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A schema `toy` with defaults at every depth; returns a file to fill."""
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "rate": {"type": "number", "default": 0.5},
            "tags": {"type": "array", "items": {"type": "string"}, "default": []},
            "layers": {"type": "array", "items": {"$ref": "#/$defs/layer"}},
            "networks": {"type": "object", "additionalProperties": {"$ref": "#/$defs/layer"}},
        },
        "$defs": {
            "layer": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"width": {"type": "number", "default": 1.0}, "when": {"type": "object", "default": {}}},
            }
        },
    }
    (tmp_path / "toy.schema.json").write_text(json.dumps(schema))
    monkeypatch.setattr(yamlfile, "SCHEMAS", tmp_path)
    yamlfile._schema.cache_clear()
    yield tmp_path / "file.yaml"
    yamlfile._schema.cache_clear()


def parameter_files() -> list[tuple[str, str]]:
    listed = [("config.yaml", "config")]
    for folder, schema in SCHEMA_OF_FOLDER.items():
        listed += [(path.relative_to(PARAMS).as_posix(), schema) for path in sorted((PARAMS / folder).glob("*.yaml"))]
    listed += [(path.relative_to(PARAMS).as_posix(), "searched") for path in sorted(PARAMS.glob("searched/*/*.yaml"))]
    for path in sorted((PARAMS / "papers").glob("*/*.yaml")):
        if path.stem not in OWN_CHECKS:
            schema = SCHEMA_OF_PAPER_FILE.get(path.stem, "table")
            listed.append((path.relative_to(PARAMS).as_posix(), schema))
    return listed


@pytest.mark.parametrize(("name", "schema"), parameter_files())
def test_every_parameter_file_of_the_project_is_valid(name: str, schema: str) -> None:
    assert load_yaml(PARAMS / name, schema)


def test_no_parameter_file_is_left_unchecked() -> None:
    checked = {name for name, _ in parameter_files()}
    found = {path.relative_to(PARAMS).as_posix() for path in PARAMS.rglob("*.yaml")}
    assert {Path(name).stem for name in found - checked} == OWN_CHECKS


@pytest.mark.parametrize("path", sorted((REPO / "workflow/schemas").glob("*.json")), ids=lambda path: path.name)
def test_schemas_are_schemas_and_know_every_key(path: Path) -> None:
    import jsonschema

    document = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(document)

    def open_objects(part: Any, where: str) -> list[str]:
        if isinstance(part, list):
            return [found for index, item in enumerate(part) for found in open_objects(item, f"{where}[{index}]")]
        if not isinstance(part, dict):
            return []
        found = [f"{where}.{key}" for key, item in part.items() for found in open_objects(item, f"{where}.{key}")]
        others = part.get("additionalProperties", True)
        if (
            "properties" in part
            and part.get("type") == "object"
            and others is not False
            and not isinstance(others, dict)
        ):
            found.append(where)
        return found

    assert open_objects(document, path.stem) == []


@pytest.mark.parametrize(("name", "schema"), [item for item in parameter_files() if "papers" not in item[0]])
def test_an_unknown_key_is_refused_with_file_key_and_the_nearest_known_one(
    tmp_path: Path, name: str, schema: str
) -> None:
    text = (PARAMS / name).read_text()
    known = next(line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha())
    path = tmp_path / Path(name).name
    path.write_text(f"{text}\n{known}x: 1\n")
    with pytest.raises(ParameterError) as caught:
        load_yaml(path, schema)
    message = str(caught.value)
    assert str(path) in message
    assert f"unknown key '{known}x' at the top level" in message
    assert f"did you mean '{known}'?" in message


def test_an_unknown_key_deep_inside_is_told_with_its_place(tmp_path: Path) -> None:
    text = (PARAMS / "scales/smoke.yaml").read_text()
    path = tmp_path / "smoke.yaml"
    path.write_text(text.replace("width: 0.125", "widht: 0.125", 1))
    with pytest.raises(ParameterError, match=r"'widht' at backbones\.resnet50; did you mean 'width'\?.*known: map_str"):
        load_yaml(path, "scale")
    path.write_text(text.replace("width: 0.125", "width: slim", 1))
    with pytest.raises(ParameterError, match=r"smoke\.yaml: at backbones\.resnet50\.width: 'slim' is not of type"):
        load_yaml(path, "scale")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate: 1", "'name' is a required property"),
        ("", "None is not of type 'object'"),
        ("[1, 2]", "is not of type 'object'"),
        ("name: [", "not valid YAML"),
        ("{name: a, nmae: b, 1: c}", "unknown key 1, 'nmae'"),
        ("name: a\nrate: fast", "at rate: 'fast' is not of type 'number'"),
        ("name: a\nrate: .nan", ".nan near line 2; give a finite number"),
        ("name: a\nrate: -.inf", "-.inf near line 2; give a finite number"),
        ("name: a\nrate: 1e999", "1e999 near line 2; give a finite number"),
    ],
)
def test_broken_files_are_refused_by_name(toy: Path, text: str, message: str) -> None:
    toy.write_text(text)
    with pytest.raises(ParameterError, match=rf"file\.yaml: .*{message}"):
        load_yaml(toy, "toy")


def test_a_missing_file_lists_its_neighbours(toy: Path) -> None:
    toy.write_text("name: a")
    with pytest.raises(ParameterError, match=r"other\.yaml: no such parameter file; there is file"):
        load_yaml(toy.with_name("other.yaml"), "toy")


def test_defaults_are_filled_in_at_every_depth_and_not_shared(toy: Path) -> None:
    toy.write_text("{name: a, layers: [{}, {width: 2}], networks: {slim: {width: 0.25}, plain: {}}}")
    value = load_yaml(toy, "toy")
    assert value == {
        "name": "a",
        "rate": 0.5,
        "tags": [],
        "layers": [{"width": 1.0, "when": {}}, {"width": 2, "when": {}}],
        "networks": {"slim": {"width": 0.25, "when": {}}, "plain": {"width": 1.0, "when": {}}},
    }
    value["tags"].append("mine")
    value["layers"][0]["when"]["a"] = 1
    again = load_yaml(toy, "toy")
    assert again["tags"] == [] and again["layers"][0]["when"] == {} and again["layers"][1]["when"] == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E-4", 1e-4),
        ("5.0e-4", 5e-4),
        ("-2e3", -2000.0),
        ("+1e+2", 100.0),
        (".5e1", 5.0),
        ("3.e2", 300.0),
        ("0.05", 0.05),
        ("3", 3),
    ],
)
def test_numbers_in_scientific_notation_are_numbers(toy: Path, text: str, value: float) -> None:
    toy.write_text(f"name: a\nrate: {text}")
    assert load_yaml(toy, "toy")["rate"] == value


@pytest.mark.parametrize("text", ["'1e-4'", "e5", "1e", "1e-4x", "12e4b"])
def test_text_that_resembles_a_number_stays_text(toy: Path, text: str) -> None:
    toy.write_text(f"name: {text}")
    assert load_yaml(toy, "toy")["name"] == text.strip("'")


@pytest.mark.parametrize(
    "text",
    [
        "name: a\nname: b",
        "name: a\nnetworks:\n  slim: {}\n  slim: {width: 2}",
        "{name: a, layers: [{width: 1, width: 1}]}",
    ],
)
def test_a_key_given_twice_is_refused(toy: Path, text: str) -> None:
    toy.write_text(text)
    with pytest.raises(ParameterError, match=r"file\.yaml: .*'(name|slim|width)' is given twice"):
        load_yaml(toy, "toy")


def test_check_names_the_origin_it_is_given(toy: Path) -> None:
    with pytest.raises(ParameterError, match=r"^the command line: unknown key 'rat'"):
        check({"name": "a", "rat": 1}, "toy", "the command line")
