"""Grey levels and thresholds: how a score map is cut, and which contours of the cut propose boxes.

Exactly the rules of the evaluator released with Choe et al.: the map is cut to 256 grey levels, and a threshold is
relative to the map's own maximum. Whatever the thresholds, a map has at most 255 distinct cuts {grey > t}, t = 0...254:
the engines answer for each t, and thresholds only look up.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import ParameterError

LEVELS = 256
"""Length of a table over grey levels t; nothing lies above t = 255, which stands for every empty cut."""

Contours = Literal["all", "largest", "external"]
"""Which contours of a cut propose a box: all of them, those of holes included (MaxBoxAccV2); that of largest polygon
area alone (MaxBoxAcc); the outermost ones only, neither holes nor islands in holes (not in the released evaluator)."""

Corners = Literal["exclusive", "inclusive"]
"""Where a box ends: one pixel right of and below its region unless clipped by the image (as released), or on the
region's last pixel, which is what the IoU's inclusive areas assume (not in the released evaluator)."""


def check_contours(contours: str) -> None:
    """Raises ParameterError unless `contours` names a rule."""
    if contours not in get_args(Contours):
        raise ParameterError(f"contours {contours!r} is not known; choose one of {', '.join(get_args(Contours))}")


def check_corners(corners: str) -> None:
    """Raises ParameterError unless `corners` names a convention."""
    if corners not in get_args(Corners):
        raise ParameterError(f"corners {corners!r} is not known; choose one of {', '.join(get_args(Corners))}")


def threshold_grid(thresholds: int | ArrayLike) -> NDArray[np.float64]:
    """T thresholds in [0, 1) a step 1/T apart, or the given ones as a float64 array.

    The integer form is `numpy.arange(0, 1, 1 / T)` as the released evaluator has it, so that every float is the same
    (for some T, such as 49, rounding adds one more threshold right below 1). Raises ParameterError.
    """
    if isinstance(thresholds, (int, np.integer)) and not isinstance(thresholds, bool):
        if thresholds < 1:
            raise ParameterError(f"thresholds: {thresholds} is too few; give 1 or more, 1000 in the papers")
        return np.arange(0.0, 1.0, 1.0 / int(thresholds))
    grid = np.array(thresholds, dtype=np.float64)
    if grid.ndim != 1 or grid.size == 0 or not np.isfinite(grid).all() or (grid < 0).any():
        raise ParameterError("thresholds: give their number, or a non-empty list of finite values from 0 up")
    return grid


def quantise(score_maps: ArrayLike) -> NDArray[np.uint8]:
    """Scores in [0, 1] as grey levels, trunc(255 S) computed in float64."""
    return (np.asarray(score_maps, dtype=np.float64) * 255).astype(np.uint8)


def level_index(thresholds: NDArray[np.float64], maximum: int | NDArray[np.uint8]) -> NDArray[np.intp]:
    """The grey level t = trunc(tau * maximum) that each threshold stands for; foreground is strictly above it.

    thresholds (T,), maximum a number or (n,): the largest grey level of a map. Gives (T,) or (n, T), in 0...255. The
    product must be the float64 one: with exact fractions six pairs of threshold and maximum come out one higher.
    """
    product = np.asarray(maximum, dtype=np.float64)[..., None] * thresholds
    return np.minimum(np.trunc(product), LEVELS - 1).astype(np.intp)
