"""The best PxAP that maps of a low resolution could reach: the true mask in place of the map, no network.

Source: Belharbi et al., F-CAM (WACV 2022), supplement, section E: the mask is downscaled by z and upscaled again, both
bilinearly, and scored against itself. Where z does not divide the side, the low side is rounded down, as torch's
`interpolate(scale_factor=1 / z)` does; bilinear means two taps an axis, without a filter against aliasing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.attribution.upsample import score_maps
from wsol.errors import ParameterError
from wsol.metrics.masks import PixelHistograms


def low_side(side: int, factor: int) -> int:
    """Side of the low-resolution map in pixels. Raises ParameterError where nothing is left."""
    if factor < 1 or side < factor:
        raise ParameterError(f"a mask of side {side} cannot be downscaled by {factor}; choose 1 to {side}")
    return side // factor


def low_maps(masks: Any, factor: int) -> NDArray[np.float64]:
    """Masks (n, S, S) downscaled, (n, s, s) in [0, 1]; 1 is object, 0 background, 255 ignored (as background)."""
    objects = (np.asarray(masks) == 1).astype(np.float64)
    return score_maps(objects, low_side(objects.shape[1], factor), "as-is", "bilinear")


def simulated_maps(masks: Any, factor: int, order: str = "as-is") -> NDArray[np.float64]:
    """Score maps (n, S, S) in [0, 1] of masks (n, S, S), downscaled and upscaled again.

    `order` is that of `score_maps` on the way up: as-is keeps the share of the object that a pixel stands for;
    resize-normalize brings each map to 0…1, as a network's are.
    """
    return score_maps(low_maps(masks, factor), np.shape(masks)[1], order, "bilinear")


def resolution_bounds(
    blocks: Iterable[Any], factors: Sequence[int], thresholds: int = 1000, order: str = "as-is"
) -> dict[int, float]:
    """Factor z → PxAP in [0, 1] of `simulated_maps` against the masks (n, S, S) they are of, pooled over all blocks."""
    counted = {factor: PixelHistograms(thresholds) for factor in factors}
    for masks in blocks:
        for factor, histograms in counted.items():
            histograms.add(simulated_maps(masks, factor, order), masks)
    return {factor: histograms.result().ap for factor, histograms in counted.items()}
