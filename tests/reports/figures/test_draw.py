from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsol.errors import DataError
from wsol.reports.figures.draw import DPI, TEXT, WIDTH, draw, wrapped
from wsol.reports.figures.page import FigurePage, FigureRow, MapPanel, Picture
from wsol.reports.pictures import TRUE_COLOUR

SIZE = 32


def row(panels: int = 2, limits: tuple[float, float] = (0.0, 1.0)) -> FigureRow:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    maps = [MapPanel(rng.uniform(*limits, (SIZE, SIZE)), limits, note="0.5") for _ in range(panels)]
    region = np.zeros((SIZE, SIZE), dtype=bool)
    region[8:20, 10:22] = True
    return FigureRow([Picture(image, "a wren")], maps, label="wren", boxes=[[4, 6, 20, 24]], region=region)


def page(**changes: Any) -> FigurePage:
    whole = FigurePage(
        title="CALM, figure B",
        caption="What is shown.",
        headings=["image", "CAM", "CALM"],
        rows=[row(), row()],
        colours="sequential",
        bar=("score", "0", "1"),
        outline="ground-truth box",
    )
    return replace(whole, **changes)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_the_same_page_has_the_same_bytes_and_no_date(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw(page(), tmp_path / f"{name}.png", tmp_path / f"{name}.pdf")
    for kind in ("png", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    document = (tmp_path / "a.pdf").read_bytes()
    assert document.startswith(b"%PDF")
    assert b"CreationDate" not in document
    assert b"Matplotlib" not in document


def test_many_rows_with_long_titles_stay_on_the_page(tmp_path: Path) -> None:
    """Smaller panels have narrower titles, of more lines, which leave less room for panels."""
    long = "a rendered wren against one with another wing"
    rows = [replace(one, pictures=[replace(one.pictures[0], title=long)]) for one in [row(3)] * 7]
    draw(page(rows=rows, headings=["image", "a", "b", "c"]), tmp_path / "a.png", tmp_path / "a.pdf")
    assert pixels(tmp_path / "a.png").shape[0] <= 23 / 2.54 * DPI + 1


def test_a_page_is_17_cm_wide_and_shows_the_outline_in_its_colour(tmp_path: Path) -> None:
    draw(page(), tmp_path / "a.png", tmp_path / "a.pdf")
    drawn = pixels(tmp_path / "a.png")
    assert drawn.shape[1] == int(WIDTH * DPI)
    green = np.array([int(TRUE_COLOUR[start : start + 2], 16) for start in (1, 3, 5)])
    assert (abs(drawn.astype(int) - green).max(-1) <= 2).sum() > 200


def test_many_rows_still_fit_on_a_page(tmp_path: Path) -> None:
    draw(page(rows=[row(), row()] * 4), tmp_path / "a.png", tmp_path / "a.pdf")
    assert pixels(tmp_path / "a.png").shape[0] <= 23 / 2.54 * DPI + 1


def test_rows_may_have_fewer_panels_where_there_are_no_headings(tmp_path: Path) -> None:
    draw(page(rows=[row(3), row(1)], headings=()), tmp_path / "a.png", tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").stat().st_size > 5_000


def test_text_wraps_to_its_width() -> None:
    lines = wrapped("orange-headed white-spots grey-beaked finch with yellow breast", 1.2, TEXT)
    assert len(lines) == 3
    assert max(map(len, lines)) * 0.58 * TEXT / 72 <= 1.2
    assert wrapped("", 1.2, TEXT) == []
    assert wrapped("two\nlines", 5, TEXT) == ["two", "lines"]


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "calm_fig_b.png", tmp_path / "calm_fig_b.pdf"
    with pytest.raises(DataError, match=r"calm_fig_b.png: 2 headings for 3 columns"):
        draw(page(headings=["image", "CAM"]), *out)
    with pytest.raises(DataError, match=r"row 1 has a map of \(8, 8\) on an image of \(32, 32\)"):
        draw(page(rows=[row(), replace(row(), panels=[MapPanel(np.zeros((8, 8)), (0, 1))] * 2)]), *out)
    with pytest.raises(DataError, match="same distance on both sides of 0"):
        draw(page(rows=[row(limits=(-0.5, 0.7))], colours="diverging"), *out)
    with pytest.raises(DataError, match="every row a picture and a map"):
        draw(page(rows=[]), *out)
    assert not list(tmp_path.iterdir())
