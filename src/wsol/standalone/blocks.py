"""Blocks of score maps beside their ground truth, read, checked and normalised as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.attribution.postprocess import map_faults
from wsol.errors import DataError
from wsol.metrics.blocks import Block
from wsol.scoring import BLOCK, GroundTruth
from wsol.standalone.maps import MapSource


@dataclass(frozen=True)
class Frame:
    """How maps come into the scored frame of `size` x `size` pixels: as they are, or upsampled and normalised."""

    size: int
    normalise: bool
    order: str = "resize-normalize"
    interpolation: str = "bicubic"


Framed = tuple[Any, dict[str, int]]
"""Score maps (n, size, size), NumPy or CuPy, and the counts of faulty maps."""


def scored_blocks(
    source: MapSource,
    names: Mapping[str, str],
    truth: GroundTruth,
    frame: Frame,
    predictions: NDArray[np.integer] | None = None,
    *,
    threads: int = 1,
    device: str = "cpu",
) -> Iterator[Block]:
    """Blocks of images of the manifest of `truth`; `names` are the maps of its images.

    Raises DataError, naming image and file, for a map with a value that cannot be scored.
    """
    manifest = truth.manifest
    reader = _Reader(source, names, frame, threads, device)
    for start in range(0, len(manifest), BLOCK[device]):
        stop = min(start + BLOCK[device], len(manifest))
        images = manifest.image_ids[start:stop]
        maps, faults = reader.block(images)
        yield Block(
            score_maps=maps,
            image_ids=images,
            labels=manifest.labels[start:stop],
            boxes=truth.boxes(start, stop, frame.size),
            masks=truth.masks(start, stop, frame.size),
            predictions=None if predictions is None else predictions[start:stop],
            faults=faults,
            threads=threads,
        )


class _Reader:
    def __init__(self, source: MapSource, names: Mapping[str, str], frame: Frame, threads: int, device: str) -> None:
        self._source, self._names, self._frame = source, names, frame
        self._threads, self._device = threads, device
        self._one: Framed | None = None

    def block(self, images: Sequence[str]) -> Framed:
        if not self._source.shared:
            return self._read(images)
        self._one = self._one or self._read(images[:1])
        maps, faults = self._one
        return maps.repeat(len(images), axis=0), {key: len(images) * value for key, value in faults.items()}

    def _read(self, images: Sequence[str]) -> Framed:
        raw = [self._source.read(self._names[image]) for image in images]
        if not self._frame.normalise:
            for image, array in zip(images, raw, strict=True):
                _check_values(array, image, self._source.place(self._names[image]))
        if len({array.shape for array in raw}) == 1:
            return self._framed(np.stack(raw))
        framed = [self._framed(array[None]) for array in raw]
        faults = {key: sum(each[key] for _, each in framed) for key in framed[0][1]}
        return _namespace(self._device).concatenate([maps for maps, _ in framed]), faults

    def _framed(self, raw: NDArray[Any]) -> Framed:
        frame, faults = self._frame, map_faults(raw)
        if not frame.normalise:
            return _namespace(self._device).asarray(raw), faults
        size = (frame.size, frame.size)
        if self._device == "cuda":
            from wsol.metrics.engine import cuda

            return cuda.score_maps(raw, size, frame.order, frame.interpolation), faults
        from wsol.attribution.upsample import score_maps

        return score_maps(raw, size, frame.order, frame.interpolation, threads=self._threads), faults


def _namespace(device: str) -> Any:
    """NumPy, or CuPy on device cuda."""
    if device == "cuda":
        import cupy

        return cupy
    return np


def _check_values(array: NDArray[Any], image: str, place: str) -> None:
    low, high = float(array.min()), float(array.max())
    if low >= 0 and high <= 1:
        return
    held = "NaN" if np.isnan(low) else low if low < 0 else high
    raise DataError(
        f"{place}: the map of image {image} holds {held}; scores lie in [0, 1]. Correct the map, or pass --normalise "
        "if these are raw maps"
    )
