"""Maps in a file and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wsol.attribution.store import read_maps, write_maps
from wsol.errors import DataError
from wsol.files import save_tensors

IDS = [f"birds/test/{index:05d}" for index in range(4)]
MAPS = np.random.default_rng(0).normal(size=(4, 3, 2))
PREDICTIONS = np.arange(20, dtype=np.int64).reshape(4, 5)


def test_maps_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "deep/cam.test.safetensors"
    write_maps(path, MAPS, IDS, PREDICTIONS, size=112, cell={"seed": 0}, attribution="cam", split="test")
    store = read_maps(path)
    assert store.maps.dtype == np.float32 and store.maps.shape == (4, 3, 2)
    np.testing.assert_array_equal(store.maps, MAPS.astype(np.float32))
    assert store.predictions is not None and store.predictions.dtype == np.int32
    np.testing.assert_array_equal(store.predictions, PREDICTIONS)
    assert store.image_ids == IDS
    assert store.description == {
        "upsampling": {"size": 112, "interpolation": "bicubic", "order": "resize-normalize"},
        "cell": {"seed": 0},
        "attribution": "cam",
        "split": "test",
    }
    np.testing.assert_array_equal(store.block(1, 3), store.maps[1:3])
    np.testing.assert_array_equal(store.block(2, 64), store.maps[2:])


def test_the_same_maps_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_maps(tmp_path / name, MAPS, IDS, PREDICTIONS, size=112, split="test", attribution="cam")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_one_map_serves_every_image(tmp_path: Path) -> None:
    write_maps(tmp_path / "center", MAPS[:1], IDS, None, size=3, order="normalize-resize")
    store = read_maps(tmp_path / "center")
    assert store.predictions is None
    assert store.description["upsampling"]["order"] == "normalize-resize"
    block = store.block(1, 4)
    assert block.shape == (3, 3, 2)
    for image in block:
        np.testing.assert_array_equal(image, MAPS[0].astype(np.float32))


def test_a_split_of_one_image(tmp_path: Path) -> None:
    write_maps(tmp_path / "one", MAPS[:1], IDS[:1], PREDICTIONS[:1], size=3)
    assert read_maps(tmp_path / "one").block(0, 1).shape == (1, 3, 2)


@pytest.mark.parametrize("count", [0, 2, 3])
def test_a_wrong_number_of_maps_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(DataError, match=f"{count} maps for 4 images"):
        write_maps(tmp_path / "cam", MAPS[:count], IDS, None, size=112)
    assert not (tmp_path / "cam").exists()
    save_tensors(tmp_path / "cam", {"maps": MAPS[:count]}, {"image_ids": IDS})
    with pytest.raises(DataError, match=f"cam: {count} maps for 4 images; make the file again"):
        read_maps(tmp_path / "cam")


def test_a_wrong_number_of_predictions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 predictions for 4 images"):
        write_maps(tmp_path / "cam", MAPS, IDS, PREDICTIONS[:3], size=112)


def test_a_file_that_holds_no_maps_is_named(tmp_path: Path) -> None:
    save_tensors(tmp_path / "model.safetensors", {"weight": MAPS})
    with pytest.raises(DataError, match=r"model\.safetensors: not a map store"):
        read_maps(tmp_path / "model.safetensors")
    with pytest.raises(DataError, match="absent: no such file"):
        read_maps(tmp_path / "absent")
    (tmp_path / "broken").write_bytes(b"\x00" * 50)
    with pytest.raises(DataError, match="broken: not a readable safetensors file"):
        read_maps(tmp_path / "broken")


def test_blocks_are_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "cam"
    write_maps(path, MAPS, IDS, PREDICTIONS, size=112)
    store = read_maps(path)
    for start, stop in ((0, 0), (0, 1), (1, 3), (3, 4), (0, 4), (3, 9), (4, 9), (9, 12)):
        block = store.block(start, stop)
        assert block.dtype == np.float32 and block.flags.writeable
        np.testing.assert_array_equal(block, MAPS.astype(np.float32)[start:stop], strict=True)
    assert "maps" not in vars(store), "blocks do not read the rest"
    assert store.shape == store.maps.shape == (4, 3, 2)
    np.testing.assert_array_equal(store.block(1, 3), store.maps[1:3])
