"""Pages of tiles: what stands above the columns fits there."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from wsol.reports.figures.tiles import Tile, TilePage, TileRow, _compose


def page(headings: tuple[str, str], rows: int) -> TilePage:
    tile = Tile(np.zeros((4, 4, 3)))
    columns = (
        ("", ("image",)),
        (headings[0], ("map", "localisation")),
        (headings[1], ("map", "localisation")),
    )
    return TilePage("Title", "Caption", ("Birds", "Objects"), columns, [TileRow([tile] * 10)] * rows, (), ("", "", ""))


@pytest.mark.parametrize("rows", [2, 15])
@pytest.mark.parametrize("name", ["CAM", "Smooth-GradCAM++"])
def test_headings_stand_apart_and_on_the_page(name: str, rows: int) -> None:
    headings = (name, f"{name} + F-CAM")
    figure = _compose(page(headings, rows))
    canvas = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    above = {"".join(name.split()) for name in (*headings, "Title", "Birds", "Objects", "image", "map", "localisation")}
    texts = [text for text in figure.texts if "".join(text.get_text().split()) in above]
    assert len(texts) == 1 + 2 * (1 + 2 + 5), "title; a block's name, two headings and five sub-headings"
    extents = [text.get_window_extent(renderer) for text in texts]
    tops = [axis.get_window_extent(renderer).y1 for axis in figure.axes]
    for box in extents:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
        assert box.y0 >= max(tops) - 1
    for one, other in combinations(extents, 2):
        shared = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
        assert min(shared) <= 1, "pixels"


def test_notes_stand_below_their_pictures_and_above_the_next() -> None:
    tile = Tile(np.zeros((8, 8, 3), dtype=np.uint8), note="IoU 0.52")
    whole = replace(page(("CAM", "F-CAM"), 3), rows=[TileRow([tile] * 10)] * 3)
    figure = _compose(whole)
    renderer = FigureCanvasAgg(figure).get_renderer()
    pictures = [axis for axis in figure.axes if axis.texts]
    boxes = [axis.get_window_extent(renderer) for axis in pictures]
    notes = [axis.texts[0].get_window_extent(renderer) for axis in pictures]
    assert len(notes) == 30
    for note in notes:
        for box in boxes:
            assert note.y1 <= box.y0 + 1 or note.y0 >= box.y1 - 1 or note.x1 <= box.x0 or note.x0 >= box.x1
    for one, other in combinations(notes, 2):
        assert one.x1 <= other.x0 or one.x0 >= other.x1 or one.y1 <= other.y0 or one.y0 >= other.y1
