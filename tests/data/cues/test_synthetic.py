"""Parts of rendered birds: pairs agree with the renderer, masks with the part maps."""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsol.data.cues import class_pairs, cue_mask, open_truth
from wsol.data.manifest import TEST, Manifest, Row
from wsol.data.synthetic import birds
from wsol.errors import DataError

CLASSES = 10


def classes() -> list[dict[str, Any]]:
    return [{"name": birds.class_name(i), "attributes": birds.attributes(i)} for i in range(CLASSES)]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    labels = np.zeros((8, 8), dtype=np.uint8)
    labels[0, :3], labels[4:, 4:] = birds.HEAD, birds.WING
    stream = io.BytesIO()
    Image.fromarray(labels).save(stream, "PNG")
    (tmp_path / "parts.png").write_bytes(stream.getvalue())
    box = np.array([[0, 0, 7, 7]])
    rows = [Row(f"i{i}", 0, "x", 8, 8, "x.png", box, parts="parts.png" if i == 0 else None) for i in range(2)]
    return Manifest.from_rows("synthbirds", TEST, str(tmp_path), CLASSES, "boxes", rows)


def test_pairs_are_those_of_the_renderer(manifest: Manifest) -> None:
    truth = open_truth("synthetic", manifest, classes())
    pairs = class_pairs(truth, CLASSES)
    expected = [
        (a, b, birds.differing_parts(a, b))
        for group in (1, 2, 3)
        for a, b in combinations(range(CLASSES), 2)
        if len(birds.differing_parts(a, b)) == group
    ]
    assert [(p.first, p.second, tuple(birds.PARTS[k - 1] for k in p.parts)) for p in pairs] == expected
    few = class_pairs(truth, CLASSES, most=4)
    assert set(few) < set(pairs) and [len(p.parts) for p in few] == [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
    assert few[3] == pairs[3] and few[-1] == pairs[-1], "evenly spaced, ends included"


def test_masks_are_the_pixels_of_the_parts(manifest: Manifest) -> None:
    part_map = open_truth("synthetic", manifest, classes()).part_map(0, 16)
    assert part_map.visible == {birds.HEAD, birds.WING}
    mask = cue_mask(part_map, (birds.WING, birds.TAIL))
    assert mask is not None and mask.sum() == 8 * 8 and mask[8:, 8:].all()
    assert cue_mask(part_map, (birds.TAIL,)) is None


def test_data_without_parts_are_refused(manifest: Manifest) -> None:
    with pytest.raises(DataError, match="'i1' has no part map"):
        open_truth("synthetic", manifest, classes()).part_map(1, 8)
    with pytest.raises(DataError, match="rendered birds alone"):
        open_truth("synthetic", manifest, [{"name": "mug", "attributes": {"shape": "round"}}])
