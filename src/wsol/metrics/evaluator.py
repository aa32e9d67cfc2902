"""Scores of one split, gathered in blocks that may come from several loops, jobs or machines."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wsol.errors import DataError, ParameterError
from wsol.files import atomic_path
from wsol.metrics.blocks import Block, MetricResult, MetricType, Split
from wsol.metrics.breakdown import box_sizes, mask_sizes
from wsol.metrics.details import Details, describe, in_order
from wsol.metrics.registry import metric_type

STATE_FORMAT = 1
FAULTS = ("nan_maps", "constant_maps", "empty_maps")


class Evaluation(NamedTuple):
    """`result` can be written as JSON; `images` has one column a name and one entry an image, in the order given."""

    result: dict[str, Any]
    images: dict[str, NDArray[Any]]


class Evaluator:
    """`evaluate` for blocks that come from several loops, jobs or machines.

    Each adds its own blocks and calls `save`; one of them calls `load` and `merge`. Values do not depend on how the
    images were shared out, intervals neither. `keep_images` is needed for intervals and break-downs, and object sizes
    and pixel counts are kept of every image then. `image_ids` are those of the split: an image that is not among them
    is an error as soon as it comes. After an error of `add` start again with a new evaluator.
    """

    def __init__(
        self,
        metrics: Sequence[str],
        parameters: Mapping[str, Mapping[str, Any]],
        split: Split,
        *,
        image_ids: Sequence[str] | None = None,
        keep_images: bool = False,
    ) -> None:
        self._scorers: dict[str, MetricType] = {}
        for name in metrics:
            if name not in parameters:
                raise ParameterError(f"metric {name} has no parameters; add params/metrics/{name}.yaml")
            self._scorers[name] = metric_type(name)(parameters[name], split)
            if keep_images:
                self._scorers[name].keep_images()
        self.split = split
        self.parameters = {name: dict(parameters[name]) for name in metrics}
        self.keep_images = keep_images
        self._expected = None if image_ids is None else set(check_unique(image_ids, split))
        self._ids: list[str] = []
        self._seen: set[str] = set()
        self._labels: list[NDArray[Any]] = []
        self._sizes: list[NDArray[np.float64]] = []
        self._counts = Counter(dict.fromkeys(FAULTS, 0))
        self._failed = False

    @property
    def image_ids(self) -> list[str]:
        """The images that were taken, in the order added and merged."""
        return list(self._ids)

    def add(self, block: Block) -> None:
        """Take a block, after checks that name the image; raises DataError."""
        self._check_usable()
        _check_block(block, self.split)
        for name, scorer in self._scorers.items():
            block.require(scorer.needs, name)
        self._check_new(block.image_ids)
        if not len(block.image_ids):
            return
        self._failed = True
        for scorer in self._scorers.values():
            scorer.add(block)
        self._append(block.image_ids, np.asarray(block.labels), self._object_sizes(block))
        self._counts.update(block.faults)
        self._counts["empty_maps"] += int((block.largest_grey() == 0).sum())
        self._failed = False

    def merge(self, other: Evaluator) -> None:
        """Append the images of another evaluator of the same split, metrics and parameters; raises DataError."""
        self._check_usable()
        other._check_usable()
        self._check_same(other._metadata())
        self._check_new(other._ids)
        for name, scorer in self._scorers.items():
            scorer.merge([other._scorers[name]])
        self._append(other._ids, *other._columns())
        self._counts.update(other._counts)

    def state(self) -> dict[str, Any]:
        """Arrays by name, and under "metadata" what they belong to, which JSON can hold."""
        self._check_usable()
        labels, sizes = self._columns()
        state: dict[str, Any] = {
            "metadata": self._metadata() | {"counts": dict(self._counts)},
            "image_id": np.array(self._ids, dtype=np.str_),
            "class_index": labels,
            "object_size": sizes,
        }
        for name, scorer in self._scorers.items():
            state |= {f"{name}.{key}": values for key, values in scorer.state().items()}
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Append what `state` gave, here or on another machine; raises DataError."""
        self._check_usable()
        self._check_same(state["metadata"])
        image_ids = [str(name) for name in state["image_id"]]
        self._check_new(image_ids)
        for name, scorer in self._scorers.items():
            prefix = f"{name}."
            scorer.restore({key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)})
        self._append(image_ids, state["class_index"], state["object_size"])
        self._counts.update(state["metadata"]["counts"])

    def save(self, path: str | Path) -> None:
        """Write `state` to one .npz file, whole or not at all; the same state gives the same bytes."""
        state = self.state()
        text = json.dumps(state.pop("metadata"), allow_nan=False)
        with atomic_path(path) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, metadata=np.frombuffer(text.encode("utf-8"), dtype=np.uint8), **state)

    @classmethod
    def load(cls, path: str | Path, *, image_ids: Sequence[str] | None = None) -> Self:
        """The evaluator that `save` wrote, ready to add and to merge; raises DataError."""
        state = _read_state(path)
        about = state["metadata"]
        split = Split(**about["split"] | {"frame": about["split"]["frame"] and tuple(about["split"]["frame"])})
        evaluator = cls(
            list(about["parameters"]),
            about["parameters"],
            split,
            image_ids=image_ids,
            keep_images=about["keep_images"],
        )
        evaluator.restore(state)
        return evaluator

    def result(
        self,
        order: Sequence[str] | None = None,
        *,
        resamples: int = 0,
        seed: int = 0,
        breakdown: bool = False,
        fixed: float | Mapping[str, float] | None = None,
    ) -> Evaluation:
        """What `evaluate` returns, with the images in the order of the given ids, or as they were added and merged.

        `fixed`, a threshold for all values or one for each by name, adds `fixed`: thresholds and values there;
        `resamples`, 1000 say, adds `intervals`: of 95 %, of the values and the fixed ones; `breakdown` adds
        `breakdown`: hits by class and by size of the object. Raises DataError where the given ids, or those of the
        split, are not the images that were taken, and ParameterError.
        """
        details = Details(resamples, seed, breakdown, fixed)
        self._check_usable()
        if details.needs_images and not self.keep_images:
            raise ParameterError("intervals and break-downs need every image; make Evaluator with keep_images=True")
        if not self._ids:
            raise DataError(f"{self._where}: no image to score; check the manifest and the maps")
        if self._expected is not None:
            self._check_complete(self._expected)
        rows = np.arange(len(self._ids)) if order is None else self._rows(order)
        labels, sizes = self._columns()
        total = MetricResult()
        for name, scorer in self._scorers.items():
            _merge(total, scorer.result(), name)
        result = {
            "dataset": self.split.dataset,
            "split": self.split.split,
            "n_images": len(self._ids),
            "parameters": {name: dict(parameters) for name, parameters in self.parameters.items()},
            "values": total.values,
            "thresholds": total.thresholds,
            "threshold_index": total.threshold_index,
            "means": total.means,
            "curves": total.curves,
            "counts": dict(self._counts),
        }
        if details.wanted:
            # Resamples draw rows, so the rows are put in an order that no sharing out of the images can change.
            by_id = np.argsort(np.array(self._ids, dtype=np.str_))
            result |= describe(in_order(total, by_id), details, labels[by_id], sizes[by_id], self.split.num_classes)
        columns = {"image_id": np.array(self._ids, dtype=np.str_), "class_index": labels} | total.images
        return Evaluation(result, {name: column[rows] for name, column in columns.items()})

    @property
    def _where(self) -> str:
        return f"{self.split.dataset} {self.split.split}"

    def _metadata(self) -> dict[str, Any]:
        split = self.split
        about = {
            "format": STATE_FORMAT,
            "split": {
                "dataset": split.dataset,
                "split": split.split,
                "num_classes": split.num_classes,
                "frame": None if split.frame is None else list(split.frame),
            },
            "parameters": self.parameters,
            "keep_images": self.keep_images,
        }
        # As it comes back from a file, so that a tuple or an array equals the list it is stored as.
        return dict(json.loads(json.dumps(about, default=lambda value: value.tolist())))

    def _columns(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        labels = np.concatenate(self._labels) if self._labels else np.empty(0, dtype=np.int64)
        return labels, np.concatenate([np.empty(0), *self._sizes])

    def _object_sizes(self, block: Block) -> NDArray[np.float64]:
        if self.keep_images and block.boxes is not None:
            return box_sizes(block.boxes, block.score_maps.shape[1:])
        if self.keep_images and block.masks is not None:
            return mask_sizes(block.masks)
        return np.full(len(block.image_ids), np.nan)

    def _append(self, image_ids: Sequence[str], labels: NDArray[Any], sizes: NDArray[np.float64]) -> None:
        if not len(image_ids):
            return
        self._ids.extend(image_ids)
        self._seen.update(image_ids)
        self._labels.append(labels)
        self._sizes.append(sizes)

    def _rows(self, order: Sequence[str]) -> NDArray[np.intp]:
        self._check_complete(set(check_unique(order, self.split)))
        position = {name: row for row, name in enumerate(self._ids)}
        return np.array([position[name] for name in order], dtype=np.intp)

    def _check_usable(self) -> None:
        if self._failed:
            raise DataError(f"{self._where}: an earlier block was refused, so what was added since is incomplete")

    def _check_new(self, image_ids: Sequence[str]) -> None:
        check_unique(image_ids, self.split)
        for name in image_ids:
            if name in self._seen:
                raise DataError(f"{self._where}: image {name} was scored twice; maps must be unique")
            if self._expected is not None and name not in self._expected:
                raise DataError(f"{self._where}: image {name} is not in this split; check the manifest and the maps")

    def _check_complete(self, expected: set[str]) -> None:
        lacking, extra = expected - self._seen, self._seen - expected
        if lacking:
            raise DataError(
                f"{self._where}: image {min(lacking)} was not scored, and {len(lacking) - 1} more; add their blocks"
            )
        if extra:
            raise DataError(
                f"{self._where}: image {min(extra)} was scored, and {len(extra) - 1} more that are not asked for"
            )

    def _check_same(self, other: Mapping[str, Any]) -> None:
        for key, own in self._metadata().items():
            if other.get(key) != own:
                raise DataError(
                    f"{self._where}: evaluations that differ in {key} ({own} and {other.get(key)}) cannot be merged; "
                    "score both parts the same way"
                )


def check_unique(image_ids: Sequence[str], split: Split) -> Sequence[str]:
    """The ids; raises DataError that names an image if one is there twice."""
    repeated = [name for name, count in Counter(image_ids).items() if count > 1]
    if repeated:
        raise DataError(f"{split.dataset} {split.split}: image {repeated[0]} was scored twice; maps must be unique")
    return image_ids


def _read_state(path: str | Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            state: dict[str, Any] = dict(archive)
        state["metadata"] = json.loads(state["metadata"].tobytes())
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; make it with Evaluator.save, or check the path") from error
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(f"{path}: not a saved evaluation ({error}); make it again with Evaluator.save") from error
    if state["metadata"].get("format") != STATE_FORMAT:
        raise DataError(f"{path}: saved in another format than {STATE_FORMAT}; make it again with this version")
    return state


def _merge(total: MetricResult, part: MetricResult, name: str) -> None:
    clash = sorted((set(total.values) & set(part.values)) | (set(total.images) & set(part.images)))
    if clash:
        raise ParameterError(f"metric {name} gives {', '.join(clash)}, which another metric gives already; rename one")
    for field in ("values", "thresholds", "threshold_index", "curves", "means", "images", "hits", "histograms"):
        getattr(total, field).update(getattr(part, field))
    total.shares.extend(part.shares)


def _check_block(block: Block, split: Split) -> None:
    where, labels, shape = f"{split.dataset} {split.split}", np.asarray(block.labels), tuple(block.score_maps.shape)
    if not len(block.image_ids) == len(block.score_maps) == len(labels):
        raise DataError(
            f"{where}: a block has {len(block.image_ids)} image ids, "
            f"{len(block.score_maps)} score maps and {len(labels)} labels; give one of each an image"
        )
    if len(shape) != 3:
        raise DataError(f"{where}: score maps have shape {shape}; give one array (N, H, W)")
    if not len(labels):
        return
    first = f"{where}: image {block.image_ids[0]}"
    if split.frame is not None and shape[1:] != tuple(split.frame):
        raise DataError(
            f"{first} has a score map of {_size(shape[1:])}, but this split is scored in a frame of "
            f"{_size(split.frame)}; upsample it (see wsol.attribution.score_maps)"
        )
    if block.masks is not None and tuple(np.shape(block.masks)[1:]) != shape[1:]:
        raise DataError(
            f"{first} has a mask of {_size(np.shape(block.masks)[1:])} and a score map of {_size(shape[1:])}; bring "
            "them to one size (see wsol.metrics.masks.resolve_mask)"
        )
    if not (labels.min() >= 0 and labels.max() < split.num_classes):
        wrong = int(((labels < 0) | (labels >= split.num_classes)).argmax())
        raise DataError(
            f"{where}: image {block.image_ids[wrong]} has class index {labels[wrong]}, "
            f"but there are {split.num_classes} classes"
        )


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape[::-1])) + " pixels"
