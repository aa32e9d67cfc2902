"""From attribution maps at the network's resolution to score maps in [0, 1] at the evaluation's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.errors import DataError, ParameterError

ORDERS = ("resize-normalize", "normalize-resize", "as-is")
INTERPOLATIONS = ("bicubic", "bilinear")
_CUBIC = -0.75
"""Free parameter of the cubic kernel: the value of OpenCV and torch."""
ROUNDING = 64 * np.finfo(np.float64).eps
"""A map whose range is below this share of its largest magnitude is constant: what is left is the resize's rounding."""


def score_maps(
    maps: Any, size: int | Sequence[int], order: str = "resize-normalize", interpolation: str = "bicubic"
) -> Any:
    """Maps (B, h, w) of any range as float64 score maps (B, H, W) in [0, 1]; `size` is the side or (H, W).

    `resize-normalize` is the protocol of Choe et al.: upsample (half-pixel centres, replicated border), then bring
    each map to [0, 1] by its own minimum and maximum. `normalize-resize` does so before resizing and not again after,
    as F-CAM does with CAMs and bilinear interpolation; what the cubic kernel overshoots is cut off. A map with a value
    that is not finite, and a constant map, become zero (count them with `map_faults`). `as-is` is for probabilities,
    whose values mean something: only resized, cut off to [0, 1], and a constant map stays. A map at its size is not
    resampled.

    NumPy arrays give NumPy arrays; torch tensors give torch tensors on the same device. Both agree to 1e-12.
    Raises DataError or ParameterError. `wsol.attribution.upsample.score_maps` gives the same numbers sooner.
    """
    maps, shape = checked_request(maps, size, order, interpolation)
    torch = _torch_if(maps)
    if torch is not None:
        return _score_tensor(torch, maps.detach().double(), shape, order, interpolation)
    return _score_array(maps.astype(np.float64), shape, order, interpolation)


def checked_request(
    maps: Any, size: int | Sequence[int], order: str, interpolation: str
) -> tuple[Any, tuple[int, int]]:
    """The maps, as an array unless they are a tensor, and (H, W); raises DataError or ParameterError."""
    if order not in ORDERS:
        raise ParameterError(f"order {order!r} is not known; choose one of {', '.join(ORDERS)}")
    if interpolation not in INTERPOLATIONS:
        raise ParameterError(f"interpolation {interpolation!r} is not known; choose one of {', '.join(INTERPOLATIONS)}")
    height, width = (int(side) for side in (size if isinstance(size, Sequence) else (size, size)))
    if min(height, width) < 1:
        raise ParameterError(f"size {size} is not a positive side or (height, width)")
    if _torch_if(maps) is None:
        maps = np.asarray(maps)
        if not (np.issubdtype(maps.dtype, np.number) or maps.dtype == np.bool_):
            raise DataError(f"maps have type {maps.dtype}; give numbers")
    if maps.ndim != 3 or 0 in maps.shape[1:]:
        raise DataError(f"maps have shape {tuple(maps.shape)}; give one array (B, h, w) with pixels")
    return maps, (height, width)


def map_faults(maps: Any) -> dict[str, int]:
    """How many of the maps (B, h, w) hold a value that is not finite, and how many others are constant."""
    if _torch_if(maps) is not None:
        maps = maps.detach().double().cpu().numpy()
    array = np.asarray(maps, dtype=np.float64)
    finite = np.isfinite(array).all(axis=(1, 2))
    low, high = array[finite].min(axis=(1, 2)), array[finite].max(axis=(1, 2))
    with np.errstate(over="ignore"):
        constant = high - low <= ROUNDING * np.maximum(abs(low), abs(high))
    return {"nan_maps": int((~finite).sum()), "constant_maps": int(constant.sum())}


