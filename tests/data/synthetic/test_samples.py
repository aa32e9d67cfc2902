"""What every sample promises: determinism, and ground truth that agrees with itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.data.synthetic import SPLITS, class_table, render
from wsol.data.synthetic import samples as samples_module
from wsol.data.synthetic.datasets import DATASETS, preferred_scene
from wsol.errors import ParameterError

NAMES = sorted(DATASETS)
any_sample = {
    "name": st.sampled_from(NAMES),
    "seed": st.integers(0, 3),
    "index": st.integers(0, 400),
    "split": st.sampled_from(SPLITS),
    "size": st.sampled_from([48, 80, 112]),
}


def box_by_loops(mask: np.ndarray) -> list[float]:
    """The box convention spelt out: right and bottom exclusive, but never beyond the last pixel."""
    height, width = mask.shape
    xs = [x for x in range(width) for y in range(height) if mask[y, x]]
    ys = [y for x in range(width) for y in range(height) if mask[y, x]]
    return [min(xs), min(ys), min(max(xs) + 1, width - 1), min(max(ys) + 1, height - 1)]


@settings(deadline=None, max_examples=40)
@given(**any_sample)
def test_ground_truth_agrees_with_itself(name: str, seed: int, index: int, split: str, size: int) -> None:
    sample = render(name, seed, index, size, split=split)
    assert sample.image.shape == (size, size, 3) and sample.image.dtype == np.uint8
    assert sample.class_index == index % DATASETS[name].default_classes
    assert len(sample.instance_masks) == len(sample.instance_classes)
    labelled = [
        mask
        for mask, label in zip(sample.instance_masks, sample.instance_classes, strict=True)
        if label == sample.class_index
    ]
    assert labelled, "the labelled class must be seen"
    assert sample.boxes.tolist() == [box_by_loops(mask) for mask in labelled]
    assert np.sum(sample.instance_masks, axis=0).max() <= 1, "a pixel belongs to one instance"
    if sample.ignore is not None:
        assert sample.ignore.any()
        assert not np.logical_or.reduce([sample.ignore & mask for mask in labelled]).any()
    if name == "synthbirds":
        assert len(labelled) == len(sample.instance_masks) == 1
        assert sample.parts is not None and sample.parts.max() <= len(sample.part_names) == 7
        assert np.array_equal(sample.parts > 0, labelled[0])
        for point, x, y, visible in sample.keypoints:
            part = "head" if point.endswith("eye") else "leg"
            if visible:
                assert sample.part_names[sample.parts[int(y), int(x)] - 1] == part
    else:
        assert sample.parts is None and sample.keypoints == []


@settings(deadline=None, max_examples=20)
@given(**any_sample)
def test_a_sample_depends_on_its_number_alone(name: str, seed: int, index: int, split: str, size: int) -> None:
    first = render(name, seed, index, size, split=split)
    render(name, seed, index + 1, size, split=split)
    again = render(name, seed, index, size, split=split)
    assert np.array_equal(first.image, again.image)
    assert all(np.array_equal(a, b) for a, b in zip(first.instance_masks, again.instance_masks, strict=True))
    for other in (
        render(name, seed + 1, index, size, split=split),
        render(name, seed, index, size, split=next(s for s in SPLITS if s != split)),
    ):
        assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_scene_at_every_size(name: str) -> None:
    for index in range(8):
        small, large = (render(name, 0, index, size, split="test") for size in (56, 168))
        union_small = np.logical_or.reduce(small.instance_masks)
        union_large = np.logical_or.reduce(large.instance_masks)
        shrunk = union_large.reshape(56, 3, 56, 3).mean(axis=(1, 3)) >= 0.5
        assert (shrunk & union_small).sum() / (shrunk | union_small).sum() > 0.85
        shrunk_image = large.image.reshape(56, 3, 56, 3, 3).mean(axis=(1, 3))
        assert np.abs(shrunk_image - small.image).mean() < 14


def test_eyes_and_feet_are_mostly_seen() -> None:
    seen: dict[str, list[bool]] = {"eye": [], "foot": []}
    for index in range(60):
        sample = render("synthbirds", 1, index, 112, split="test")
        names = [name for name, *_ in sample.keypoints]
        assert sorted(names) == ["left_eye", "left_foot", "right_eye", "right_foot"]
        by_name = {name: visible for name, _, _, visible in sample.keypoints}
        seen["eye"].append(by_name["left_eye"] or by_name["right_eye"])
        seen["foot"].append(by_name["left_foot"] or by_name["right_foot"])
        assert not (by_name["left_eye"] and by_name["right_eye"]), "a bird in profile shows one eye"
    assert np.mean(seen["eye"]) > 0.9
    assert np.mean(seen["foot"]) > 0.7


@pytest.mark.parametrize("name", ["synthbirds", "synthobjects", "synthnet"])
def test_objects_lie_inside_the_frame_at_many_places_and_sizes(name: str) -> None:
    samples = [render(name, 2, index, 80, split="test") for index in range(120)]
    boxes = np.array([sample.boxes[0] for sample in samples]) / 80
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    border = np.ones((80, 80), dtype=bool)
    border[1:-1, 1:-1] = False
    for sample in samples:
        assert not np.any(np.logical_or.reduce(sample.instance_masks) & border), "no object is cut off by the frame"
    assert 0.2 < np.median(areas) < 0.36
    assert np.quantile(areas, 0.1) < 0.2 and np.quantile(areas, 0.9) > 0.42
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert np.all(centres.std(axis=0) > 0.08), "objects are not always in the middle"


def test_ambiguous_pixels_are_in_some_images_of_synthobjects_only_some() -> None:
    share = np.mean([render("synthobjects", 0, index, 64, split="test").ignore is not None for index in range(80)])
    assert 0.25 < share < 0.75


def test_synthscenes_is_crowded() -> None:
    samples = [render("synthscenes", 0, index, 112, split="test") for index in range(60)]
    assert np.mean([len(set(s.instance_classes)) for s in samples]) > 1.7
    assert np.mean([len(s.boxes) > 1 for s in samples]) > 0.35
    areas = np.concatenate([[mask.mean() for mask in s.instance_masks] for s in samples])
    assert np.median(areas) < 0.06


@pytest.mark.parametrize("name", NAMES)
def test_the_background_favours_the_class(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples_module, "paint", lambda layout, *rest: layout)  # what is drawn is not looked at
    classes = DATASETS[name].default_classes
    favoured = [
        render(name, 0, index, 32, split="test").background == preferred_scene(name, index % classes, classes)
        for index in range(200)
    ]
    chance = 0.35 / len(DATASETS[name].scenes)
    assert abs(np.mean(favoured) - (0.65 + chance)) < 0.11
    never = [render(name, 0, i, 32, split="test", options={"background_bias": 0}).background for i in range(100)]
    assert len(set(never)) > 4


@pytest.mark.parametrize("name", NAMES)
def test_class_table_is_well_formed(name: str) -> None:
    table = class_table(name, DATASETS[name].max_classes)
    assert [entry["index"] for entry in table] == list(range(DATASETS[name].max_classes))
    assert len({entry["name"] for entry in table}) == len(table)
    parents: dict[str, str | None] = {}
    for entry in table:
        assert set(entry) == {"index", "name", "wnid", "path", "attributes"} and entry["wnid"] is None
        assert entry["path"] and entry["name"] not in entry["path"]
        for parent, child in zip([None, *entry["path"]], [*entry["path"], entry["name"]], strict=True):
            assert parents.setdefault(child, parent) == parent, f"{child} has two parents"
    assert class_table(name, 5) == table[:5], "a class keeps its number whatever the number of classes"


def test_synthnet_families_share_a_parent() -> None:
    table = class_table("synthnet")
    families = {tuple(entry["path"]) for entry in table}
    assert len(table) == 20 and len(families) == 5
    assert len({tuple(entry["path"]) for entry in class_table("synthnet", 10)}) == 5


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        (("cub", 0, 0, 64), {"split": "test"}, "unknown synthetic data set 'cub'"),
        (("synthbirds", 0, 0, 64), {"split": "val"}, "unknown split 'val'"),
        (("synthbirds", 0, 0, 8), {"split": "test"}, "size = 8"),
        (("synthbirds", 0, -1, 64), {"split": "test"}, "index = -1"),
        (("synthnet", 0, 0, 64), {"split": "test", "num_classes": 21}, "num_classes = 21"),
        (("synthnet", 0, 0, 64), {"split": "test", "options": {"colour": 1}}, "unknown synthetic option 'colour'"),
        (("synthnet", 0, 0, 64), {"split": "test", "options": {"background_bias": 2}}, "background_bias = 2"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple, keywords: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        render(*arguments, **keywords)
