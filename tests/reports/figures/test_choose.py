from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from wsol.data.supersets import superset_groups
from wsol.reports.figures.choose import Superset, class_pairs, evenly_over_classes, growing_supersets, middle_first
from wsol.reports.figures.depths import supersets_by_depth


def animals() -> list[dict[str, object]]:
    lines = [
        ("wren", ["animal", "bird"]),
        ("robin", ["animal", "bird"]),
        ("cat", ["animal", "mammal"]),
        ("oak", ["plant"]),
    ]
    return [{"index": index, "name": name, "wnid": None, "path": path} for index, (name, path) in enumerate(lines)]


def test_images_are_spaced_over_the_classes_not_over_the_files() -> None:
    # The first class has its images first and last in the list; in class order the images are 0 4 5, 1 2, 3.
    labels = [0, 1, 1, 2, 0, 0]
    assert evenly_over_classes(labels, 3) == [4, 1, 3]
    assert evenly_over_classes(labels, 99) == [0, 4, 5, 1, 2, 3]


@given(st.lists(st.integers(0, 4), max_size=40), st.integers(0, 12))
def test_no_image_is_chosen_twice(labels: list[int], wanted: int) -> None:
    chosen = evenly_over_classes(labels, wanted)
    assert len(set(chosen)) == len(chosen) == min(wanted, len(labels))
    assert [labels[index] for index in chosen] == sorted(labels[index] for index in chosen)


def test_pairs_differ_in_one_two_and_three_parts_equally_often() -> None:
    """Class k has the bits of k as attributes: two classes differ in as many parts as their bits do."""

    def differing(first: int, second: int) -> list[int]:
        return [bit for bit in range(4) if (first ^ second) >> bit & 1]

    pairs = class_pairs(range(16), differing, 6)
    assert Counter(len(differing(*pair)) for pair in pairs) == {1: 2, 2: 2, 3: 2}
    assert all(first < second for first, second in pairs)
    assert [len(differing(*pair)) for pair in pairs] == [1, 1, 2, 2, 3, 3]
    # Of 4 pairs that differ in one part among classes 0 to 3, the second and the fourth are the middles of two halves.
    assert class_pairs(range(4), differing, 6)[:2] == [(0, 2), (2, 3)]
    # What does not divide by three goes to the pairs that differ least.
    assert Counter(len(differing(*pair)) for pair in class_pairs(range(16), differing, 5)) == {1: 2, 2: 2, 3: 1}


def test_no_pair_where_classes_differ_in_more_parts_than_asked_for() -> None:
    assert class_pairs(range(3), lambda first, second: range(4), 6) == []
    assert class_pairs(range(3), lambda first, second: [], 6) == []


def test_an_example_is_looked_for_from_the_middle_on() -> None:
    assert middle_first([3, 5, 8, 9]) == [8, 9, 3, 5]
    assert middle_first([]) == []


def test_supersets_grow_from_the_class_alone_to_all_classes_and_are_named() -> None:
    by_depth = supersets_by_depth(animals(), "hierarchy")
    assert [one.label for one in growing_supersets(by_depth, 0, 6)] == [
        "wren alone",
        "bird (2 classes)",
        "animal (3 classes)",
        "all classes (4 classes)",
    ]
    # The cat is alone at two depths, and the oak at three: each superset stands once.
    assert [one.label for one in growing_supersets(by_depth, 2, 6)] == [
        "cat alone",
        "animal (3 classes)",
        "all classes (4 classes)",
    ]
    assert [one.classes for one in growing_supersets(by_depth, 3, 6)] == [(3,), (0, 1, 2, 3)]


def test_a_superset_keeps_the_depth_that_gives_it() -> None:
    classes = animals()
    by_depth = supersets_by_depth(classes, "singletons")
    for label in range(4):
        for one in growing_supersets(by_depth, label, 6):
            groups, names = superset_groups("hierarchy", classes, depth=one.depth)
            assert tuple(groups[label]) == one.classes
            assert one == Superset(one.depth, names[label], one.classes)


def test_of_many_depths_both_ends_are_kept() -> None:
    by_depth = [({0: list(range(10 - depth))}, {0: f"d{depth}"}) for depth in range(10)]
    sizes = [len(one.classes) for one in growing_supersets(by_depth, 0, 4)]
    assert sizes == [1, 4, 7, 10]
