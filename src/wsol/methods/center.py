"""The centre-Gaussian baseline: the same blob in the middle for every image, with no network at all.

It is the lower bound of Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right" (CVPR 2020):
photographers put objects in the middle, so a localisation method has to beat this to say anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wsol.errors import ParameterError


def center_gaussian(
    size: int | Sequence[int], centre: Sequence[float] | float | None = None, sigma: float | None = None
) -> NDArray[np.float64]:
    """Isotropic Gaussian score map (H, W), float64, minimum 0 and maximum 1; `size` is the side or (H, W).

    `centre` is (y, x) in pixels, by default side // 2 in each direction (112 of 224), with which the published 59.7 of
    CUB comes out; `sigma` is in pixels, by default a quarter of the shorter side. The box metrics look at level sets
    alone, so from about 0.18 of the side up sigma changes nothing but grey-level rounding. Raises ParameterError.
    """
    height, width = size if isinstance(size, Sequence) else (size, size)
    if min(height, width) < 1:
        raise ParameterError(f"size {size} is not a positive side or (height, width)")
    if centre is None:
        centre = (height // 2, width // 2)
    y, x = centre if isinstance(centre, Sequence) else (centre, centre)
    spread = min(height, width) / 4 if sigma is None else float(sigma)
    if not spread > 0:
        raise ParameterError(f"sigma {sigma} is not a positive number of pixels")
    rows = np.exp(-((np.arange(height) - y) ** 2) / (2 * spread**2))
    columns = np.exp(-((np.arange(width) - x) ** 2) / (2 * spread**2))
    blob = np.outer(rows, columns)
    shifted = blob - blob.min()
    top = shifted.max()
    return shifted / top if top > 0 else shifted


def image_free_map(size: int, centre: float | None = None, sigma: float | None = None) -> NDArray[np.float64]:
    """The one map (size, size) that this method gives for every image."""
    return center_gaussian(size, centre, sigma)
