"""Parser of data.noun, the hierarchy in both modes, and the supersets of ImageNet-1k on the real WordNet 3.0."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.data import wordnet
from wsol.data.annotation import Annotation, Mark, Nested, ParentOverride, load_annotation, save_annotation
from wsol.data.taxonomy import Taxonomy, breadth_first, genealogy, partition
from wsol.errors import DataError, ParameterError

REPO = Path(__file__).resolve().parents[2]
PREAMBLE = "  1 WordNet {version} Copyright 2006 by Princeton University.  All rights reserved.  \n"

# wnid: lemmas, hypernyms, instance hypernyms. A bat hangs below two parents; a warship below a ship and a weapon.
NOUNS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "n00000001": (["entity"], [], []),
    "n00000002": (["animal", "living_creature"], ["n00000001"], []),
    "n00000003": (["artefact"], ["n00000001"], []),
    "n00000004": (["ship"], ["n00000003"], []),
    "n00000005": (["weapon"], ["n00000003"], []),
    "n00000006": (["warship"], ["n00000004", "n00000005"], []),
    "n00000007": (["aircraft_carrier"], ["n00000006"], []),
    "n00000008": (["submarine"], ["n00000006"], []),
    "n00000009": (["yacht"], ["n00000004"], []),
    "n00000010": (["rifle"], ["n00000005"], []),
    "n00000011": (["cat"], ["n00000002"], []),
    "n00000012": (["dog"], ["n00000002"], []),
    "n00000013": (["Fido"], ["n00000012"], ["n00000011"]),
}
CLASSES = ["n00000007", "n00000008", "n00000009", "n00000010", "n00000011", "n00000012"]


def noun_line(wnid: str, lemmas: list[str], hypernyms: list[str], instances: list[str]) -> str:
    pointers = [
        *(("@", h) for h in hypernyms),
        *(("@i", h) for h in instances),
        ("~", "n00000001"),
        ("#p", "n00000003"),
    ]
    words = " ".join(f"{lemma} {position:x}" for position, lemma in enumerate(lemmas))
    targets = " ".join(f"{symbol} {target[1:]} n 0000" for symbol, target in pointers)
    return f"{wnid[1:]} 03 n {len(lemmas):02x} {words} {len(pointers):03d} {targets} | what {lemmas[0]} is; a | b  \n"


def write_nouns(path: Path, version: str = "3.0") -> Path:
    body = "".join(noun_line(wnid, *entry) for wnid, entry in NOUNS.items())
    path.write_text(PREAMBLE.format(version=version) + body, encoding="utf-8")
    return path


@pytest.fixture
def nouns(tmp_path: Path) -> dict[str, wordnet.Synset]:
    return wordnet.load_nouns(write_nouns(tmp_path / "data.noun"), check=False)


@pytest.fixture(scope="module")
def real_nouns() -> dict[str, wordnet.Synset]:
    path = Path(os.environ.get("WSOL_WORDNET", "/usr/share/wordnet/data.noun"))
    if not path.exists():
        pytest.skip("install Debian's wordnet-base, or set WSOL_WORDNET to WordNet 3.0's data.noun")
    return wordnet.load_nouns(path)


@pytest.fixture(scope="module")
def imagenet() -> tuple[str, ...]:
    return wordnet.load_wnids(REPO / wordnet.WNIDS)


@pytest.fixture(scope="module")
def annotation() -> Annotation:
    return load_annotation(REPO / wordnet.ANNOTATION)


def test_parser_reads_every_field(nouns: dict[str, wordnet.Synset]) -> None:
    assert list(nouns) == list(NOUNS)
    assert nouns["n00000002"].lemmas == ("animal", "living creature")
    assert nouns["n00000006"].hypernyms == ("n00000004", "n00000005")
    assert nouns["n00000013"].hypernyms == ("n00000012",)
    assert nouns["n00000013"].instance_hypernyms == ("n00000011",)
    assert nouns["n00000006"].gloss == "what warship is; a | b"


def test_number_of_lemmas_is_hexadecimal(tmp_path: Path) -> None:
    path = tmp_path / "data.noun"
    path.write_text(noun_line("n00000001", [f"word{i}" for i in range(28)], ["n00000002"], []))
    assert len(wordnet.load_nouns(path, check=False)["n00000001"].lemmas) == 28


def test_missing_file_names_path_and_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError) as caught:
        wordnet.load_nouns(tmp_path / "nowhere")
    for part in (str(tmp_path / "nowhere"), "apt-get install wordnet-base", "dpkg -x", "--data-noun", "WSOL_WORDNET"):
        assert part in str(caught.value)
    monkeypatch.setenv("WSOL_WORDNET", str(tmp_path / "elsewhere"))
    with pytest.raises(DataError, match="elsewhere"):
        wordnet.load_nouns()


def test_environment_may_name_the_file_or_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nouns(tmp_path / "data.noun")
    for named in (path, tmp_path):
        monkeypatch.setenv("WSOL_WORDNET", str(named))
        assert wordnet.find_data_noun() == path
    assert wordnet.find_data_noun(path) == path


def test_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"this is WordNet 3\.1"):
        wordnet.load_nouns(write_nouns(tmp_path / "data.noun", version="3.1"))
    (tmp_path / "bare").write_text(noun_line("n00000001", ["entity"], [], []))
    with pytest.raises(DataError, match="WordNet unknown"):
        wordnet.load_nouns(tmp_path / "bare")


def test_cut_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"13 noun synsets where WordNet 3\.0 has 82,115"):
        wordnet.load_nouns(write_nouns(tmp_path / "data.noun"))


@pytest.mark.parametrize(
    "line", ["garbage\n", "00000001 03 v 01 run 0 000 | to run\n", "00000001 03 n 01 entity 0 002 @ 1\n"]
)
def test_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "data.noun"
    path.write_text(PREAMBLE.format(version="3.0") + line)
    with pytest.raises(DataError, match="line 2"):
        wordnet.load_nouns(path)


def test_wnids_keep_their_order_and_allow_comments(tmp_path: Path) -> None:
    path = tmp_path / "wnids.txt"
    path.write_text("# classes\nn00000002 # animal\n\nn00000001\n")
    assert wordnet.load_wnids(path) == ("n00000002", "n00000001")


@pytest.mark.parametrize(
    ("text", "message"),
    [("n0001\n", "line 1.*not a wnid"), ("n00000001\nn00000001\n", "line 2.*twice"), ("# none\n", "no wnid")],
)
def test_bad_list_of_wnids(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wnids.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        wordnet.load_wnids(path)


def test_missing_list_of_wnids(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        wordnet.load_wnids(tmp_path / "wnids.txt")


def test_tree_takes_first_parent_and_graph_takes_all(nouns: dict[str, wordnet.Synset]) -> None:
    tree = wordnet.build_taxonomy(nouns, CLASSES, "paper")
    graph = wordnet.build_taxonomy(nouns, CLASSES, "wordnet")
    assert tree.leaves("n00000005") == ("n00000010",)
    assert graph.leaves("n00000005") == ("n00000007", "n00000008", "n00000010")
    assert tree.leaves("n00000004") == graph.leaves("n00000004") == ("n00000007", "n00000008", "n00000009")
    assert tree.roots == graph.roots == ("n00000001",)
    assert graph.num_edges == tree.num_edges + 1
    assert tree.leaves("n00000013") == ()
    assert genealogy(tree, "n00000007") == ("n00000001", "n00000003", "n00000004", "n00000006", "n00000007")


def test_override_changes_the_tree_alone(nouns: dict[str, wordnet.Synset]) -> None:
    marks = Annotation(overrides=(ParentOverride("n00000006", "n00000005"),))
    tree = wordnet.build_taxonomy(nouns, CLASSES, "paper", marks)
    assert tree.leaves("n00000004") == ("n00000009",)
    assert tree.leaves("n00000005") == ("n00000007", "n00000008", "n00000010")
    graph = wordnet.build_taxonomy(nouns, CLASSES, "wordnet", marks)
    assert len(graph.leaves("n00000004")) == 3


def test_override_must_be_a_hypernym(nouns: dict[str, wordnet.Synset]) -> None:
    marks = Annotation(overrides=(ParentOverride("n00000006", "n00000002"),), origin="marks.yaml")
    with pytest.raises(ParameterError, match=r"marks\.yaml.*n00000006.*n00000002"):
        wordnet.build_taxonomy(nouns, CLASSES, "paper", marks)


def test_unknown_class_and_unknown_mode(nouns: dict[str, wordnet.Synset]) -> None:
    with pytest.raises(DataError, match="n99999999"):
        wordnet.build_taxonomy(nouns, ["n99999999"], "paper")
    with pytest.raises(ParameterError, match="paper, wordnet"):
        wordnet.build_taxonomy(nouns, CLASSES, "tree")


def test_supersets_of_both_modes(nouns: dict[str, wordnet.Synset]) -> None:
    marks = Annotation(marks=(Mark("n00000004", "ship", "hom"), Mark("n00000006", "warship", "hom")))
    paper = wordnet.supersets("paper", nouns, CLASSES, marks)
    assert paper["n00000007"] == ("n00000007", "n00000008", "n00000009")
    assert paper["n00000010"] == ("n00000010",)
    assert [node.name for node in paper.outermost] == ["ship"]
    assert [node.name for node in paper.nested] == ["warship"]
    assert (paper.num_covered, paper.num_singletons, paper.num_supersets, paper.num_distinct) == (3, 3, 4, 5)
    # The walk of the graph reaches warship past ship, by way of weapon; ship is above it all the same.
    graph = wordnet.supersets("wordnet", nouns, CLASSES, marks)
    assert graph.as_dict() == paper.as_dict()


def test_class_below_two_outermost_nodes_goes_to_the_first_marked(nouns: dict[str, wordnet.Synset]) -> None:
    weapon, ship = Mark("n00000005", "weapon", "hom"), Mark("n00000004", "ship", "hom")
    first = wordnet.supersets("wordnet", nouns, CLASSES, Annotation(marks=(weapon, ship)))
    assert first["n00000007"] == ("n00000007", "n00000008", "n00000010")
    assert first["n00000009"] == ("n00000009",)
    second = wordnet.supersets("wordnet", nouns, CLASSES, Annotation(marks=(ship, weapon)))
    assert second["n00000007"] == ("n00000007", "n00000008", "n00000009")


def test_node_printed_under_another_wnid_gives_way_in_mode_wordnet() -> None:
    marks = Annotation(
        marks=(Mark("n00000012", "dog", "hom", printed_as="n00000002"), Mark("n00000003", "artefact", "het")),
        also_printed=(Nested("n00000011", "cat", "n00000002"),),
    )
    assert marks.nodes("paper") == ("n00000012", "n00000011")
    assert marks.nodes("wordnet") == ("n00000002", "n00000011")


def test_unknown_class_has_no_superset(nouns: dict[str, wordnet.Synset]) -> None:
    with pytest.raises(KeyError):
        wordnet.supersets("paper", nouns, CLASSES, Annotation())["n00000013"]


@st.composite
def _graphs(draw: st.DrawFn) -> tuple[Taxonomy, list[str]]:
    """Any rooted acyclic graph, its childless nodes as classes, and any set of homogeneous nodes."""
    size = draw(st.integers(2, 14))
    names = [f"n{number:08d}" for number in range(size)]
    parents = {names[0]: ()} | {
        names[i]: tuple(draw(st.lists(st.sampled_from(names[:i]), min_size=1, max_size=3, unique=True)))
        for i in range(1, size)
    }
    above = {parent for chosen in parents.values() for parent in chosen}
    classes = tuple(name for name in names if name not in above)
    return Taxonomy(classes, parents), draw(st.lists(st.sampled_from(names), unique=True))


def _paths_up(taxonomy: Taxonomy, node: str) -> list[list[str]]:
    if not taxonomy.parents[node]:
        return [[node]]
    return [[node, *rest] for parent in taxonomy.parents[node] for rest in _paths_up(taxonomy, parent)]


@settings(deadline=None, max_examples=60)
@given(_graphs())
def test_supersets_partition_the_classes(case: tuple[Taxonomy, list[str]]) -> None:
    taxonomy, hom = case
    result = partition(taxonomy, hom)
    parts = set(result.as_dict().values())
    assert sorted(leaf for part in parts for leaf in part) == sorted(taxonomy.classes)
    assert len(parts) == result.num_supersets
    for leaf in taxonomy.classes:
        assert leaf in result[leaf]
    above = {leaf: {node for path in _paths_up(taxonomy, leaf) for node in path} for leaf in taxonomy.classes}
    for superset in result.outermost:
        assert set(superset.classes) <= {leaf for leaf in taxonomy.classes if superset.wnid in above[leaf]}
        assert not {node for path in _paths_up(taxonomy, superset.wnid) for node in path[1:]} & set(hom)


@settings(deadline=None, max_examples=60)
@given(_graphs())
def test_walk_visits_each_node_once_and_nothing_below_a_homogeneous_node(case: tuple[Taxonomy, list[str]]) -> None:
    taxonomy, hom = case
    visited = list(breadth_first(taxonomy, hom))
    nodes = [node for node, _ in visited]
    assert len(nodes) == len(set(nodes))
    assert [depth for _, depth in visited] == sorted(depth for _, depth in visited)
    free = {
        node for node in taxonomy.parents if any(not set(path[1:]) & set(hom) for path in _paths_up(taxonomy, node))
    }
    assert set(nodes) == free


def test_annotation_survives_a_round_trip(tmp_path: Path, annotation: Annotation) -> None:
    save_annotation(tmp_path / "copy.yaml", annotation)
    assert load_annotation(tmp_path / "copy.yaml") == annotation


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nodes: [{wnid: n1, name: a, mark: maybe}]", "mark 'maybe'"),
        ("nodes: [{wnid: n1, name: a, mark: hom}, {wnid: n1, name: a, mark: het}]", "twice"),
        ("nodes: [{wnid: n1, mark: hom}]", "entry 1: missing 'name'"),
        ("nodes: [{wnid: n1, name: a, mark: hom, depth: 3}]", "unknown key depth"),
        ("nodes: [n1]", "not a mapping"),
        ("leaves: []", "leaves"),
        ("[1]", "no mapping"),
        ("nodes: [", "not valid YAML"),
    ],
)
def test_bad_annotation(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "marks.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=message):
        load_annotation(path)


def test_missing_annotation(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="wsol supersets annotate"):
        load_annotation(tmp_path / "marks.yaml")


def test_list_of_imagenet_is_sorted(imagenet: tuple[str, ...]) -> None:
    assert len(imagenet) == 1000
    assert list(imagenet) == sorted(imagenet)


def test_wordnet_knows_imagenet_by_its_offsets(
    real_nouns: dict[str, wordnet.Synset], imagenet: tuple[str, ...]
) -> None:
    assert len(real_nouns) == 82_115
    # The ten classes of Imagenette, by the names that fast.ai gives them.
    names = {
        "n01440764": "tench",
        "n02102040": "English springer",
        "n02979186": "cassette player",
        "n03000684": "chain saw",
        "n03028079": "church",
        "n03394916": "French horn",
        "n03417042": "garbage truck",
        "n03425413": "gas pump",
        "n03445777": "golf ball",
        "n03888257": "parachute",
    }
    assert all(wnid in imagenet for wnid in names)
    assert {wnid: name for wnid, name in names.items() if name in real_nouns[wnid].lemmas} == names


def test_size_of_the_imagenet_hierarchy(real_nouns: dict[str, wordnet.Synset], imagenet: tuple[str, ...]) -> None:
    graph = wordnet.build_taxonomy(real_nouns, imagenet, "wordnet")
    assert len(graph.parents) == 1860
    assert graph.num_edges == 1937
    assert sum(len(parents) > 1 for parents in graph.parents.values()) == 75
    assert graph.roots == ("n00001740",)
    assert all(graph.leaves(leaf) == (leaf,) for leaf in imagenet)


def test_imagenet_supersets_of_the_paper(
    real_nouns: dict[str, wordnet.Synset], imagenet: tuple[str, ...], annotation: Annotation
) -> None:
    found = wordnet.supersets("paper", real_nouns, imagenet, annotation)
    assert (found.num_covered, found.num_singletons) == (670, 330)
    assert (found.num_distinct, found.num_supersets) == (448, 446)
    assert (len(found.outermost), len(found.nested)) == (116, 2)
    assert {node.name: len(node.classes) for node in found.nested} == {"bovid": 9, "swine": 3}
    sizes = {node.wnid: len(node.classes) for node in found.outermost}
    assert sizes["n02084071"] == 116  # dog, printed as canine
    assert found["n02114367"] == ("n02114367",)  # timber wolf
    assert "n02403003" in found["n02389026"]  # ox and sorrel: bovid gives way to ungulate


def test_annotation_is_what_the_walk_meets(
    real_nouns: dict[str, wordnet.Synset], imagenet: tuple[str, ...], annotation: Annotation
) -> None:
    """In the file's own order, under the names of WordNet, every mark used."""
    tree = wordnet.build_taxonomy(real_nouns, imagenet, "paper", annotation)
    hom = {mark.wnid for mark in annotation.marks}
    met = [node for node, _ in breadth_first(tree, hom) if node in hom]
    assert met == [mark.wnid for mark in annotation.marks]
    for mark in annotation.marks:
        assert mark.name in real_nouns[mark.wnid].lemmas
    assert {nested.inside for nested in annotation.also_printed} == {"n02370806"}
    for override in annotation.overrides:
        assert override.name in real_nouns[override.node].lemmas
        assert override.parent_name in real_nouns[override.parent].lemmas


