"""Manifests: what is written comes back, the same content gives the same bytes, and what is wrong is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.data.manifest import (
    SPLITS,
    TEST,
    TRAIN_WEAKSUP,
    ClassEntry,
    Keypoint,
    Manifest,
    Row,
    read_classes,
    read_manifest,
    validate,
    write_classes,
    write_manifest,
)
from wsol.errors import DataError

SHA = "ab" * 32
CLASSES = [
    ClassEntry(index=0, name="wren", wnid="n1", path=["bird"], attributes={"crest": True}),
    ClassEntry(index=1, name="gull", wnid=None, path=[], attributes={}),
]


def row(image_id: str = "a", label: int = 0, **changes: object) -> Row:
    made = Row(
        image_id=image_id,
        class_index=label,
        class_name=CLASSES[label]["name"],
        width=10,
        height=8,
        image=f"{image_id}.png",
        boxes=np.array([[0.0, 0.0, 9.0, 7.0], [2.0, 3.0, 2.0, 3.0]]),
        masks=("m0.png", "m1.png"),
        ignore="i.png",
        parts="p.png",
        keypoints=(Keypoint("eye", 1.5, 2.5, True), Keypoint("foot", 0.0, 7.0, False)),
        sha256=SHA,
    )
    return replace(made, **changes)


def manifest(rows: list[Row], split: str = TEST, localisation: str = "boxes") -> Manifest:
    return Manifest.from_rows("birds", split, "raw:birds.zip", 2, localisation, rows)


def assert_same(left: Manifest, right: Manifest) -> None:
    assert left.header == right.header
    for name in ("image_ids", "class_names", "images", "masks", "ignore", "parts", "keypoints", "sha256"):
        assert getattr(left, name) == getattr(right, name), name
    for name in ("labels", "widths", "heights"):
        one, other = getattr(left, name), getattr(right, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert [boxes.shape for boxes in left.boxes] == [boxes.shape for boxes in right.boxes]
    for one, other in zip(left.boxes, right.boxes, strict=True):
        np.testing.assert_array_equal(one, other)


def test_round_trip(tmp_path: Path) -> None:
    made = manifest([row("a"), row("b", 1, boxes=np.zeros((0, 4)), masks=(), ignore=None, parts=None, keypoints=())])
    write_manifest(tmp_path / "m.parquet", made)
    read = read_manifest(tmp_path / "m.parquet")
    assert_same(made, read)
    assert read.labels.dtype == np.int64
    assert read.boxes[1].shape == (0, 4)
    assert read.row(0).keypoints[1] == Keypoint("foot", 0.0, 7.0, False)
    assert [one.image_id for one in read.rows()] == ["a", "b"]


def test_columns_are_those_of_the_data_contract(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.parquet", manifest([row()]))
    schema = pq.read_schema(tmp_path / "m.parquet")
    assert {name: str(schema.field(name).type) for name in schema.names} == {
        "image_id": "string",
        "class_index": "int32",
        "class_name": "string",
        "width": "int32",
        "height": "int32",
        "image": "string",
        "boxes": "list<element: list<element: double>>",
        "masks": "list<element: string>",
        "ignore": "string",
        "parts": "string",
        "keypoints": "list<element: struct<name: string, x: double, y: double, visible: bool>>",
        "sha256": "string",
    }
    assert schema.metadata[b"wsol"] == (
        b'{"dataset": "birds", "localisation": "boxes", "num_classes": 2, "source": "raw:birds.zip", "split": "test"}'
    )


boxes_strategy = st.lists(
    st.lists(st.floats(0, 500, allow_nan=False, width=32), min_size=4, max_size=4), max_size=4
).map(lambda boxes: np.array(boxes, dtype=np.float64).reshape(-1, 4))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=8), boxes_strategy, st.none() | st.text(max_size=5)),
        min_size=1,
        max_size=6,
    )
)
def test_round_trip_of_any_rows_and_equal_bytes(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, np.ndarray, str | None]]
) -> None:
    folder = tmp_path_factory.mktemp("m")
    made = manifest([row(name, boxes=boxes, ignore=ignore) for name, boxes, ignore in drawn])
    write_manifest(folder / "a.parquet", made)
    write_manifest(folder / "b.parquet", read_manifest(folder / "a.parquet"))
    assert_same(made, read_manifest(folder / "b.parquet"))
    assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()


def test_train_weaksup_carries_no_localisation_by_construction() -> None:
    weak = manifest([row("a"), row("b", 1)], TRAIN_WEAKSUP)
    assert weak.localisation == "none"
    only = weak.row(0)
    assert (len(only.boxes), only.masks, only.ignore, only.parts, only.keypoints) == (0, (), None, None, ())
    assert only.sha256 == SHA
    validate(weak, CLASSES)


def test_subset_keeps_order_and_header() -> None:
    made = manifest([row("a"), row("b", 1), row("c")])
    part = made.subset(np.array([2, 0]))
    assert part.image_ids == ["c", "a"]
    assert part.header == made.header


def test_instances_per_image_counts_what_localises() -> None:
    rows = [row("a"), row("b", masks=("m",))]
    assert manifest(rows).instances_per_image().tolist() == [2, 2]
    assert manifest(rows, localisation="masks").instances_per_image().tolist() == [2, 1]


def test_a_good_manifest_is_valid_in_every_split() -> None:
    for split in SPLITS:
        validate(manifest([row("a"), row("b", 1)], split), CLASSES)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("a"), row("a")], r"'a' stands twice"),
        ([row("a", sha256="ABC")], r"sha256 'ABC' is not 64"),
        ([row("a", sha256="")], r"sha256 '' is not 64"),
        ([row("a", width=0)], r"size 0×8"),
        ([row("a", class_index=2)], r"class index 2, outside 0\.\.1"),
        ([row("a", class_index=-1)], r"class index -1"),
        ([row("a", class_name="gull")], r"class name 'gull', but class 0 is 'wren'"),
        ([row("a", boxes=np.array([[0, 0, 10, 7]]))], r"image 'a': box \[0\.0, 0\.0, 10\.0, 7\.0\].*10×8"),
        ([row("a", boxes=np.array([[0, 0, 9, 8]]))], r"box .*8\.0\]"),
        ([row("a", boxes=np.array([[-1, 0, 9, 7]]))], r"box \[-1\.0"),
        ([row("a", boxes=np.array([[5, 0, 4, 7]]))], r"box \[5\.0"),
        ([row("a", boxes=np.array([[0, 5, 4, 4]]))], r"box \[0\.0, 5\.0"),
        ([row("a", boxes=np.array([[np.nan, 0, 4, 4]]))], r"box \[nan"),
        ([row("a", boxes=np.zeros((0, 4)))], r"no box"),
        ([], r"no images"),
    ],
)
def test_a_wrong_row_is_named(rows: list[Row], message: str) -> None:
    with pytest.raises(DataError, match=message):
        validate(manifest(rows), CLASSES)


def test_the_empty_class_is_named() -> None:
    with pytest.raises(DataError, match=r"birds train-weaksup: no image of class 1 \(gull\)"):
        validate(manifest([row("a")], TRAIN_WEAKSUP), CLASSES)
    with pytest.raises(DataError, match=r"no image of class 1 "):
        validate(manifest([row("a")], TRAIN_WEAKSUP))


def test_wrong_headers_are_refused() -> None:
    with pytest.raises(DataError, match="unknown split 'val'"):
        validate(manifest([row()], "val"))
    with pytest.raises(DataError, match="localisation 'points'"):
        validate(manifest([row()], localisation="points"))
    with pytest.raises(DataError, match="no mask"):
        validate(manifest([row(masks=())], localisation="masks"))
    with pytest.raises(DataError, match="class table has 1 entries"):
        validate(manifest([row()]), CLASSES[:1])
    with pytest.raises(DataError, match="unequal length"):
        validate(replace(manifest([row()]), sha256=[]))
    strong = manifest([row("a"), row("b", 1)])
    with pytest.raises(DataError, match="must carry no localisation"):
        validate(replace(strong, split=TRAIN_WEAKSUP))


def test_without_images_size_and_hash_may_be_absent() -> None:
    made = manifest([row("a", width=0, height=0, sha256="")])
    validate(made, CLASSES, require_images=False)
    with pytest.raises(DataError, match="size 0×0"):
        validate(made, CLASSES)


def test_unreadable_manifests_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.parquet: no such manifest"):
        read_manifest(tmp_path / "absent.parquet")
    (tmp_path / "text.parquet").write_text("not parquet")
    with pytest.raises(DataError, match=r"text\.parquet: not a readable parquet"):
        read_manifest(tmp_path / "text.parquet")
    import pyarrow as pa

    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="not a manifest"):
        read_manifest(tmp_path / "other.parquet")


def test_class_table_round_trip(tmp_path: Path) -> None:
    write_classes(tmp_path / "classes.json", "birds", CLASSES)
    assert read_classes(tmp_path / "classes.json") == CLASSES
    (tmp_path / "gap.json").write_text('{"classes": [{"index": 0, "name": "a"}, {"index": 2, "name": "b"}]}')
    with pytest.raises(DataError, match=r"class indices must be 0\.\.1"):
        read_classes(tmp_path / "gap.json")
    (tmp_path / "none.json").write_text("[]")
    with pytest.raises(DataError, match="not a class table"):
        read_classes(tmp_path / "none.json")
