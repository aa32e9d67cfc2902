"""Exact rasterisation: figures are drawn into one supersampled index buffer; colour and every mask are read from it.

Each subpixel holds the number of the one surface seen there, so the picture and its ground truth cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from wsol.data.synthetic.shapes import Points, bounds
from wsol.errors import DataError

SUPERSAMPLE = 3
_SUBPIXELS = SUPERSAMPLE**2
_SUBPIXEL_WEIGHT = 255 // _SUBPIXELS
_FRACTION_BITS = 6
_MAX_SURFACES = 256

Colour = tuple[float, float, float]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Decal:
    """A marking, seen only where it lies on the shape that carries it; part 0 means the shape's own part."""

    points: Points
    colour: Colour
    part: int = 0


@dataclass(frozen=True)
class Shape:
    """One filled outline.

    outlines: even-odd contours, so a second one cuts a hole. colour: RGB in [0, 255]. part: 0 none, k part k.
    relief: 0–1, how far it stands out, for shading. rough: 0–1, strength of its grain.
    """

    outlines: tuple[Points, ...]
    colour: Colour
    part: int = 0
    relief: float = 0.6
    rough: float = 0.3
    decals: tuple[Decal, ...] = ()


@dataclass(frozen=True)
class Keypoint:
    """A named point; it is visible where the surface seen there belongs to its figure and part."""

    name: str
    x: float
    y: float
    part: int
    hidden: bool = False


