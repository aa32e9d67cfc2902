"""Pixel ground truth, on masks made here."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsol.data.manifest import TEST, Manifest, Row
from wsol.data.masks import evaluation_mask, load_masks, load_parts
from wsol.errors import DataError


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def manifest(folder: Path, **changes: object) -> Manifest:
    """One image of 6×4 with two instances, an ignore region that overlaps the first, and a part map."""
    first, second, ignore = (np.zeros((4, 6), dtype=np.uint8) for _ in range(3))
    first[:2, :2] = 255
    second[3, 5] = 1
    ignore[:, 1:3] = 255
    parts = np.arange(24, dtype=np.uint8).reshape(4, 6)
    trimap = np.array([[1, 2], [3, 1]], dtype=np.uint8)
    for name, pixels in {"a": first, "b": second, "i": ignore, "p": parts, "t": trimap}.items():
        (folder / f"{name}.png").write_bytes(png(pixels))
    fields = {"masks": ("a.png", "b.png"), "ignore": "i.png", "parts": "p.png", **changes}
    row = Row("x", 0, "thing", 6, 4, "x.png", sha256="0" * 64, **fields)
    return Manifest.from_rows("things", TEST, str(folder), 1, "masks", [row])


def test_instances_are_binary_and_apart(tmp_path: Path) -> None:
    instances, ignore = load_masks(manifest(tmp_path), 0)
    assert [instance.sum() for instance in instances] == [4, 1]
    assert all(instance.dtype == np.uint8 and instance.max() == 1 for instance in instances)
    assert ignore is not None
    assert ignore.sum() == 8


def test_ignore_and_parts_may_be_absent(tmp_path: Path) -> None:
    bare = manifest(tmp_path, ignore=None, parts=None)
    assert load_masks(bare, 0)[1] is None
    assert load_parts(bare, 0) is None
    np.testing.assert_array_equal(load_parts(manifest(tmp_path), 0), np.arange(24).reshape(4, 6))


def test_a_value_of_an_indexed_image_is_a_mask(tmp_path: Path) -> None:
    instances, ignore = load_masks(manifest(tmp_path, masks=("t.png#1",), ignore="t.png#3"), 0)
    np.testing.assert_array_equal(instances[0], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(ignore, [[0, 0], [1, 0]])
    with pytest.raises(DataError, match=r"'t\.png#pet'"):
        load_masks(manifest(tmp_path, masks=("t.png#pet",)), 0)


@pytest.mark.parametrize("size", [4, 8, 13, 24])
def test_evaluation_mask_is_nearest_joined_with_ignore_outside_objects(tmp_path: Path, size: int) -> None:
    made = manifest(tmp_path)
    (first, second), ignore = load_masks(made, 0)
    assert ignore is not None
    wanted = np.zeros((size, size), dtype=np.uint8)
    for y in range(size):
        for x in range(size):
            row, column = y * 4 // size, x * 6 // size
            if first[row, column] or second[row, column]:
                wanted[y, x] = 1
            elif ignore[row, column]:
                wanted[y, x] = 255
    np.testing.assert_array_equal(evaluation_mask(made, 0, size), wanted)


def test_an_image_without_masks_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'x' has no mask"):
        evaluation_mask(manifest(tmp_path, masks=()), 0, 8)
