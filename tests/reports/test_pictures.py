from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wsol.errors import DataError
from wsol.reports.pictures import (
    PREDICTED_COLOUR,
    TRUE_COLOUR,
    Page,
    Panel,
    PictureRow,
    evenly_spaced,
    index_html,
    overlay,
    picture_page,
)

SIZE = 64


def picture(masked: bool = False) -> PictureRow:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE]
    scores = np.exp(-((x - 30) ** 2 + (y - 34) ** 2) / 200.0)
    return PictureRow(
        image=rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8),
        class_name="wren",
        panels=[Panel(scores, [20, 24, 40, 44], "IoU 0.50"), Panel(1 - scores)],
        boxes=() if masked else [[16, 20, 48, 50]],
        mask=(scores > 0.3).astype(np.uint8) if masked else None,
        image_id="wren_1",
    )


def colours(path: Path) -> set[tuple[int, int, int]]:
    with Image.open(path) as page:
        return {tuple(colour) for colour in np.asarray(page.convert("RGB")).reshape(-1, 3)}


def rgb(text: str) -> tuple[int, ...]:
    return tuple(int(text[start : start + 2], 16) for start in (1, 3, 5))


def test_a_page_is_drawn_with_both_colours_and_the_same_bytes_again(tmp_path: Path) -> None:
    rows = [picture(), picture(masked=True)]
    for name in ("a.png", "b.png"):
        picture_page(rows, tmp_path / name, "synthbirds", ["CAM\n48.2", "Center\n40.0"])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert {rgb(TRUE_COLOUR), rgb(PREDICTED_COLOUR)} <= colours(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as page:
        assert page.size[0] > page.size[1]
        assert "Software" not in page.info


def test_a_mask_is_outlined_where_it_is(tmp_path: Path) -> None:
    """The outline changes the page; an empty mask draws nothing."""
    row = picture(masked=True)
    assert row.mask is not None
    for name, mask in (("mask", row.mask), ("empty", np.zeros_like(row.mask)), ("none", None)):
        picture_page([replace(row, mask=mask)], tmp_path / f"{name}.png", "", ["a", "b"])
    assert (tmp_path / "empty.png").read_bytes() == (tmp_path / "none.png").read_bytes()
    assert (tmp_path / "mask.png").read_bytes() != (tmp_path / "none.png").read_bytes()


def test_overlay_blends_grey_and_heat_by_hand() -> None:
    image = np.zeros((1, 3, 3), dtype=np.uint8)
    image[0, 2] = 255
    blended = overlay(image, np.array([[0.0, 1.0, 0.0]]))
    # inferno runs from nearly black to pale yellow (252, 255, 164).
    np.testing.assert_allclose(blended[0, 0], 0, atol=0.01)
    np.testing.assert_allclose(blended[0, 1], 0.5 * np.array([252, 255, 164]) / 255, atol=0.01)
    np.testing.assert_allclose(blended[0, 2], 0.5, atol=0.01)


def test_overlay_gets_brighter_with_the_score() -> None:
    scores = np.linspace(0, 1, 101)[None]
    blended = overlay(np.full((1, 101, 3), 90, dtype=np.uint8), scores)
    assert (np.diff(blended[0] @ np.array([0.2126, 0.7152, 0.0722])) > 0).all()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 200), st.integers(0, 20))
def test_evenly_spaced_choice(count: int, wanted: int) -> None:
    chosen = evenly_spaced(count, wanted)
    assert len(chosen) == len(set(chosen)) == min(count, wanted)
    assert all(0 <= index < count for index in chosen)
    gaps = np.diff(chosen)
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


def test_evenly_spaced_by_hand() -> None:
    assert evenly_spaced(10, 2) == [2, 7]
    assert evenly_spaced(3, 5) == [0, 1, 2]
    with pytest.raises(ValueError, match="cannot choose"):
        evenly_spaced(3, -1)


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    row = picture()
    out = tmp_path / "page.png"
    with pytest.raises(DataError, match="wren_1: 2 heat maps for 1 columns"):
        picture_page([row], out, "", ["CAM"])
    with pytest.raises(DataError, match="one frame"):
        picture_page([replace(row, panels=[Panel(np.zeros((8, 8)))])], out, "", ["CAM"])
    with pytest.raises(DataError, match="uint8"):
        picture_page([replace(row, image=row.image / 255)], out, "", ["a", "b"])
    with pytest.raises(DataError, match="at least one image"):
        picture_page([], out, "", ["CAM"])
    assert not list(tmp_path.iterdir())


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attributes if name in ("src", "href")]


def test_index_links_are_relative_and_text_is_escaped(tmp_path: Path) -> None:
    pages = [
        Page("birds & <b>", tmp_path / "pictures" / "a page.png", "CAM > Center", [("table", tmp_path / "tableB.md")]),
        Page("objects", tmp_path / "pictures" / "objects.png"),
    ]
    index_html(pages, tmp_path / "pictures" / "index.html")
    text = (tmp_path / "pictures" / "index.html").read_text()
    parser = _Links()
    parser.feed(text)
    assert set(parser.links) == {"a%20page.png", "objects.png", "../tableB.md"}
    assert "://" not in text
    assert "birds &amp; &lt;b&gt;" in text
    assert "CAM &gt; Center" in text
