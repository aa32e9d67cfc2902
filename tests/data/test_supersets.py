"""Every class to its superset by each rule, and the file that the later layers read."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.data.annotation import Annotation, Mark
from wsol.data.supersets import labels_at_depth, superset_groups, superset_map, write_supersets
from wsol.data.wordnet import Synset, load_nouns
from wsol.errors import DataError, ParameterError
from wsol.files import read_json, write_json

REPO = Path(__file__).resolve().parents[2]
NOUNS = {
    wnid: Synset(wnid, (name,), parents, (), f"a {name}")
    for wnid, name, parents in [
        ("n1", "entity", ()),
        ("n2", "bird", ("n1",)),
        ("n3", "tool", ("n1",)),
        ("n4", "wren", ("n2",)),
        ("n5", "owl", ("n2",)),
        ("n6", "hammer", ("n3",)),
        ("n7", "saw", ("n3",)),
    ]
}
MARKS = Annotation(marks=(Mark("n2", "bird", "hom"), Mark("n3", "tool", "het")))


def _class(index: int, name: str, path: list[str], wnid: str | None = None) -> dict[str, Any]:
    return {"index": index, "name": name, "wnid": wnid, "path": path, "attributes": {}}


CLASSES = [
    _class(0, "hammer", ["thing", "tool"], "n6"),
    _class(1, "wren", ["thing", "animal", "bird"], "n4"),
    _class(2, "owl", ["thing", "animal", "bird"], "n5"),
    _class(3, "saw", ["thing", "tool"], "n7"),
    _class(4, "crane", ["thing", "machine", "bird"], None),
]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("all", {0: [0, 1, 2, 3, 4], 1: [0, 1, 2, 3, 4], 2: [0, 1, 2, 3, 4], 3: [0, 1, 2, 3, 4], 4: [0, 1, 2, 3, 4]}),
        ("singletons", {0: [0], 1: [1], 2: [2], 3: [3], 4: [4]}),
        # Two families called bird are not one.
        ("hierarchy", {0: [0, 3], 1: [1, 2], 2: [1, 2], 3: [0, 3], 4: [4]}),
    ],
)
def test_rules(rule: str, expected: dict[int, list[int]]) -> None:
    assert superset_map(rule, CLASSES) == expected


@pytest.mark.parametrize(
    ("depth", "parts"),
    [
        (0, [[0, 1, 2, 3, 4]]),
        (1, [[0, 1, 2, 3, 4]]),
        (2, [[0, 3], [1, 2], [4]]),
        (3, [[0], [1, 2], [3], [4]]),
        (4, [[0], [1], [2], [3], [4]]),
    ],
)
def test_aggregation_at_a_depth(depth: int, parts: list[list[int]]) -> None:
    found = superset_map("hierarchy", CLASSES, depth=depth)
    assert sorted({tuple(part) for part in found.values()}) == sorted(map(tuple, parts))


def test_class_without_a_hierarchy_stands_alone() -> None:
    assert superset_map("hierarchy", [_class(0, "a", []), _class(1, "b", [])]) == {0: [0], 1: [1]}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=4), min_size=1, max_size=10),
    st.one_of(st.none(), st.integers(0, 5)),
)
def test_hierarchy_equals_pairwise_comparison(paths: list[list[str]], depth: int | None) -> None:
    classes = [_class(index, f"class {index}", path) for index, path in enumerate(paths)]
    found = superset_map("hierarchy", classes, depth=depth)

    def together(i: int, j: int) -> bool:
        if i == j:
            return True
        if depth is None:
            return bool(paths[i]) and paths[i] == paths[j]
        return min(len(paths[i]), len(paths[j])) >= depth and paths[i][:depth] == paths[j][:depth]

    indices = range(len(paths))
    assert found == {i: [j for j in indices if together(i, j)] for i in indices}


def test_labels_name_the_node() -> None:
    lines = {0: ["root", "bird", "wren"], 1: ["root", "bird", "owl"], 2: ["saw"]}
    assert [name for _, name in labels_at_depth(lines, None).values()] == ["bird", "bird", "saw"]
    assert [name for _, name in labels_at_depth(lines, 1).values()] == ["root", "root", "saw"]
    assert {name for _, name in labels_at_depth(lines, 0).values()} == {"all classes"}


def test_wordnet_rule_is_restricted_to_the_classes_present() -> None:
    four = CLASSES[:4]
    assert superset_map("wordnet", four, data_noun=NOUNS, annotation=MARKS) == {0: [0], 1: [1, 2], 2: [1, 2], 3: [3]}
    two = [_class(0, "saw", [], "n7"), _class(1, "owl", [], "n5")]
    assert superset_map("wordnet", two, data_noun=NOUNS, annotation=MARKS) == {0: [0], 1: [1]}


def test_wordnet_rule_at_a_depth() -> None:
    groups, names = superset_groups("wordnet", CLASSES[:4], data_noun=NOUNS, annotation=MARKS, depth=2)
    assert groups == {0: [0, 3], 1: [1, 2], 2: [1, 2], 3: [0, 3]}
    assert names == {0: "tool", 1: "bird", 2: "bird", 3: "tool"}
    with pytest.raises(ParameterError, match="mode paper"):
        superset_map("wordnet", CLASSES[:4], mode="wordnet", data_noun=NOUNS, annotation=MARKS, depth=2)


@pytest.mark.parametrize(("rule", "depth"), [("all", 1), ("singletons", 1), ("hierarchy", -1)])
def test_depth_where_it_means_nothing(rule: str, depth: int) -> None:
    with pytest.raises(ParameterError, match="depth"):
        superset_map(rule, CLASSES, depth=depth)


def test_errors_name_the_remedy() -> None:
    with pytest.raises(ParameterError, match="all, singletons, hierarchy, wordnet"):
        superset_map("families", CLASSES)
    with pytest.raises(DataError, match=r"'crane'.*another rule"):
        superset_map("wordnet", CLASSES, data_noun=NOUNS, annotation=MARKS)
    with pytest.raises(DataError, match="two classes have the wnid n4"):
        superset_map("wordnet", [_class(0, "a", [], "n4"), _class(1, "b", [], "n4")], data_noun=NOUNS, annotation=MARKS)
    with pytest.raises(DataError, match="each once"):
        superset_map("all", [CLASSES[0], CLASSES[0]])


def test_written_file_maps_every_class(tmp_path: Path) -> None:
    write_json(tmp_path / "classes.json", {"dataset": "birds", "classes": CLASSES[:4]})
    out = tmp_path / "supersets.json"
    write_supersets(out, "wordnet", tmp_path / "classes.json", data_noun=NOUNS, annotation=MARKS)
    first = out.read_bytes()
    assert read_json(out) == {
        "dataset": "birds",
        "rule": "wordnet",
        "mode": "paper",
        "depth": None,
        "classes": {"0": [0], "1": [1, 2], "2": [1, 2], "3": [3]},
        "names": {"0": "hammer", "1": "bird", "2": "bird", "3": "saw"},
    }
    write_supersets(out, "wordnet", tmp_path / "classes.json", data_noun=NOUNS, annotation=MARKS)
    assert out.read_bytes() == first
    write_supersets(out, "all", tmp_path / "classes.json")
    assert read_json(out)["mode"] is None


def test_empty_class_table_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "classes.json", {"dataset": "birds", "classes": []})
    with pytest.raises(DataError, match="no classes"):
        write_supersets(tmp_path / "supersets.json", "all", tmp_path / "classes.json")


def test_subset_of_imagenet_keeps_the_relation_of_the_whole() -> None:
    path = Path(os.environ.get("WSOL_WORDNET", "/usr/share/wordnet/data.noun"))
    if not path.exists():
        pytest.skip("install Debian's wordnet-base, or set WSOL_WORDNET to WordNet 3.0's data.noun")
    nouns = load_nouns(path)
    annotation = REPO / "params/supersets/imagenet.yaml"
    # Tiny ImageNet has among others: ladybug, bee, monarch, sulphur butterfly; sombrero; lakeside, seashore.
    wnids = ["n02165456", "n02206856", "n02279972", "n02281406", "n04259630", "n09332890", "n09428293"]
    classes = [_class(index, wnid, [], wnid) for index, wnid in enumerate(wnids)]
    found = superset_map("wordnet", classes, data_noun=nouns, annotation=annotation)
    assert sorted({tuple(part) for part in found.values()}) == [(0, 1, 2, 3), (4,), (5, 6)]
    whole = superset_map("wordnet", classes, data_noun=nouns, annotation=annotation, depth=0)
    assert set(itertools.chain(*whole.values())) == set(range(7))
