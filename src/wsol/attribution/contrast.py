"""Where an image tells two classes apart, as a score map: |s^A - s^B| (CALM, cue localisation)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from wsol.attribution.postprocess import ROUNDING
from wsol.errors import ParameterError

NORMALISATIONS = ("clip", "minmax", "max")


def contrast_scores(first: torch.Tensor, second: torch.Tensor, size: int, normalisation: str) -> NDArray[np.float64]:
    """Score maps (B, size, size) in [0, 1] of the attribution maps (B, h, w) of two classes.

    In the order of the released code: the difference at native resolution, bilinear resize (half-pixel centres), the
    absolute value, then the normalisation. `clip` leaves values in [0, 1] alone, which suits differences of
    probabilities; `max` divides by the map's maximum; `minmax` takes its minimum off before. A constant map, and one
    with a value that is not finite, become zero. Raises ParameterError.
    """
    if normalisation not in NORMALISATIONS:
        raise ParameterError(f"normalisation {normalisation!r} is not known; choose one of {', '.join(NORMALISATIONS)}")
    difference: Any = (first.detach().double() - second.detach().double())[:, None]
    if difference.shape[2:] != (size, size):
        difference = interpolate(difference, size=(size, size), mode="bilinear", align_corners=False)
    scores = difference[:, 0].abs()
    low, high = scores.amin((1, 2), keepdim=True), scores.amax((1, 2), keepdim=True)
    varies = torch.isfinite(scores).all(2, keepdim=True).all(1, keepdim=True) & (high - low > ROUNDING * high)
    if normalisation == "minmax":
        scores = (scores - low) / (high - low)
    elif normalisation == "max":
        scores = scores / high
    return torch.where(varies, scores.clamp(0, 1), 0.0).cpu().numpy()