def test_each_override_changes_a_count(
    real_nouns: dict[str, wordnet.Synset], imagenet: tuple[str, ...], annotation: Annotation
) -> None:
    printed = [*annotation.nodes("paper"), "n02083346"]
    full = wordnet.build_taxonomy(real_nouns, imagenet, "paper", annotation)
    for override in annotation.overrides:
        others = tuple(other for other in annotation.overrides if other != override)
        tree = wordnet.build_taxonomy(real_nouns, imagenet, "paper", Annotation(overrides=others))
        assert any(len(tree.leaves(node)) != len(full.leaves(node)) for node in printed), override.name


def test_imagenet_supersets_of_wordnet(
    real_nouns: dict[str, wordnet.Synset], imagenet: tuple[str, ...], annotation: Annotation
) -> None:
    found = wordnet.supersets("wordnet", real_nouns, imagenet, annotation)
    sizes = {node.wnid: len(node.classes) for node in found.outermost}
    assert sizes["n02083346"] == 130
    assert sizes["n02120997"] == 13
    assert {node.name for node in found.nested} == {"bovid", "swine", "piano", "warship"}
    assert (found.num_covered, found.num_singletons) == (702, 298)


def test_defaults_name_the_parameter_files(
    real_nouns: dict[str, wordnet.Synset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPO)
    assert wordnet.supersets(data_noun=real_nouns).num_supersets == 446
