"""From stored maps and a manifest to blocks: every image once, in order, with its ground truth in the scored frame."""

from __future__ import annotations

import sys
import threading
import time
import tracemalloc
import types
import weakref
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wsol.metrics.engine
from wsol.attribution.postprocess import score_maps
from wsol.attribution.store import read_maps, write_maps
from wsol.data.manifest import Manifest, Row
from wsol.data.masks import evaluation_mask
from wsol.data.synthetic.archive import encode_png
from wsol.errors import DataError
from wsol.metrics.blocks import Block
from wsol.scoring import BLOCK as LENGTHS
from wsol.scoring import GroundTruth, check_same_images, score_blocks

BLOCK = LENGTHS["cpu"]


def boxed(count: int, seed: int = 0) -> Manifest:
    generator = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        width, height = (int(side) for side in generator.integers(20, 700, 2))
        corners = generator.random((int(generator.integers(1, 4)), 2, 2))
        low, high = corners.min(1), corners.max(1)
        boxes = np.concatenate([low, high], axis=1) * [width - 1, height - 1, width - 1, height - 1]
        rows.append(Row(f"image/{index:04d}", index % 3, "abc"[index % 3], width, height, f"{index}.png", boxes=boxes))
    return Manifest.from_rows("toys", "test", "raw:toys", 3, "boxes", rows)


def blocks(manifest: Manifest, maps: np.ndarray, size: int = 12, **options: Any) -> list[Block]:
    predictions = np.arange(len(manifest) * 5, dtype=np.int32).reshape(-1, 5)
    return list(score_blocks(lambda start, stop: maps[start:stop], predictions, GroundTruth(manifest), size, **options))


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
def test_blocks_cover_every_image_once_in_order(count: int) -> None:
    manifest = boxed(count)
    maps = np.random.default_rng(1).normal(size=(count, 4, 4)).astype(np.float32)
    fractions: list[float] = []
    found = blocks(manifest, maps, threads=3, progress=fractions.append)
    assert [len(block.image_ids) for block in found] == [BLOCK] * (count // BLOCK) + [count % BLOCK] * (
        count % BLOCK > 0
    )
    assert [name for block in found for name in block.image_ids] == manifest.image_ids
    np.testing.assert_array_equal(np.concatenate([block.labels for block in found]), manifest.labels)
    whole = score_maps(maps, 12)
    np.testing.assert_array_equal(np.concatenate([block.score_maps for block in found]), whole)
    predictions = np.concatenate([block.predictions for block in found if block.predictions is not None])
    np.testing.assert_array_equal(predictions[:, 0], 5 * np.arange(count))
    for start, block in zip(range(0, count, BLOCK), found, strict=True):
        assert block.masks is None and block.boxes is not None and block.threads == 3
        assert len(block.boxes) == len(block.image_ids) == len(block.score_maps) == len(block.labels)
        for offset, box in enumerate(block.boxes):
            assert len(box) == len(manifest.boxes[start + offset])
    assert fractions[-1] == 1 and fractions == sorted(fractions) and len(fractions) == len(found)


def test_one_block_is_made_ahead_and_no_more() -> None:
    asked: list[int] = []
    alive: list[int] = []
    made: list[weakref.ref[np.ndarray]] = []

    def maps_of(start: int, stop: int) -> np.ndarray:
        time.sleep(0.05)  # by now the one who scores has let go of the block before the last
        asked.append(start)
        alive.append(sum(reference() is not None for reference in made))
        return np.zeros((stop - start, 2, 2))

    iterator = score_blocks(maps_of, None, GroundTruth(boxed(5 * BLOCK)), 8)
    assert asked == []
    for number, block in enumerate(iterator, start=1):
        assert block.predictions is None
        made.append(weakref.ref(block.score_maps))
        time.sleep(0.15)
        assert asked == [BLOCK * index for index in range(min(number + 1, 5))]
    assert alive == [0, 1, 1, 1, 1], "a split need not fit into memory at the scored size"


def ahead_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("wsol-ahead")]


def test_reading_and_scoring_overlap() -> None:
    reading = threading.Event()

    def maps_of(start: int, stop: int) -> np.ndarray:
        if start:
            reading.set()
        return np.zeros((stop - start, 2, 2))

    iterator = score_blocks(maps_of, None, GroundTruth(boxed(2 * BLOCK)), 8)
    next(iterator)
    assert reading.wait(10), "the second block is read while the first is in use"
    iterator.close()  # type: ignore[attr-defined]


