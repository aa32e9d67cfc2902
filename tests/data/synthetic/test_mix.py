"""The mixture that networks get their first weights from: classes of three data sets in turn, and boxes for them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from wsol.data.preview import contact_sheet, example_of
from wsol.data.synthetic import SPLITS, Sample, class_table, render
from wsol.data.synthetic.datasets import DATASETS, MIXED, choose_scene
from wsol.data.synthetic.layout import IGNORED, OBJECT
from wsol.errors import ParameterError

COUNT = 9


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [render("synthmix", 3, index, 48, split="test", num_classes=COUNT) for index in range(4 * COUNT)]


def test_classes_are_those_of_the_three_data_sets_in_turn() -> None:
    assert MIXED == ("synthbirds", "synthobjects", "synthnet")
    tables = {name: class_table(name) for name in MIXED}
    mixed = class_table("synthmix", COUNT)
    for index, entry in enumerate(mixed):
        name, own = MIXED[index % 3], index // 3
        assert entry["name"] == f"{tables[name][own]['name']} ({name})"
        assert entry["path"] == tables[name][own]["path"] and entry["attributes"] == {}
    assert len({entry["name"] for entry in class_table("synthmix", DATASETS["synthmix"].max_classes)}) == len(
        class_table("synthmix", DATASETS["synthmix"].max_classes)
    )


def test_there_are_as_many_classes_as_the_smallest_of_the_three_allows() -> None:
    most = 3 * min(DATASETS[name].max_classes for name in MIXED)
    render("synthmix", 0, most - 1, 32, split="test", num_classes=most)
    with pytest.raises(ParameterError, match=rf"num_classes = {most + 1} is outside \[2, {most}\]"):
        class_table("synthmix", most + 1)


@pytest.mark.parametrize("class_index", range(COUNT))
def test_a_layout_shows_its_own_data_sets_objects_under_the_mixtures_label(class_index: int) -> None:
    # The same draws give the same figures in the same places; only what they are called differs.
    def rng() -> np.random.Generator:
        return np.random.default_rng(class_index)

    options = {"background_bias": 0.5, "clutter": 1.0, "area": 0.3}
    source = DATASETS[MIXED[class_index % 3]]
    for scene in ("meadow", "street"):
        mixed = DATASETS["synthmix"].compose(rng(), class_index, COUNT, scene, options)
        plain = source.compose(rng(), class_index // 3, COUNT // 3, scene, options)
        assert (mixed.background, mixed.class_index, mixed.part_names) == (scene, class_index, ())
        assert [item.role for item in mixed.items] == [item.role for item in plain.items]
        assert all(np.array_equal(a.matrix, b.matrix) for a, b in zip(mixed.items, plain.items, strict=True))
        assert {item.class_index for item in mixed.items if item.role == OBJECT} == {class_index}
        assert {item.class_index for item in mixed.items if item.role != OBJECT} <= {-1}


def test_every_object_bears_the_label_of_its_image_and_boxes_are_those_of_its_pixels(samples: list[Sample]) -> None:
    assert Counter(sample.class_index for sample in samples) == dict.fromkeys(range(COUNT), 4)
    for sample in samples:
        assert sample.instance_classes == [sample.class_index] * len(sample.instance_masks)
        for box, mask in zip(sample.boxes, sample.instance_masks, strict=True):
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            right, below = min(columns[-1] + 1, 47), min(rows[-1] + 1, 47)
            assert box.tolist() == [columns[0], rows[0], right, below]
    assert max(len(sample.boxes) for sample in samples) > 1
    assert all(len(sample.boxes) == 1 for sample in samples if sample.class_index % 3 == 0), "one bird an image"


def test_there_are_no_parts_and_no_keypoints_even_on_birds(samples: list[Sample]) -> None:
    assert all(sample.parts is None and sample.keypoints == [] and sample.part_names == () for sample in samples)


def test_hidden_pixels_are_background_and_only_unlabelled_objects_are_ignored(samples: list[Sample]) -> None:
    layouts = [
        DATASETS["synthmix"].compose(
            np.random.default_rng(seed), 1, COUNT, "meadow", {"background_bias": 0, "clutter": 0, "area": 0.3}
        )
        for seed in range(20)
    ]
    assert not any(layout.ignore_hidden for layout in layouts)
    assert 0 < sum(any(item.role == IGNORED for item in layout.items) for layout in layouts) < 20
    assert all(sample.ignore is None for sample in samples if sample.class_index % 3 != 1), (
        "synthobjects alone has them"
    )


def test_an_image_depends_on_seed_split_and_number_alone(samples: list[Sample]) -> None:
    for index in (0, 7, 20):
        again = render("synthmix", 3, index, 48, split="test", num_classes=COUNT)
        assert np.array_equal(again.image, samples[index].image)
        assert np.array_equal(again.boxes, samples[index].boxes)
    others = [render("synthmix", 4, 7, 48, split="test", num_classes=COUNT)]
    others += [render("synthmix", 3, 7, 48, split=split, num_classes=COUNT) for split in SPLITS if split != "test"]
    assert not any(np.array_equal(other.image, samples[7].image) for other in others)


def test_scenes_are_those_of_all_three_and_not_the_ones_that_they_prefer() -> None:
    scenes = DATASETS["synthmix"].scenes
    assert set(scenes) == {scene for name in MIXED for scene in DATASETS[name].scenes}
    assert len(set(scenes)) == len(scenes)
    rng = np.random.default_rng(0)
    seen = {choose_scene(rng, "synthmix", 0, COUNT, 0.0) for _ in range(300)}
    assert seen == set(scenes)


def test_a_contact_sheet_shows_every_class(samples: list[Sample]) -> None:
    names = [entry["name"] for entry in class_table("synthmix", COUNT)]
    examples = [example_of(sample, names[sample.class_index]) for sample in samples[: 2 * COUNT]]
    sheet = contact_sheet(examples, per_row=2, tile=64)
    assert sheet.dtype == np.uint8 and sheet.shape[2] == 3
    assert sheet.shape[0] >= COUNT * 64 and sheet.shape[1] >= 2 * 2 * 64
    assert contact_sheet(examples[:1], tile=64).shape[0] < sheet.shape[0] // (COUNT - 1)