def _torch_if(maps: Any) -> Any:
    """The torch module if `maps` is a tensor: only then has someone imported it already."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(maps, getattr(torch, "Tensor", ())) else None


def _score_array(maps: NDArray[np.float64], size: tuple[int, int], order: str, interpolation: str) -> NDArray[Any]:
    with np.errstate(invalid="ignore", over="ignore"):
        if order == "normalize-resize":
            return np.clip(_resize(_normalise(maps), size, interpolation), 0.0, 1.0)
        resized = _resize(maps, size, interpolation)
        if order == "as-is":
            sound = np.isfinite(resized).all(axis=(1, 2), keepdims=True)
            return np.where(sound, np.clip(resized, 0.0, 1.0), 0.0)
        return _normalise(resized)


def _normalise(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(maps) == 0:
        return maps
    low = maps.min(axis=(1, 2), keepdims=True)
    high = maps.max(axis=(1, 2), keepdims=True)
    span = high - low
    varies = np.isfinite(span) & (span > ROUNDING * np.maximum(abs(low), abs(high)))
    return np.divide(maps - low, span, out=np.zeros_like(maps), where=varies)


def _resize(maps: NDArray[np.float64], size: tuple[int, int], interpolation: str) -> NDArray[np.float64]:
    if maps.shape[1:] == size:
        return maps
    return _resize_axis(_resize_axis(maps, size[1], 2, interpolation), size[0], 1, interpolation)


def _resize_axis(maps: NDArray[np.float64], size: int, axis: int, interpolation: str) -> NDArray[np.float64]:
    indices, weights = taps(maps.shape[axis], size, interpolation)
    shape = (1, size, 1) if axis == 1 else (1, 1, size)
    result = np.take(maps, indices[0], axis=axis) * weights[0].reshape(shape)
    for index, weight in zip(indices[1:], weights[1:], strict=True):
        result += np.take(maps, index, axis=axis) * weight.reshape(shape)
    return result


def taps(old: int, new: int, interpolation: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Source indices (K, new) and weights (K, new) of a separable kernel with half-pixel centres, no antialiasing.

    OpenCV rounds the cubic weights to float32, which shows (up to 6e-6) unless new / old is a power of two; here they
    are float64, as in torch.
    """
    position = (np.arange(new) + 0.5) * (old / new) - 0.5
    start = np.floor(position)
    part = position - start
    if interpolation == "bilinear":
        offsets = np.array([0, 1])
        weights = np.stack([1 - part, part])
    else:
        offsets = np.array([-1, 0, 1, 2])
        weights = np.stack([_outer(1 + part), _inner(part), _inner(1 - part), _outer(2 - part)])
    indices = np.clip(start.astype(np.int64) + offsets[:, None], 0, old - 1)
    return indices, weights


def _inner(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cubic convolution kernel (Keys 1981) at distances up to 1."""
    return ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance * distance + 1


def _outer(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cubic convolution kernel (Keys 1981) at distances from 1 to 2."""
    return ((_CUBIC * distance - 5 * _CUBIC) * distance + 8 * _CUBIC) * distance - 4 * _CUBIC


def _score_tensor(torch: Any, maps: Any, size: tuple[int, int], order: str, interpolation: str) -> Any:
    if order == "normalize-resize":
        return _resize_tensor(torch, _normalise_tensor(torch, maps), size, interpolation).clamp(0, 1)
    resized = _resize_tensor(torch, maps, size, interpolation)
    if order == "as-is":
        sound = torch.isfinite(resized).all(dim=2, keepdim=True).all(dim=1, keepdim=True)
        return torch.where(sound, resized.clamp(0, 1), torch.zeros_like(resized))
    return _normalise_tensor(torch, resized)


def _normalise_tensor(torch: Any, maps: Any) -> Any:
    low = maps.amin(dim=(1, 2), keepdim=True)
    high = maps.amax(dim=(1, 2), keepdim=True)
    span = high - low
    varies = torch.isfinite(span) & (span > ROUNDING * torch.maximum(low.abs(), high.abs()))
    return torch.where(varies, (maps - low) / span, torch.zeros_like(maps))


def _resize_tensor(torch: Any, maps: Any, size: tuple[int, int], interpolation: str) -> Any:
    if tuple(maps.shape[1:]) == size or len(maps) == 0:
        return maps if len(maps) else maps.new_zeros((0, *size))
    resized = torch.nn.functional.interpolate(maps[:, None], size=size, mode=interpolation, align_corners=False)
    return resized[:, 0]
