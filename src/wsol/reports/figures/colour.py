"""From values to colours: limits that are shared or symmetric, and maps blended with the image in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from wsol.reports.pictures import LUMINANCE

if TYPE_CHECKING:
    import numpy as np

    from wsol.reports.figures.page import Colours

Limits = tuple[float, float]
# inferno grows in lightness alone; RdBu_r runs from blue over white to red. Both are read by the colour-blind.
COLOUR_MAPS: dict[Colours, str] = {"sequential": "inferno", "diverging": "RdBu_r"}
_GREYS: dict[Colours, tuple[float, float]] = {"sequential": (0.05, 0.7), "diverging": (0.4, 0.6)}
_WEIGHTS: dict[Colours, float] = {"sequential": 0.55, "diverging": 0.65}
_TINT = 0.65


def shared_limits(maps: Sequence[np.ndarray]) -> Limits:
    """0 to the largest value of all maps, for maps of non-negative values that are compared with each other."""
    top = max((float(values.max()) for values in maps), default=0.0)
    return 0.0, top if top > 0 else 1.0


def symmetric_limits(*maps: np.ndarray) -> Limits:
    """-m to m with m the largest magnitude of all maps, so that 0 has the middle colour; zeros alone get -1 to 1."""
    import numpy as np

    top = max(float(np.abs(values).max()) for values in maps)
    return (-top, top) if top > 0 else (-1.0, 1.0)


def blend(image: np.ndarray, values: np.ndarray, limits: Limits, colours: Colours) -> np.ndarray:
    """The image in grey under the map in colour, (H, W, 3) uint8; values beyond the limits have the end's colour.

    image (H, W, 3) uint8, values (H, W). The grey's contrast is reduced, so that the image is not
    taken for the map; under diverging colours it is light, so that 0 stays near white.
    """
    import matplotlib
    import numpy as np

    low, high = limits
    grey = (np.asarray(image, dtype=np.float64) / 255) @ np.array(LUMINANCE)
    darkest, contrast = _GREYS[colours]
    grey = darkest + contrast * grey
    heat = matplotlib.colormaps[COLOUR_MAPS[colours]](np.clip((values - low) / (high - low), 0, 1))[..., :3]
    mixed = (1 - _WEIGHTS[colours]) * grey[..., None] + _WEIGHTS[colours] * heat
    return np.rint(255 * mixed).astype(np.uint8)


def tinted(image: np.ndarray, layer: np.ndarray, colours: Mapping[int, str]) -> np.ndarray:
    """The image in grey, its regions in colour: layer (H, W) integers, those in `colours` (hexadecimal) are tinted.

    (H, W, 3) uint8. The grey's contrast is reduced, as under a map.
    """
    import numpy as np
    from matplotlib.colors import to_rgb

    darkest, contrast = _GREYS["sequential"]
    grey = darkest + contrast * ((np.asarray(image, dtype=np.float64) / 255) @ np.array(LUMINANCE))
    result = np.repeat(grey[..., None], 3, axis=2)
    for value, colour in colours.items():
        inside = layer == value
        result[inside] = (1 - _TINT) * result[inside] + _TINT * np.array(to_rgb(colour))
    return np.rint(255 * result).astype(np.uint8)


def resized(values: np.ndarray, size: int) -> np.ndarray:
    """A map (h, w) at side `size`, float64: bicubic as in the evaluation, cut off at the map's own extremes.

    The cubic kernel overshoots, which would put negative values into a map of probabilities.
    """
    import cv2
    import numpy as np

    native = np.asarray(values, dtype=np.float64)
    large = cv2.resize(native, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(large, native.min(), native.max())
