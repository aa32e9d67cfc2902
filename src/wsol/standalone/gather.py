"""From maps and ground truth to an evaluator that has taken every image of a split, or of a share of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.data.manifest import Manifest
from wsol.device import choose_scoring_device
from wsol.errors import ParameterError
from wsol.metrics.blocks import Split
from wsol.metrics.evaluate import Evaluator
from wsol.scoring import GroundTruth
from wsol.standalone.blocks import Frame, scored_blocks
from wsol.standalone.maps import MapSource, open_maps
from wsol.standalone.match import check_headers, match_maps
from wsol.standalone.parameters import Parameters, metric_parameters
from wsol.standalone.predictions import read_predictions, stored_predictions
from wsol.threads import one_ahead

Maps = str | os.PathLike[str] | Mapping[str, ArrayLike] | MapSource
Item = TypeVar("Item")

SIZE = 224
"""Side in pixels of the frame that the papers score in."""


@dataclass(frozen=True)
class Share:
    """The `index`-th, from 1, of `count` shares of a split: contiguous in the order of its images."""

    index: int
    count: int

    def of(self, images: int) -> range:
        """Positions of its images; raises ParameterError for a share that does not exist, or is empty."""
        if not 1 <= self.index <= self.count:
            raise ParameterError(f"share {self.index}/{self.count}: give K/N with K from 1 to N, such as 2/8")
        positions = range((self.index - 1) * images // self.count, self.index * images // self.count)
        if not positions:
            raise ParameterError(f"share {self.index}/{self.count} of {images} images is empty; make fewer shares")
        return positions


WHOLE = Share(1, 1)


@dataclass(frozen=True)
class Options:
    """How maps are scored; the options of `wsol evaluate` of the same names. None is the papers' choice."""

    size: int | None = None
    normalise: bool = False
    predictions: str | os.PathLike[str] | None = None
    ignore_extra: bool = False
    thresholds: int | Sequence[float] | None = None
    contours: str | None = None
    corners: str | None = None
    threads: int = 1
    device: str = "auto"
    progress: bool = False

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ParameterError(f"size {self.size}: give the side of the scored frame in pixels, 224 in the papers")
        if self.threads < 1:
            raise ParameterError(f"threads {self.threads}: give 1 or more")


@dataclass(frozen=True)
class Ready:
    """Maps and ground truth that fit each other; nothing has been scored yet."""

    source: MapSource
    names: dict[str, str]
    manifest: Manifest
    frame: Frame
    predictions: NDArray[np.int32] | None
    parameters: Parameters
    options: Options

    @property
    def split(self) -> Split:
        manifest = self.manifest
        side = self.frame.size
        return Split(manifest.dataset, manifest.split, manifest.num_classes, (side, side))


def prepare(maps: Maps, manifest: Manifest, options: Options, share: Share = WHOLE) -> Ready:
    """Every check that needs no map's values: ids first, then headers. Raises DataError or ParameterError."""
    known = manifest.image_ids
    positions = share.of(len(manifest))
    source = open_maps(maps)
    names = match_maps(source, [known[row] for row in positions], known, ignore_extra=options.ignore_extra)
    frame = _frame(source, options)
    check_headers(
        source,
        names,
        frame.size,
        normalise=frame.normalise,
        watched=lambda images: _watched(images, len(names), "checking", options.progress),
    )
    predictions = (
        stored_predictions(source, list(names.values()))
        if options.predictions is None
        else read_predictions(options.predictions, list(names), known)
    )
    kept = manifest if share == WHOLE else _rows(manifest, positions)
    return Ready(source, names, kept, frame, predictions, _parameters(manifest, predictions, options), options)


def gather(ready: Ready, *, keep_images: bool) -> Evaluator:
    """An evaluator with every image taken; while a block is scored, the next one is read. Raises DataError."""
    options = ready.options
    evaluator = Evaluator(
        list(ready.parameters),
        ready.parameters,
        ready.split,
        image_ids=ready.manifest.image_ids,
        keep_images=keep_images,
    )
    blocks = scored_blocks(
        ready.source,
        ready.names,
        GroundTruth(ready.manifest, keep_masks=False),
        ready.frame,
        ready.predictions,
        threads=options.threads,
        device=choose_scoring_device(options.device),
    )
    with closing(one_ahead(blocks)) as made, _bar(len(ready.manifest), "scoring", options.progress) as bar:
        for block in made:
            evaluator.add(block)
            bar.update(len(block.image_ids))
    return evaluator


def _frame(source: MapSource, options: Options) -> Frame:
    if source.upsampling is None:
        return Frame(options.size or SIZE, options.normalise)
    stored = source.upsampling
    return Frame(options.size or int(stored["size"]), True, stored["order"], stored["interpolation"])


def _parameters(manifest: Manifest, predictions: NDArray[np.int32] | None, options: Options) -> Parameters:
    metrics = [manifest.localisation]
    if predictions is not None:
        metrics += ["classification", *(["localization"] if manifest.localisation == "boxes" else [])]
    rules = {"thresholds": options.thresholds, "contours": options.contours, "corners": options.corners}
    parameters = metric_parameters(metrics, **rules)  # type: ignore[arg-type]
    for name in metrics[1:]:
        assert predictions is not None
        # With fewer classes to an image than a rank, that rank is left out and not taken for a miss.
        parameters[name]["top"] = [k for k in parameters[name]["top"] if k <= predictions.shape[1]]
    return parameters


def _rows(manifest: Manifest, positions: Sequence[int]) -> Manifest:
    return Manifest.from_rows(rows=(manifest.row(row) for row in positions), **manifest.header)


def _watched(items: Iterable[Item], total: int, what: str, progress: bool) -> Iterator[Item]:
    with _bar(total, what, progress) as bar:
        for item in items:
            yield item
            bar.update()


def _bar(total: int, what: str, progress: bool) -> Any:
    from tqdm import tqdm

    # disable=None: shown on a terminal, and not in a log.
    return tqdm(total=total, desc=what, unit=" maps", disable=None if progress else True, leave=False)
