"""One zip a data set: images, masks, annotations; the same bytes for any number of workers."""

from __future__ import annotations

import multiprocessing
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from wsol.data.synthetic.datasets import check_options, class_count
from wsol.data.synthetic.painter import Sample, box_of
from wsol.data.synthetic.samples import SPLITS, class_table, render
from wsol.errors import DataError, ParameterError
from wsol.files import atomic_path, canonical_json

WEAK_SPLIT = "train-weaksup"
ANNOTATIONS, CLASSES = "annotations.json", "classes.json"
_CHUNK = 16
_EPOCH = (1980, 1, 1, 0, 0, 0)

Member = tuple[str, bytes]


@dataclass(frozen=True)
class _Job:
    """A run of consecutive images of a split."""

    dataset: str
    seed: int
    size: int
    split: str
    start: int
    stop: int
    num_classes: int
    options: tuple[tuple[str, float], ...]


def write_archive(
    path: str | os.PathLike[str],
    dataset: str,
    seed: int,
    size: int,
    counts: Mapping[str, int],
    num_classes: int | None = None,
    workers: int = 1,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Render every split into one uncompressed zip, written whole or not at all.

    counts: images per class of each split. progress: called with (images done, images in all) after each chunk.
    The split train-weaksup holds images and labels alone: weak supervision by construction.
    """
    classes, chosen = class_count(dataset, num_classes), check_options(options or {})
    for split, count in counts.items():
        if split not in SPLITS or count < 1:
            raise ParameterError(
                f"counts: {split} = {count}; splits are {', '.join(SPLITS)}, with at least one image a class"
            )
    if not counts or workers < 1:
        raise ParameterError(f"counts = {dict(counts)} and workers = {workers}: name a split and at least one worker")
    settings = tuple(sorted(chosen.items()))
    jobs = [
        _Job(dataset, seed, size, split, start, stop, classes, settings)
        for split in SPLITS
        if split in counts
        for start, stop in pairwise([*range(0, counts[split] * classes, _CHUNK), counts[split] * classes])
    ]
    total = sum(counts.values()) * classes
    entries: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS if split in counts}
    done = 0
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        with _mapper(min(workers, len(jobs))) as run:
            for job, (members, annotations) in zip(jobs, run(_render_job, jobs), strict=True):
                for name, content in members:
                    _add(archive, name, content)
                entries[job.split] += annotations
                done += job.stop - job.start
                if progress is not None:
                    progress(done, total)
        header = {"dataset": dataset, "seed": seed, "size": size, "options": dict(settings), "splits": entries}
        _add(archive, ANNOTATIONS, canonical_json(header).encode())
        _add(archive, CLASSES, canonical_json({"dataset": dataset, "classes": class_table(dataset, classes)}).encode())


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """An ordered map, in this process or over a pool."""
    if workers <= 1:
        yield map
        return
    # Spawned, not forked: the caller may have threads (torch, OpenCV), and a forked child inherits their locks.
    with multiprocessing.get_context("spawn").Pool(workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield pool.imap


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.external_attr = 0o644 << 16
    member.create_system = 3
    archive.writestr(member, content)


def _render_job(job: _Job) -> tuple[list[Member], list[dict[str, Any]]]:
    members: list[Member] = []
    annotations: list[dict[str, Any]] = []
    for index in range(job.start, job.stop):
        sample = render(
            job.dataset, job.seed, index, job.size,
            split=job.split, num_classes=job.num_classes, options=dict(job.options),
        )  # fmt: skip
        files, annotation = describe(sample, job.split, f"{index:05d}", weak=job.split == WEAK_SPLIT)
        members += files
        annotations.append({"image_id": f"{job.dataset}/{job.split}/{index:05d}", **annotation})
    return members, annotations


def describe(sample: Sample, split: str, stem: str, weak: bool) -> tuple[list[Member], dict[str, Any]]:
    """A sample's members and its annotation without the image id; `weak` leaves out all that says where things are."""
    height, width = sample.image.shape[:2]
    image = f"{split}/images/{stem}.png"
    members = [(image, encode_png(sample.image))]
    annotation: dict[str, Any] = {"class_index": sample.class_index, "width": width, "height": height, "image": image}
    annotation |= {"boxes": [], "masks": [], "ignore": None, "parts": None, "keypoints": [], "others": []}
    if weak:
        return members, annotation
    for k, (mask, label) in enumerate(zip(sample.instance_masks, sample.instance_classes, strict=True)):
        name = f"{split}/masks/{stem}_{k}.png"
        members.append((name, encode_png(mask.astype(np.uint8) * 255)))
        if label == sample.class_index:
            annotation["masks"].append(name)
            annotation["boxes"].append(box_of(mask))
        else:
            annotation["others"].append({"class_index": label, "box": box_of(mask), "mask": name})
    if sample.ignore is not None:
        annotation["ignore"] = f"{split}/ignore/{stem}.png"
        members.append((annotation["ignore"], encode_png(sample.ignore.astype(np.uint8) * 255)))
    if sample.parts is not None:
        annotation["parts"] = f"{split}/parts/{stem}.png"
        annotation["part_names"] = list(sample.part_names)
        members.append((annotation["parts"], encode_png(sample.parts)))
    annotation["keypoints"] = [
        {"name": name, "x": round(x, 3), "y": round(y, 3), "visible": visible}
        for name, x, y, visible in sample.keypoints
    ]
    return members, annotation


def encode_png(pixels: np.ndarray) -> bytes:
    """PNG of (H, W) grey or (H, W, 3) RGB uint8 pixels."""
    ordered = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    done, encoded = cv2.imencode(".png", ordered, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise DataError(f"OpenCV could not encode an image of shape {pixels.shape} as PNG")
    return encoded.tobytes()
