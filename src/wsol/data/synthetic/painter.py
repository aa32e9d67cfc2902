"""From a layout to pixels: background, shadows, figures, relief, grain, light and camera; and the ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from wsol.data.synthetic.backgrounds import SCENES
from wsol.data.synthetic.layout import FRONT, IGNORED, OBJECT, Item, Layout
from wsol.data.synthetic.raster import Canvas, Mask, transform
from wsol.data.synthetic.textures import Image, fractal, ramp

_CLUTTER_OWNER = 0
_IGNORED_OWNER = -1
# An object of which less than this share of the frame is seen is not an instance; its pixels are ignored.
_CRUMB = 0.001
# Standard deviation of the sum of two uniform bytes.
_BYTE_SUM_DEVIATION = np.sqrt(2 * (256**2 - 1) / 12)


@dataclass(frozen=True)
class Sample:
    """One image with everything known about it. Pixel (row r, column c) covers [c, c + 1) × [r, r + 1).

    image: (H, W, 3) uint8 RGB. instance_masks: (H, W) bool, the pixels at least half covered by what is visible of each
    object; instance_classes their classes. ignore: (H, W) bool, ambiguous pixels, in no mask of the class.
    parts: (H, W) uint8, 0 none, k the part part_names[k − 1]. keypoints: (name, x, y, visible), in pixels.
    boxes: (M, 4) float64 x0 y0 x1 y1 of the labelled class's instances, in the order of their masks.
    """

    image: NDArray[np.uint8]
    class_index: int
    instance_masks: list[Mask]
    instance_classes: list[int]
    boxes: NDArray[np.float64]
    ignore: Mask | None = None
    parts: NDArray[np.uint8] | None = None
    part_names: tuple[str, ...] = ()
    keypoints: list[tuple[str, float, float, bool]] = field(default_factory=list)
    background: str = ""


def paint(layout: Layout, scenery: np.random.Generator, light: np.random.Generator, size: int) -> Sample:
    """Draw the layout at size × size pixels. `scenery` feeds the background, `light` the light and the camera."""
    canvas = Canvas(size)
    objects = [item for item in layout.items if item.role == OBJECT]
    owner = 0
    for item in (item for item in layout.items if item.role != FRONT):
        if item.role == OBJECT:
            owner += 1
        number = {OBJECT: owner, IGNORED: _IGNORED_OWNER}.get(item.role, _CLUTTER_OWNER)
        canvas.draw(item.figure, item.matrix, number)
    hidden = canvas.mask_of_any(range(1, len(objects) + 1))
    for item in (item for item in layout.items if item.role == FRONT):
        canvas.draw(item.figure, item.matrix, _CLUTTER_OWNER)
    backdrop = SCENES[layout.background](scenery, size)
    image = _expose(_light(canvas, backdrop, light), light)
    return _annotate(canvas, layout, objects, hidden, image)


def _light(canvas: Canvas, backdrop: Image, rng: np.random.Generator) -> Image:
    """The lit scene, (size, size, 3) float32, about [0, 255]."""
    size = canvas.size
    direction = rng.uniform(200, 340)
    across, down = np.cos(np.deg2rad(direction)), np.sin(np.deg2rad(direction))
    front = canvas.average(canvas.table("colour"))
    drawn = (np.arange(256) > 0).astype(np.float64)
    layers = canvas.average(255 * np.stack([drawn, canvas.table("relief"), canvas.table("rough")], axis=1)) / 255
    cover, relief, rough = (np.ascontiguousarray(layers[..., k]) for k in range(3))

    rounded = (
        cv2.GaussianBlur(relief, (0, 0), 0.035 * size) * 2.6
        + cv2.GaussianBlur(relief, (0, 0), 0.008 * size + 0.3) * 0.7
    )
    slope = np.float32(-across) * cv2.Sobel(rounded, cv2.CV_32F, 1, 0) + np.float32(-down) * cv2.Sobel(
        rounded, cv2.CV_32F, 0, 1
    )
    slope *= size / 112 * rng.uniform(0.22, 0.42)
    factor = 1 - np.clip(slope, -0.5, 0.45)
    factor *= 1 + rough * fractal(rng, size, 22, 2) * 0.3

    far = rng.uniform(0.015, 0.06)
    move = np.array([[1, 0, -across * far * size], [0, 1, -down * far * size]])
    shadow = cv2.warpAffine(cv2.GaussianBlur(cover, (0, 0), (0.01 + 0.3 * far) * size), move, (size, size))
    behind = (1 - cover) * (1 - shadow * rng.uniform(0.2, 0.5))
    image = front * factor[..., None] + backdrop * behind[..., None]

    gradient = 1 + rng.uniform(0.0, 0.3) * ramp(size, direction) * 0.7 + 0.12 * fractal(rng, size, 2, 2)
    warmth = 1 + rng.normal(0, 0.05) * np.array([1, 0.1, -1])
    return image * gradient[..., None] * warmth.astype(np.float32)


def _expose(image: Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Camera: exposure, contrast, vignette, a slight blur, noise."""
    size = len(image)
    gain, contrast, saturation = (
        np.exp(rng.normal(0, 0.12)),
        np.exp(rng.normal(0, 0.1)),
        np.exp(rng.normal(-0.05, 0.15)),
    )
    darkening, softness, noise = rng.uniform(0, 0.3), rng.uniform(0.0, 0.006) * size, rng.uniform(1.0, 6.0)
    grey = image.mean(axis=2, keepdims=True)
    image = grey + (image - grey) * np.float32(saturation)
    axis = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    vignette = 1 - np.float32(darkening / 2) * (axis[None, :] + axis[:, None])
    image = (image * np.float32(gain) - 118) * np.float32(contrast) + 118
    image = image * vignette[..., None]
    if softness > 0.25:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), softness), dtype=np.float32)
    # Drawn last: it alone has one number a pixel, so everything else is the same at any size.
    # The sum of two bytes is close enough to a normal draw, and ten times faster.
    grain = rng.integers(0, 256, (2, *image.shape), dtype=np.uint8).astype(np.float32).sum(axis=0) - np.float32(255)
    image = image + np.float32(noise / _BYTE_SUM_DEVIATION) * grain
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def box_of(mask: Mask) -> list[float]:
    """x0, y0, x1, y1 around a mask; right and bottom exclusive, but for the frame's border, as evaluators clip them."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    right, bottom = min(columns[-1] + 1, width - 1), min(rows[-1] + 1, height - 1)
    return [float(columns[0]), float(rows[0]), float(right), float(bottom)]


def _is_whole(mask: Mask) -> bool:
    """Enough is seen to outline: a box of 2 pixels either way and a thousandth of the frame."""
    if mask.sum() < max(_CRUMB * mask.size, 2):
        return False
    x0, y0, x1, y1 = box_of(mask)
    return x1 - x0 >= 2 and y1 - y0 >= 2


def _annotate(canvas: Canvas, layout: Layout, objects: list[Item], hidden: Mask, image: NDArray[np.uint8]) -> Sample:
    found = list(zip(canvas.masks(range(1, len(objects) + 1)), (item.class_index for item in objects), strict=True))
    seen = [(mask, label) for mask, label in found if _is_whole(mask)]
    ignore = canvas.subpixels(canvas.table("owner") == _IGNORED_OWNER)[0] > 0
    for mask, label in found:
        if label == layout.class_index and not _is_whole(mask):
            ignore |= mask
    if layout.ignore_hidden:
        ignore |= hidden
    labelled = [mask for mask, label in seen if label == layout.class_index]
    for mask in labelled:
        ignore &= ~mask
    parts = canvas.parts(1, len(layout.part_names)) if layout.part_names else None
    return Sample(
        image=image,
        class_index=layout.class_index,
        instance_masks=[mask for mask, _ in seen],
        instance_classes=[label for _, label in seen],
        boxes=np.array([box_of(mask) for mask in labelled], dtype=np.float64).reshape(-1, 4),
        ignore=ignore if ignore.any() else None,
        parts=parts,
        part_names=layout.part_names,
        keypoints=[] if parts is None else _keypoints(objects[0], parts),
        background=layout.background,
    )


def _keypoints(item: Item, parts: NDArray[np.uint8]) -> list[tuple[str, float, float, bool]]:
    points = transform(np.array([[p.x, p.y] for p in item.figure.keypoints]), item.matrix) * len(parts)
    listed = []
    for keypoint, (x, y) in zip(item.figure.keypoints, points.tolist(), strict=True):
        row, column = int(np.floor(y)), int(np.floor(x))
        inside = 0 <= row < len(parts) and 0 <= column < len(parts)
        visible = inside and not keypoint.hidden and bool(parts[row, column] == keypoint.part)
        listed.append((keypoint.name, x, y, visible))
    return listed