def test_closing_early_ends_the_thread() -> None:
    asked: list[int] = []

    def maps_of(start: int, stop: int) -> np.ndarray:
        asked.append(start)
        return np.zeros((stop - start, 2, 2))

    iterator = score_blocks(maps_of, None, GroundTruth(boxed(9 * BLOCK)), 8)
    next(iterator)
    assert ahead_threads()
    iterator.close()  # type: ignore[attr-defined]
    assert not ahead_threads() and len(asked) <= 2
    list(score_blocks(maps_of, None, GroundTruth(boxed(3)), 8))
    assert not ahead_threads()


def test_what_reading_raises_comes_in_its_turn() -> None:
    def maps_of(start: int, stop: int) -> np.ndarray:
        if start >= 2 * BLOCK:
            raise DataError("cam.safetensors: its disk went away")
        return np.zeros((stop - start, 2, 2))

    found: list[Block] = []
    fractions: list[float] = []
    with pytest.raises(DataError, match="its disk went away"):
        for block in score_blocks(maps_of, None, GroundTruth(boxed(4 * BLOCK)), 8, progress=fractions.append):
            found.append(block)
    assert len(found) == len(fractions) == 2 and not ahead_threads()


def test_a_store_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    manifest = boxed(40 * BLOCK)
    maps = np.random.default_rng(0).normal(size=(len(manifest), 28, 28)).astype(np.float32)
    write_maps(tmp_path / "cam.safetensors", maps, manifest.image_ids, None, size=56)
    store = read_maps(tmp_path / "cam.safetensors")
    truth = GroundTruth(manifest)
    next(score_blocks(store.block, None, truth, 56))  # what is compiled or imported is not the maps' memory
    block_bytes = BLOCK * 56 * 56 * 8
    tracemalloc.start()
    try:
        for block in score_blocks(store.block, None, truth, 56):
            assert block.score_maps.shape[1:] == (56, 56)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "maps" not in vars(store)
    assert peak < 3 * block_bytes < maps.nbytes < len(manifest) * 56 * 56 * 8


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_on_a_gpu_the_maps_are_made_there(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    def on_device(raw: np.ndarray, size: tuple[int, int], order: str, interpolation: str) -> np.ndarray:
        return -score_maps(raw, size, order, interpolation)  # told apart by the sign

    stand_in = types.ModuleType("wsol.metrics.engine.cuda")
    stand_in.score_maps = on_device  # type: ignore[attr-defined]
    cupy = types.ModuleType("cupy")
    cupy.asarray = np.asarray  # type: ignore[attr-defined]
    for module in (stand_in, cupy):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(wsol.metrics.engine, "cuda", stand_in, raising=False)
    maps = np.random.default_rng(1).normal(size=(5, 4, 4))
    options = {"order": "normalize-resize", "interpolation": "bilinear"}
    found = blocks(boxed(5), maps, device=device, **options)[0].score_maps
    expected = score_maps(maps, 12, *options.values())
    np.testing.assert_array_equal(found, expected if device == "cpu" else -expected)


def test_the_order_of_resizing_and_normalising_is_the_stores() -> None:
    manifest = boxed(5)
    maps = np.random.default_rng(1).normal(size=(5, 4, 4))
    for order in ("resize-normalize", "normalize-resize"):
        found = blocks(manifest, maps, order=order)[0].score_maps
        np.testing.assert_array_equal(found, score_maps(maps, 12, order))
    assert not np.array_equal(score_maps(maps, 12, "resize-normalize"), score_maps(maps, 12, "normalize-resize"))


def test_faults_are_counted_before_maps_are_repaired() -> None:
    maps = np.random.default_rng(1).normal(size=(5, 4, 4))
    maps[1, 0, 0] = np.nan
    maps[2] = 3.0
    maps[4] = -np.inf
    assert blocks(boxed(5), maps)[0].faults == {"nan_maps": 2, "constant_maps": 1}


@given(
    st.integers(1, 2000),
    st.integers(1, 2000),
    st.sampled_from([28, 112, 224]),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
@settings(deadline=None, max_examples=60)
def test_boxes_are_scaled_by_the_sides_and_cut_to_whole_pixels(
    width: int, height: int, size: int, corners: list[float]
) -> None:
    box = [corners[0] * (width - 1), corners[1] * (height - 1), corners[2] * (width - 1), corners[3] * (height - 1)]
    row = Row("a", 0, "a", width, height, "a.png", boxes=np.array([box]))
    truth = GroundTruth(Manifest.from_rows("toys", "test", "raw:toys", 1, "boxes", [row]))
    found = truth.boxes(0, 1, size)
    assert found is not None
    # The released evaluator: int(x * 224 / width), int(y * 224 / height).
    sides = (width, height, width, height)
    expected = [int(value * size / side) for value, side in zip(box, sides, strict=True)]
    assert found[0].tolist() == [expected]


def test_boxes_of_a_published_example() -> None:
    # Box 60 27 385 331 in an image of 500 × 335 (CUB image 1) at 224 px.
    row = Row("a", 0, "a", 500, 335, "a.png", boxes=np.array([[60.0, 27, 385, 331]]))
    truth = GroundTruth(Manifest.from_rows("CUB", "test", "raw:CUB", 1, "boxes", [row]))
    assert truth.boxes(0, 1, 224)[0].tolist() == [[26, 18, 172, 221]]  # type: ignore[index]
    assert truth.masks(0, 1, 224) is None


@pytest.fixture
def masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    monkeypatch.setenv("WSOL_DATA", str(tmp_path))
    generator = np.random.default_rng(0)
    rows = []
    with zipfile.ZipFile(tmp_path / "toys.zip", "w") as archive:
        for index in range(3):
            for kind in ("object", "ignore"):
                mask = (generator.random((20, 30)) < 0.4).astype(np.uint8) * 255
                archive.writestr(f"{kind}/{index}.png", encode_png(mask))
            rows.append(
                Row(
                    f"{index}",
                    0,
                    "a",
                    30,
                    20,
                    f"{index}.png",
                    masks=(f"object/{index}.png",),
                    ignore=f"ignore/{index}.png",
                )
            )
    return Manifest.from_rows("toys", "test", "raw:toys.zip", 1, "masks", rows)


@pytest.mark.parametrize("keep", [True, False])
def test_masks_are_those_of_the_evaluation_whether_kept_or_not(masked: Manifest, keep: bool) -> None:
    truth = GroundTruth(masked, keep_masks=keep)
    for size in (16, 24, 16):
        found = truth.masks(1, 3, size)
        assert found is not None and found.shape == (2, size, size) and found.dtype == np.uint8
        assert set(np.unique(found)) == {0, 1, 255}
        for position, index in enumerate((1, 2)):
            np.testing.assert_array_equal(found[position], evaluation_mask(masked, index, size))
    assert truth.boxes(0, 3, 16) is None
    made = list(score_blocks(lambda start, stop: np.zeros((stop - start, 2, 2)), None, truth, 16))
    assert made[0].boxes is None and made[0].masks is not None and made[0].masks.shape == (3, 16, 16)


def test_kept_masks_are_read_once(masked: Manifest, tmp_path: Path) -> None:
    truth = GroundTruth(masked)
    first = truth.masks(0, 3, 16)
    (tmp_path / "toys.zip").unlink()
    np.testing.assert_array_equal(truth.masks(0, 3, 16), first)


def test_maps_of_other_images_are_refused_by_name() -> None:
    manifest = boxed(3)
    ids = manifest.image_ids
    check_same_images(list(ids), manifest, "cam.safetensors")
    for wrong, message in [
        (ids[:2], r"cam\.safetensors: lacks image 'image/0002' \(1 missing, 0 extra\); extract the maps again"),
        ([*ids, "b", "a"], r"has, but the manifest does not, image 'a' \(0 missing, 2 extra\)"),
        ([*ids[:2], "x"], r"lacks image 'image/0002' \(1 missing, 1 extra\)"),
        ([ids[1], ids[0], ids[2]], "has the manifest's images in another order"),
        ([], r"lacks image 'image/0000' \(3 missing"),
    ]:
        with pytest.raises(DataError, match=message):
            check_same_images(wrong, manifest, "cam.safetensors")
    with pytest.raises(DataError):
        check_same_images([*ids, ids[0]], manifest, "cam.safetensors")
