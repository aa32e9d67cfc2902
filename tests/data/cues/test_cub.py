"""CUB's parts, read from a small copy of its layout that is made here."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsol.data.cues import ClassPair, class_pairs, cue_mask, differing, open_truth
from wsol.data.cues.cub import frame_points, nearest
from wsol.data.manifest import TEST, Manifest, Row
from wsol.errors import DataError, ParameterError

NAMES = [
    "has_bill_shape::dagger",
    "has_wing_color::blue",
    "has_head_pattern::eyebrow",
    "has_shape::long-legged-like",
    "has_upperparts_color::black",
    "has_under_tail_color::red",
]
HEAD, BACK, BELLY, BREAST, TAIL, LEG, WING = range(1, 8)
SIZE = 8


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Three classes and two images of 40 × 20 pixels, under CUB_200_2011/ as in the archive of the data set."""
    top = tmp_path / "CUB_200_2011"
    shares = [
        "80.0 10 0 49.99 100 0",
        "80.0 60 0 50.00 0 0",  # differs from the first in wing and leg; upperparts are of no part
        "20.0 10 90 0 100 0",  # differs from the first in the head, by two attributes
    ]
    write(tmp_path / "attributes.txt", [f"{i} {name}" for i, name in enumerate(NAMES, 1)])
    write(top / "attributes" / "class_attribute_labels_continuous.txt", shares)
    write(top / "images.txt", ["1 001.A/a.jpg", "2 002.B/b.jpg"])
    visible = {1: {2: (4.0, 4.0), 7: (8.0, 8.0), 8: (36.0, 18.0), 12: (20.0, 18.0)}, 2: {}}
    lines = []
    for image, points in visible.items():
        for part in range(1, 16):
            x, y = points.get(part, (0.0, 0.0))
            lines.append(f"{image} {part} {x} {y} {int(part in points)}")
    write(top / "parts" / "part_locs.txt", lines)
    bird = np.zeros((20, 40), dtype=np.uint8)
    bird[:, 20:] = 255
    (top / "segmentations" / "001.A").mkdir(parents=True)
    (top / "segmentations" / "001.A" / "a.png").write_bytes(png(bird))
    return tmp_path


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def manifest(folder: Path) -> Manifest:
    rows = [Row(name, i, name, 40, 20, name, np.array([[0, 0, 39, 19]])) for i, name in enumerate(IMAGES)]
    return Manifest.from_rows("CUB", TEST, str(folder), 3, "boxes", rows)


IMAGES = ("001.A/a.jpg", "002.B/b.jpg")


def test_attributes_make_parts_and_parts_make_pairs(copy: Path) -> None:
    truth = open_truth("cub", manifest(copy), [{}, {}, {}])
    assert truth.parts == ("head", "back", "belly", "breast", "tail", "leg", "wing")
    assert differing(truth, 0, 1) == (LEG, WING), "50 is present, 49.99 is not; upperparts are of no part"
    assert differing(truth, 0, 2) == (HEAD,), "bill and eyebrow are one part"
    assert differing(truth, 1, 2) == (HEAD, LEG, WING)
    pairs = [ClassPair(0, 2, (HEAD,)), ClassPair(0, 1, (LEG, WING)), ClassPair(1, 2, (HEAD, LEG, WING))]
    assert class_pairs(truth, 3) == pairs
    assert class_pairs(truth, 3, (3, 2)) == pairs[:0:-1]


def test_a_pixel_belongs_to_the_nearest_visible_point_inside_the_bird(copy: Path) -> None:
    truth = open_truth("cub", manifest(copy), [{}, {}, {}])
    found = truth.part_map(0, SIZE)
    assert found.visible == {HEAD, LEG}
    # In the frame: the head is the mean of beak (0.8, 1.6) and eye (1.6, 3.2), cut to (1, 2); the legs are two points.
    points = [((1, 2), HEAD), ((7, 7), LEG), ((4, 7), LEG)]
    bird = np.zeros((20, 40), dtype=np.uint8)
    bird[:, 20:] = 255
    inside = np.asarray(Image.fromarray(bird).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) > 0
    for y in range(SIZE):
        for x in range(SIZE):
            part = min(points, key=lambda point: (x - point[0][0]) ** 2 + (y - point[0][1]) ** 2)[1]
            assert found.labels[y, x] == (part if inside[y, x] else 0)
    np.testing.assert_array_equal(cue_mask(found, (LEG, WING)), found.labels == LEG)
    assert cue_mask(found, (WING, TAIL)) is None, "no differing part is visible"


def test_an_image_without_a_visible_point_has_no_part(copy: Path) -> None:
    found = open_truth("cub", manifest(copy), [{}, {}, {}]).part_map(1, SIZE)
    assert not found.visible and not found.labels.any() and cue_mask(found, (1, 2, 3, 4, 5, 6, 7)) is None


def test_points_are_scaled_then_averaged_then_cut_off() -> None:
    numbers, places = frame_points({5: (30.0, 10.0), 15: (33.0, 10.0), 9: (299.9, 199.9), 1: (0.0, 0.0)}, 300, 200, 224)
    assert numbers == [HEAD, BACK, WING]
    assert places.tolist() == [[int(31.5 / 300 * 224), int(10 / 200 * 224)], [0, 0], [223, 223]]


def test_ties_go_to_the_first_point() -> None:
    places = np.array([[0, 0], [2, 0]])
    np.testing.assert_array_equal(nearest(places, 3), [[0, 0, 1]] * 3)
    np.testing.assert_array_equal(nearest(places[::-1], 3), [[1, 0, 0]] * 3)


def test_what_is_missing_or_foreign_is_named(copy: Path) -> None:
    with pytest.raises(DataError, match="3 × 6, expected 4 classes × 6"):
        open_truth("cub", manifest(copy), [{}] * 4)
    (copy / "CUB_200_2011" / "segmentations" / "001.A" / "a.png").unlink()
    with pytest.raises(DataError, match=r"segmentations/001\.A/a\.png"):
        open_truth("cub", manifest(copy), [{}] * 3).part_map(0, SIZE)
    write(copy / "CUB_200_2011" / "images.txt", ["1 001.A/a.jpg"])
    with pytest.raises(DataError, match=r"has image 2, which images.txt lacks"):
        open_truth("cub", manifest(copy), [{}] * 3)
    (copy / "CUB_200_2011" / "parts" / "part_locs.txt").unlink()
    with pytest.raises(DataError, match=r"no parts/part_locs\.txt"):
        open_truth("cub", manifest(copy), [{}] * 3)
    with pytest.raises(ParameterError, match="have no known parts"):
        open_truth("pets", manifest(copy), [{}] * 3)
