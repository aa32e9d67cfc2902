"""reports/center.csv: the centre-Gaussian baseline on the released boxes of CUB and ILSVRC.

No image and no network is needed: one map for all images, so its boxes are found once and compared with every
ground-truth box at once.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from wsol.data.released import OTHER, ReleasedSplit, read_released, released_checksums
from wsol.errors import DataError, ParameterError
from wsol.files import write_text
from wsol.methods.center import center_gaussian
from wsol.metrics.blocks import check_keys
from wsol.metrics.boxes import check_iou
from wsol.metrics.iou import iou_matrix
from wsol.metrics.levels import Contours, Corners, level_index, quantise, threshold_grid
from wsol.metrics.oracle import level_boxes

COLUMNS = ("dataset", "split", "metric", "hits", "n", "value", "published", "erratum")
SPLITS = (("CUB", "val"), ("CUB", "test"), ("ILSVRC", "val"), ("ILSVRC", "test"))


def write_center_csv(
    metadata_root: str | os.PathLike[str],
    published_yaml: str | os.PathLike[str],
    metric_yaml: str | os.PathLike[str],
    out_csv: str | os.PathLike[str],
) -> list[dict[str, str]]:
    """Compute `center_rows` with the metric of `params/metrics/boxes.yaml`, write them, and return them."""
    rows = center_rows(metadata_root, _load(published_yaml), _load(metric_yaml)["parameters"])
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out_csv, text.getvalue())
    return rows


def center_rows(
    metadata_root: str | os.PathLike[str],
    published: Mapping[str, Any],
    parameters: Mapping[str, Any],
    splits: Sequence[tuple[str, str]] = SPLITS,
) -> list[dict[str, str]]:
    """Rows of the table, as text: MaxBoxAcc, MaxBoxAccV2 and each IoU level, for every (data set, split).

    `hits` are the images hit at the metric's best threshold on that split and `n` the images; MaxBoxAccV2 adds both up
    over its IoU levels, so that value = 100 hits / n everywhere. `published` is the content of
    params/papers/center.yaml, `parameters` those of params/metrics/boxes.yaml. Raises DataError or ParameterError.
    """
    printed = _printed_values(published)
    size, score_map = _score_map(published)
    rows = []
    for dataset, split in splits:
        truth = read_released(metadata_root, dataset, split, with_labels=False)
        changed = sorted(n for n, state in released_checksums(metadata_root, dataset, split).items() if state == OTHER)
        boxes = frame_boxes(truth, size)
        counts = _metric_counts(score_map, boxes, truth, parameters)
        for metric, (hits, n) in counts.items():
            value, erratum = printed.get((dataset, split, metric), ("", ""))
            if changed and value:
                value, erratum = "", f"not compared: {', '.join(changed)} is not the released file"
            rows.append(
                {
                    "dataset": dataset,
                    "split": split,
                    "metric": metric,
                    "hits": str(hits),
                    "n": str(n),
                    "value": f"{100 * hits / n:.2f}",
                    "published": value,
                    "erratum": erratum,
                }
            )
    return rows


def frame_boxes(truth: ReleasedSplit, size: int) -> NDArray[np.float64]:
    """All boxes (B, 4) of a split in a square frame of `size` pixels, as `rescale_boxes` does for one image."""
    if truth.sizes is None or len(truth.boxes) == 0:
        raise DataError(f"{truth.dataset} {truth.split}: has no image sizes or no boxes; the box metrics need both")
    if len(np.unique(truth.owners)) != len(truth.image_ids):
        missing = int(np.setdiff1d(np.arange(len(truth.image_ids)), truth.owners)[0])
        raise DataError(
            f"{truth.dataset} {truth.split}: image {truth.image_ids[missing]} has no box in localization.txt"
        )
    return np.trunc(truth.boxes * size / np.tile(truth.sizes[truth.owners], 2))


def hit_counts(
    score_map: NDArray[np.float64],
    boxes: NDArray[np.float64],
    owners: NDArray[np.int64],
    iou: NDArray[np.float64],
    contours: Contours,
    corners: Corners,
    thresholds: NDArray[np.float64],
) -> NDArray[np.int64]:
    """(D, T) images hit when every image has the same score map (H, W).

    boxes (B, 4) in map pixels, sorted by owners (B,), the image of each.
    """
    grey = quantise(score_map)
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    levels = level_index(thresholds, int(grey.max()))
    proposed = level_boxes(grey, corners)
    counts = np.zeros((iou.size, len(proposed)), dtype=np.int64)
    for level in np.unique(levels):
        best = np.maximum.reduceat(iou_matrix(proposed[level].of(contours), boxes).max(axis=0), starts)
        counts[:, level] = (best >= iou[:, None]).sum(axis=1)
    return counts[:, levels]


def _metric_counts(
    score_map: NDArray[np.float64], boxes: NDArray[np.float64], truth: ReleasedSplit, parameters: Mapping[str, Any]
) -> dict[str, tuple[int, int]]:
    check_keys("boxes", parameters, ("thresholds", "corners", "max_box_acc", "max_box_acc_v2"))
    thresholds, n = threshold_grid(parameters["thresholds"]), len(truth.image_ids)
    best = {}
    for key in ("max_box_acc", "max_box_acc_v2"):
        iou = check_iou(parameters[key]["iou"])
        rule = parameters[key]["contours"], parameters["corners"]
        counts = hit_counts(score_map, boxes, truth.owners, iou, *rule, thresholds)
        best[key] = iou, counts.max(axis=1)
    levels, hits = best["max_box_acc_v2"]
    result = {
        "MaxBoxAcc": (int(best["max_box_acc"][1][0]), n),
        "MaxBoxAccV2": (int(hits.sum()), n * len(levels)),
    }
    return result | {f"BoxAccV2@{100 * level:.0f}": (int(count), n) for level, count in zip(levels, hits, strict=True)}


def _score_map(published: Mapping[str, Any]) -> tuple[int, NDArray[np.float64]]:
    settings = published["map"]
    _require(settings, ("size", "centre", "sigma"), "map")
    return settings["size"], center_gaussian(settings["size"], settings["centre"], settings["sigma"])


def _printed_values(published: Mapping[str, Any]) -> dict[tuple[str, str, str], tuple[str, str]]:
    _require(published, ("map", "published"), "the file")
    for entry in published["published"]:
        _require(entry, ("dataset", "split", "metric", "value", "source", "erratum"), "published")
    return {
        (entry["dataset"], entry["split"], entry["metric"]): (str(entry["value"]), str(entry["erratum"]))
        for entry in published["published"]
    }


def _require(mapping: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    if set(mapping) != set(keys):
        wrong = sorted(set(mapping) ^ set(keys))
        raise ParameterError(f"center.yaml, {where}: keys {wrong} are unknown or missing; it has {', '.join(keys)}")


def _load(path: str | os.PathLike[str]) -> Any:
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParameterError(f"{path}: no such parameter file") from error
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: not valid YAML: {error}") from error
