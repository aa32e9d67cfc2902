"""Tiny ImageNet as distributed (`tiny-imagenet-200`), whole or with fewer classes, packed or unpacked.

Layout: `wnids.txt`, `words.txt`, `train/<wnid>/images/*.JPEG` with `train/<wnid>/<wnid>_boxes.txt`,
`val/images/*.JPEG` with `val/val_annotations.txt`. Classes are the sorted wnids. Boxes are inclusive pixel indices
0…63, as in ILSVRC, and stay as released. The distributed test folder has no labels, so the val folder is our test
split, and train-fullsup is held out of the training images.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np

from wsol.data.images import ImageSource
from wsol.data.manifest import TEST, TRAIN_FULLSUP, TRAIN_WEAKSUP, ClassEntry, Manifest, Row
from wsol.data.readers._common import ReadOptions, Splits, find_root, read_text, with_facts
from wsol.errors import DataError

FULLSUP_PER_CLASS = 50
ROOTS = ("", "tiny-imagenet-200/", "tiny-imagenet-50/")


def read(source: str, options: ReadOptions) -> Splits:
    """The three splits: of each class's training images 50 for train-fullsup, the rest for train-weaksup; val for
    test."""
    opened = options.open(source)
    root = find_root(opened, "wnids.txt", ROOTS, options)
    classes = _classes(opened, root)
    rows: dict[str, list[Row]] = {TRAIN_WEAKSUP: [], TRAIN_FULLSUP: []}
    for entry in classes:
        training = _training_rows(opened, root, entry)
        held_out = held_out_ids([row.image_id for row in training])
        for row in training:
            rows[TRAIN_FULLSUP if row.image_id in held_out else TRAIN_WEAKSUP].append(row)
    rows[TEST] = _val_rows(opened, root, classes)
    manifests = {}
    for split, listed in rows.items():
        measured = with_facts(listed, opened, split, options) if options.require_images else listed
        manifests[split] = Manifest.from_rows(
            options.dataset, split, source, len(classes), options.localisation, measured
        )
    return Splits(manifests, classes)


def held_out_ids(image_ids: list[str]) -> set[str]:
    """The train-fullsup images of one class: the 50 whose ids have the smallest SHA-256.

    A fixed choice that depends on no order, seed or library, and is as good as random.
    """
    if len(image_ids) <= FULLSUP_PER_CLASS:
        raise DataError(
            f"a class has {len(image_ids)} training images, and {FULLSUP_PER_CLASS} are held out for train-fullsup; "
            "use more images a class"
        )
    ranked = sorted(image_ids, key=lambda image_id: hashlib.sha256(image_id.encode()).digest())
    return set(ranked[:FULLSUP_PER_CLASS])


def _classes(source: ImageSource, root: str) -> list[ClassEntry]:
    wnids = sorted(read_text(source, f"{root}wnids.txt").split())
    words = dict(line.split("\t", 1) for line in read_text(source, f"{root}words.txt").splitlines() if "\t" in line)
    return [
        ClassEntry(index=index, name=words.get(wnid, wnid).split(",")[0].strip(), wnid=wnid, path=[], attributes={})
        for index, wnid in enumerate(wnids)
    ]


def _box_rows(source: ImageSource, member: str, width: int) -> list[list[str]]:
    rows = [line.split("\t") for line in read_text(source, member).splitlines() if line.strip()]
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise DataError(
                f"{source.path}:{member}: line {number} has {len(row)} fields, expected {width}; copy it again"
            )
    return rows


def _row(image_id: str, member: str, entry: ClassEntry, boxes: list[list[str]]) -> Row:
    return Row(
        image_id=image_id,
        class_index=entry["index"],
        class_name=entry["name"],
        width=0,
        height=0,
        image=member,
        boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4),
    )


def _training_rows(source: ImageSource, root: str, entry: ClassEntry) -> list[Row]:
    wnid = entry["wnid"]
    listing = f"{root}train/{wnid}/{wnid}_boxes.txt"
    boxes: dict[str, list[list[str]]] = defaultdict(list)
    for name, *box in _box_rows(source, listing, 5):
        boxes[name].append(box)
    return [
        _row(f"train/{wnid}/images/{name}", f"{root}train/{wnid}/images/{name}", entry, listed)
        for name, listed in boxes.items()
    ]


def _val_rows(source: ImageSource, root: str, classes: list[ClassEntry]) -> list[Row]:
    by_wnid = {entry["wnid"]: entry for entry in classes}
    member = f"{root}val/val_annotations.txt"
    boxes: dict[str, list[list[str]]] = defaultdict(list)
    labels: dict[str, ClassEntry] = {}
    for name, wnid, *box in _box_rows(source, member, 6):
        if wnid not in by_wnid:
            raise DataError(f"{source.path}:{member}: image {name} has class {wnid!r}, which wnids.txt does not list")
        labels[name] = by_wnid[wnid]
        boxes[name].append(box)
    return [
        _row(f"val/images/{name}", f"{root}val/images/{name}", labels[name], listed) for name, listed in boxes.items()
    ]
