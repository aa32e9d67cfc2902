"""Training images with their masks: those that are scored, and boxes filled pixel by pixel."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsol.data.images import ImageSet
from wsol.data.manifest import TRAIN_FULLSUP, TRAIN_WEAKSUP, Manifest, Row
from wsol.data.masks import evaluation_mask
from wsol.errors import DataError
from wsol.metrics.boxes import rescale_boxes
from wsol.metrics.iou import iou_matrix
from wsol.scoring import GroundTruth
from wsol.training.dense import MaskedImageSet, object_mask

WIDTH, HEIGHT = 30, 20


def write(path: Path, pixels: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    path.write_bytes(stream.getvalue())
    return path.name


def rows(folder: Path, count: int = 4) -> list[Row]:
    """Images of noise, each with two boxes, two masks and an ignore region."""
    made = []
    for seed in range(count):
        generator = np.random.default_rng(seed)
        image = write(folder / f"{seed}.png", generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
        planes = (generator.random((3, HEIGHT, WIDTH)) < 0.3).astype(np.uint8) * 255
        masks = tuple(write(folder / f"{seed}-{part}.png", planes[part]) for part in range(2))
        ignore = write(folder / f"{seed}-ignore.png", planes[2])
        corners = generator.integers(0, (WIDTH // 2, HEIGHT // 2), (2, 2))
        boxes = np.hstack([corners, corners + generator.integers(0, (WIDTH // 2, HEIGHT // 2), (2, 2))]).astype(float)
        digest = "0" * 64
        made.append(Row(str(seed), seed % 2, "ab"[seed % 2], WIDTH, HEIGHT, image, boxes, masks, ignore, sha256=digest))
    return made


def manifest(folder: Path, localisation: str, split: str = TRAIN_FULLSUP) -> Manifest:
    return Manifest.from_rows("things", split, str(folder), 2, localisation, rows(folder))


@pytest.mark.parametrize("localisation", ["boxes", "masks"])
@pytest.mark.parametrize("cache_limit", [0, 10**6])
def test_a_batch_is_that_of_an_image_set_with_the_masks_behind(
    tmp_path: Path, localisation: str, cache_limit: int
) -> None:
    described = manifest(tmp_path, localisation)
    made = MaskedImageSet(described, 12, cache_limit=cache_limit, threads=2)
    assert made.cached == (cache_limit > 0)
    order = [3, 0, 3]
    for _ in range(2):
        batch = made.batch(order)
        assert batch.shape == (3, 12, 12, 4) and batch.dtype == np.uint8
        np.testing.assert_array_equal(batch[..., :3], ImageSet(described, 12).batch(order))
        expected = [object_mask(GroundTruth(described), index, 12) for index in order]
        np.testing.assert_array_equal(batch[..., 3], expected)
        batch[:] = 7  # a copy: the next one is whole
    again = pickle.loads(pickle.dumps(made)).batch(order)
    np.testing.assert_array_equal(again, made.batch(order))


def test_four_channels_count_against_the_limit_of_the_cache(tmp_path: Path) -> None:
    described = manifest(tmp_path, "boxes")
    just_enough = 4 * 12 * 12 * 4
    assert MaskedImageSet(described, 12, cache_limit=just_enough).cached
    assert not MaskedImageSet(described, 12, cache_limit=just_enough - 1).cached


def test_masks_are_those_that_pxap_is_counted_on(tmp_path: Path) -> None:
    described = manifest(tmp_path, "masks")
    truth = GroundTruth(described, keep_masks=False)
    for index in range(len(described)):
        mask = object_mask(truth, index, 17)
        np.testing.assert_array_equal(mask, evaluation_mask(described, index, 17))
        assert set(np.unique(mask)) == {0, 1, 255}


@pytest.mark.parametrize("size", [8, 20, 41])
def test_boxes_are_filled_where_a_loop_over_pixels_finds_them(tmp_path: Path, size: int) -> None:
    described = manifest(tmp_path, "boxes")
    for index in range(len(described)):
        mask = object_mask(GroundTruth(described), index, size)
        boxes = rescale_boxes(described.boxes[index], (WIDTH, HEIGHT), size)
        for y in range(size):
            for x in range(size):
                inside = any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in boxes)
                assert mask[y, x] == inside
        for box in boxes:
            # As many pixels as IoU gives the box, so a map that is this mask scores IoU 1.
            whole = np.array([0, 0, size - 1, size - 1])
            alone = np.zeros((size, size), dtype=bool)
            x0, y0, x1, y1 = box.astype(int)
            alone[y0 : y1 + 1, x0 : x1 + 1] = True
            assert alone.mean() == pytest.approx(iou_matrix(box, whole)[0, 0])
            assert mask[alone].all()


@pytest.mark.parametrize("localisation", ["boxes", "masks"])
def test_a_split_of_labels_alone_is_refused(tmp_path: Path, localisation: str) -> None:
    bare = [row.without_localisation() for row in rows(tmp_path)]
    weak = Manifest.from_rows("things", TRAIN_WEAKSUP, str(tmp_path), 2, localisation, bare)
    with pytest.raises(DataError, match=r"things train-weaksup: image '0' has neither mask nor box .*\(4 of 4\)"):
        MaskedImageSet(weak, 12)