@dataclass(frozen=True)
class Figure:
    """Shapes from back to front."""

    shapes: tuple[Shape, ...]
    keypoints: tuple[Keypoint, ...] = ()

    def bounds(self, linear: Points | None = None) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 of the outlines, after the 2 × 2 map `linear` if given."""
        outlines = [points for shape in self.shapes for points in shape.outlines]
        return bounds(outlines if linear is None else [points @ linear.T for points in outlines])


@dataclass(frozen=True)
class _Surface:
    owner: int
    colour: Colour
    part: int
    relief: float
    rough: float


@dataclass
class Canvas:
    """Index buffer of `size` × `size` pixels, each SUPERSAMPLE² subpixels. Surface 0 is the background."""

    size: int
    index: NDArray[np.uint8] = field(init=False)
    surfaces: list[_Surface] = field(init=False)
    _numbers: dict[_Surface, int] = field(init=False)

    def __post_init__(self) -> None:
        side = self.size * SUPERSAMPLE
        self.index = np.zeros((side, side), dtype=np.uint8)
        self.surfaces = [_Surface(0, (0.0, 0.0, 0.0), 0, 0.0, 0.0)]
        self._numbers = {}

    def draw(self, figure: Figure, matrix: Points, owner: int) -> None:
        """Draw a figure on top. matrix: 2 × 3, to the unit square; owner: 0 for clutter, else the object's number."""
        for shape in figure.shapes:
            outlines = [self._fixed_point(points, matrix) for points in shape.outlines]
            surface = _Surface(owner, _rounded(shape.colour), shape.part, shape.relief, shape.rough)
            number = self._number(surface)
            if not shape.decals:
                cv2.fillPoly(self.index, outlines, number, shift=_FRACTION_BITS)
            else:
                self._draw_marked(shape, outlines, surface, number, matrix)

    def _draw_marked(
        self, shape: Shape, outlines: list[NDArray[np.int32]], surface: _Surface, number: int, matrix: Points
    ) -> None:
        corners = np.concatenate(outlines) >> _FRACTION_BITS
        x0, y0 = np.clip(corners.min(axis=0) - 1, 0, len(self.index)).tolist()
        x1, y1 = np.clip(corners.max(axis=0) + 3, 0, len(self.index)).tolist()
        if x1 <= x0 or y1 <= y0:
            return
        shift = np.array([x0, y0], dtype=np.int32) << _FRACTION_BITS
        window = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
        cv2.fillPoly(window, [points - shift for points in outlines], number, shift=_FRACTION_BITS)
        inside = window > 0
        for decal in shape.decals:
            marking = self._number(replace(surface, colour=_rounded(decal.colour), part=decal.part or shape.part))
            points = self._fixed_point(decal.points, matrix) - shift
            cv2.fillPoly(window, [points], marking, shift=_FRACTION_BITS)
        np.copyto(self.index[y0:y1, x0:x1], window, where=inside)

    def _fixed_point(self, points: Points, matrix: Points) -> NDArray[np.int32]:
        # OpenCV puts integer coordinates at pixel centres; here pixel i covers [i, i + 1).
        scaled = (points @ matrix[:, :2].T + matrix[:, 2]) * (self.size * SUPERSAMPLE) - 0.5
        return np.rint(scaled * (1 << _FRACTION_BITS)).astype(np.int32)

    def _number(self, surface: _Surface) -> int:
        number = self._numbers.get(surface)
        if number is None:
            number = len(self.surfaces)
            if number >= _MAX_SURFACES:
                raise DataError(f"a scene has more than {_MAX_SURFACES - 1} surfaces; draw fewer figures in one image")
            self.surfaces.append(surface)
            self._numbers[surface] = number
        return number

    def table(self, name: str) -> NDArray[np.float64]:
        """One attribute of all surfaces: (256,) or, for colour, (256, 3)."""
        values = np.array([getattr(surface, name) for surface in self.surfaces], dtype=np.float64)
        return np.concatenate([values, np.zeros((_MAX_SURFACES - len(values), *values.shape[1:]))])

    def average(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Mean over each pixel's subpixels of a per-surface value in [0, 255]: (size, size) or (size, size, 3)."""
        levels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
        coloured = levels.ndim == 2
        spread = cv2.applyColorMap(self.index, levels[:, None, :]) if coloured else cv2.LUT(self.index, levels)
        # A box filter read at every block's centre is the block's mean, and faster than resizing by area.
        blocks = cv2.blur(spread, (SUPERSAMPLE, SUPERSAMPLE))
        centre = SUPERSAMPLE // 2
        return blocks[centre::SUPERSAMPLE, centre::SUPERSAMPLE].astype(np.float32)

    def subpixels(self, *chosen: Mask) -> list[NDArray[np.uint8]]:
        """How many of each pixel's subpixels show one of the chosen surfaces: 0 … SUPERSAMPLE².

        chosen: sets of surfaces, each (256,) bool. Returns one (size, size) array a set.
        """
        weight = _SUBPIXEL_WEIGHT * _SUBPIXELS
        counts: list[NDArray[np.uint8]] = []
        for start in range(0, len(chosen), 3):
            group = [np.where(surfaces, float(weight), 0.0) for surfaces in chosen[start : start + 3]]
            padded = np.stack([*group, *[np.zeros(_MAX_SURFACES)] * (3 - len(group))], axis=1)
            average = self.average(padded if len(group) > 1 else group[0])
            levels = np.rint(average * np.float32(1 / _SUBPIXEL_WEIGHT)).astype(np.uint8)
            counts += [levels[..., k] for k in range(len(group))] if len(group) > 1 else [levels]
        return counts

    def masks(self, owners: Iterable[int]) -> list[Mask]:
        """For each owner the pixels at least half covered by what is visible of it: (size, size) bool."""
        table = self.table("owner")
        return [count * 2 >= _SUBPIXELS for count in self.subpixels(*(table == owner for owner in owners))]

    def mask_of_any(self, owners: Iterable[int]) -> Mask:
        """Pixels at least half covered by the owners together."""
        (count,) = self.subpixels(np.isin(self.table("owner"), list(owners)))
        return count * 2 >= _SUBPIXELS

    def parts(self, owner: int, count: int) -> NDArray[np.uint8]:
        """For each pixel of the owner's mask the part that covers most of it (the lower number if equal), else 0."""
        owned, part = self.table("owner") == owner, self.table("part")
        cover = np.stack(self.subpixels(*(owned & (part == k) for k in range(1, count + 1))))
        return np.where(cover.sum(axis=0) * 2 >= _SUBPIXELS, cover.argmax(axis=0) + 1, 0).astype(np.uint8)


def _rounded(colour: Colour) -> Colour:
    red, green, blue = colour
    return _level(red), _level(green), _level(blue)


def _level(value: float) -> float:
    return float(min(max(round(value), 0), 255))


def transform(points: Points, matrix: Points) -> Points:
    """Apply a 2 × 3 affine map to (N, 2) points."""
    return points @ matrix[:, :2].T + matrix[:, 2]
