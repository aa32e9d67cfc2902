"""Archives: the same bytes for any number of workers, exact counts, and no localisation in the weak split."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from wsol.data.synthetic import class_table, render, write_archive
from wsol.data.synthetic.datasets import DATASETS
from wsol.errors import ParameterError

COUNTS = {"train-weaksup": 4, "train-fullsup": 1, "test": 2}


@pytest.fixture(scope="module", params=sorted(DATASETS))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp("archive") / "images.zip"
    write_archive(path, request.param, 3, 48, COUNTS, 5)
    return request.param, path


def read(path: Path) -> tuple[dict, dict, dict[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        assert len(members) == len(archive.namelist())
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    return json.loads(members["annotations.json"]), json.loads(members["classes.json"]), members


def pixels(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_UNCHANGED)


def test_workers_do_not_change_the_bytes(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    for workers in (1, 2):
        write_archive(
            tmp_path / f"{workers}.zip", "synthscenes", 0, 48, {"test": 9, "train-weaksup": 2}, 4, workers,
            progress=lambda done, total: steps.append((done, total)),
        )  # fmt: skip
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    assert steps[-1] == (44, 44) and steps[: len(steps) // 2] == steps[len(steps) // 2 :]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.zip", "2.zip"], "no temporary file is left"


def test_every_class_has_exactly_its_count(made: tuple[str, Path]) -> None:
    name, path = made
    annotations, classes, members = read(path)
    assert (annotations["dataset"], annotations["seed"], annotations["size"]) == (name, 3, 48)
    assert classes == {"dataset": name, "classes": class_table(name, 5)}
    assert set(annotations["splits"]) == set(COUNTS)
    for split, entries in annotations["splits"].items():
        assert Counter(entry["class_index"] for entry in entries) == dict.fromkeys(range(5), COUNTS[split])
        assert [entry["class_index"] for entry in entries] == [k % 5 for k in range(len(entries))]
        assert [entry["image_id"] for entry in entries] == [f"{name}/{split}/{k:05d}" for k in range(len(entries))]
    named = {"annotations.json", "classes.json"}
    for entry in (entry for entries in annotations["splits"].values() for entry in entries):
        named |= {entry["image"], *entry["masks"], *(other["mask"] for other in entry["others"])}
        named |= {entry[kind] for kind in ("ignore", "parts") if entry[kind]}
    assert named == set(members), "every member is referred to, and every reference is a member"


def test_the_weak_split_says_nothing_of_places(made: tuple[str, Path]) -> None:
    annotations, _, members = read(made[1])
    for entry in annotations["splits"]["train-weaksup"]:
        assert set(entry) == {
            "image_id", "class_index", "width", "height", "image",
            "boxes", "masks", "ignore", "parts", "keypoints", "others",
        }  # fmt: skip
        assert not any(entry[kind] for kind in ("boxes", "masks", "ignore", "parts", "keypoints", "others"))
    weak = [name for name in members if name.startswith("train-weaksup/")]
    assert weak and all(name.startswith("train-weaksup/images/") for name in weak)


def test_members_hold_the_rendered_sample(made: tuple[str, Path]) -> None:
    name, path = made
    annotations, _, members = read(path)
    for index, entry in enumerate(annotations["splits"]["test"]):
        sample = render(name, 3, index, 48, split="test", num_classes=5)
        assert np.array_equal(pixels(members[entry["image"]])[..., ::-1], sample.image)
        assert np.array_equal(np.array(entry["boxes"]), sample.boxes)
        stored = [*entry["masks"], *(other["mask"] for other in entry["others"])]
        kept = {str(member): pixels(members[member]) for member in stored}
        assert sorted(m.tobytes() for m in kept.values()) == sorted(
            (mask.astype(np.uint8) * 255).tobytes() for mask in sample.instance_masks
        )
        if sample.ignore is not None:
            assert np.array_equal(pixels(members[entry["ignore"]]) > 0, sample.ignore)
        if sample.parts is not None:
            assert np.array_equal(pixels(members[entry["parts"]]), sample.parts)


def test_bad_counts_are_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="val = 3"):
        write_archive(tmp_path / "a.zip", "synthnet", 0, 48, {"val": 3})
    with pytest.raises(ParameterError, match="test = 0"):
        write_archive(tmp_path / "a.zip", "synthnet", 0, 48, {"test": 0})
    with pytest.raises(ParameterError, match="name a split"):
        write_archive(tmp_path / "a.zip", "synthnet", 0, 48, {})
    assert not list(tmp_path.iterdir())
