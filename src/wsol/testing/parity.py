"""Does an engine equal the oracle, bit for bit? Used by tests, and by benchmarks before they time anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.metrics import oracle
from wsol.metrics.levels import Contours, Corners, quantise
from wsol.testing.map_kinds import Grey, as_scores

RULES: tuple[Contours, ...] = ("all", "largest", "external")

Engine = Callable[[Any, Sequence[NDArray[np.float64]], Sequence[Contours], Corners], tuple[Any, Any]]
"""Score maps (n, H, W), n arrays (M, 4) of boxes, R contour rules and corners to values (R, n, 256), maximum (n,)."""


def oracle_best_iou(
    score_maps: ArrayLike,
    boxes: Sequence[NDArray[np.float64]],
    contours: Sequence[Contours] = RULES,
    corners: Corners = "exclusive",
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """What an engine must give, from `wsol.metrics.oracle`: values (R, n, 256), maximum (n,)."""
    grey = quantise(score_maps)
    values = [oracle.best_iou(image, truth, contours, corners) for image, truth in zip(grey, boxes, strict=True)]
    return np.stack(values, axis=1), grey.max(axis=(1, 2))


def probe_boxes(grey: Grey, random: np.random.Generator) -> NDArray[np.float64]:
    """Ground truth (M, 4) that tells proposals apart: a box that the map itself proposes, one anywhere, or both."""
    height, width = grey.shape
    distinct = {id(boxes): boxes for boxes in oracle.level_boxes(grey)}.values()
    proposed = sorted({box for boxes in distinct for box in boxes.all})
    x, y = np.sort(random.integers(0, width, 2)), np.sort(random.integers(0, height, 2))
    anywhere = [x[0], y[0], x[1], y[1]]
    own = proposed[random.integers(len(proposed))]
    return np.array([[anywhere], [own], [anywhere, own]][random.integers(0, 3)], dtype=np.float64)


def first_difference(
    engine: Engine,
    score_maps: NDArray[Any],
    boxes: Sequence[NDArray[np.float64]],
    contours: Sequence[Contours] = RULES,
    corners: Corners = "exclusive",
) -> str | None:
    """None if the engine equals the oracle; else the first map where it does not, cut down while it still differs."""
    values, maximum = (np.asarray(part) for part in engine(score_maps, boxes, contours, corners))
    expected, highest = oracle_best_iou(score_maps, boxes, contours, corners)
    if (values.shape, values.dtype, maximum.shape, maximum.dtype) != (
        expected.shape,
        expected.dtype,
        highest.shape,
        highest.dtype,
    ):
        return (
            f"gives {values.dtype} {values.shape} and {maximum.dtype} {maximum.shape}, not {expected.dtype} "
            f"{expected.shape} and {highest.dtype} {highest.shape}, for maps {score_maps.shape}"
        )
    wrong = (values != expected).any(axis=(0, 2)) | (maximum != highest)
    if not wrong.any():
        return None
    image = int(wrong.argmax())
    # The first rule and level that differ; (0, 0) where it is the maximum alone.
    row, level = divmod(int((values[:, image] != expected[:, image]).argmax()), expected.shape[2])
    found = (
        f"map {image} of {len(score_maps)} ({score_maps.shape[1]} x {score_maps.shape[2]}, {score_maps.dtype}), "
        f"{int(wrong.sum())} maps differ: rule {contours[row]!r}, corners {corners!r}, grey level {level}: "
        f"expected {expected[row, image, level]}, got {values[row, image, level]}; "
        f"maximum expected {highest[image]}, got {maximum[image]}"
    )
    grey, truth, rule = quantise(score_maps[image]), np.asarray(boxes[image]), (contours[row],)
    if not _differs(engine, grey, truth, rule, corners):
        return f"{found}\nalone, with scores in the middle of its grey levels, it does not; boxes {truth.tolist()}"
    grey = _cut_down(grey, lambda smaller: _differs(engine, smaller, truth, rule, corners))
    return f"{found}\n{_describe(engine, grey, truth, rule, corners)}"


def _differs(
    engine: Engine, grey: Grey, boxes: NDArray[np.float64], rule: Sequence[Contours], corners: Corners
) -> bool:
    values, maximum = engine(as_scores(grey)[None], [boxes], rule, corners)
    return bool(maximum[0] != grey.max() or (values[:, 0] != oracle.best_iou(grey, boxes, rule, corners)).any())


def _cut_down(grey: Grey, differs: Callable[[Grey], bool]) -> Grey:
    """Drop ever smaller runs of rows and columns, then set pixels to zero, while the difference stays."""
    for axis in (0, 1):
        run = grey.shape[axis] // 2
        while run:
            start = 0
            while start < grey.shape[axis]:
                smaller = np.delete(grey, slice(start, start + run), axis=axis)
                if smaller.size and differs(smaller):
                    grey = smaller
                else:
                    start += run
            run //= 2
    if grey.size <= 400:
        for pixel in np.ndindex(grey.shape):
            cleared = grey.copy()
            cleared[pixel] = 0
            if grey[pixel] and differs(cleared):
                grey = cleared
    return grey


def _describe(
    engine: Engine, grey: Grey, boxes: NDArray[np.float64], rule: Sequence[Contours], corners: Corners
) -> str:
    values, maximum = engine(as_scores(grey)[None], [boxes], rule, corners)
    expected = oracle.best_iou(grey, boxes, rule, corners)[0]
    lines = [f"smallest: rule {rule[0]!r}, corners {corners!r}, boxes = {boxes.tolist()}"]
    lines.append(f"grey = np.array({grey.tolist()}, dtype=np.uint8)  # as_scores(grey)[None] is the input")
    if maximum[0] != grey.max():
        lines.append(f"maximum: expected {grey.max()}, got {maximum[0]}")
    for level in np.flatnonzero(values[0, 0] != expected)[:3]:
        proposed = oracle.boxes_above(grey, int(level), corners).of(rule[0])
        lines.append(
            f"level {level}: expected {expected[level]}, got {values[0, 0, level]}; the oracle proposes {proposed}"
        )
    return "\n".join(lines)
