"""Oxford-IIIT Pet as distributed, whole or a subset: breeds as classes, trimaps as masks.

Layout: `images/<Breed>_<n>.jpg`, `annotations/{trainval,test}.txt` (rows: image, class id from 1, species, breed id)
and `annotations/trimaps/<Breed>_<n>.png` with 1 pet, 2 background, 3 border, which is ignored. train-fullsup is a
fifth of trainval. Only breeds with at least 10 trainval images are kept: a subset may have a few of each other breed,
which neither train nor evaluate.
"""

from __future__ import annotations

import hashlib
from collections import Counter

from wsol.data.images import ImageSource
from wsol.data.manifest import TEST, TRAIN_FULLSUP, TRAIN_WEAKSUP, ClassEntry, Manifest, Row
from wsol.data.readers._common import ReadOptions, Splits, find_root, read_text, with_facts
from wsol.errors import DataError

MIN_TRAINVAL_PER_CLASS = 10
FULLSUP_FRACTION = 5
PET, BORDER = 1, 3
ROOTS = ("", "oxford-iiit-pet/")
SPECIES = {"1": "cat", "2": "dog"}


def read(source: str, options: ReadOptions) -> Splits:
    """The three splits; masks are the pet pixels of the trimap, ignore its border."""
    opened = options.open(source)
    root = find_root(opened, "annotations/trainval.txt", ROOTS, options)
    trainval, test = (_listing(opened, f"{root}annotations/{name}.txt") for name in ("trainval", "test"))
    breeds = Counter(breed for _, breed, _ in trainval)
    kept = sorted(breed for breed, count in breeds.items() if count >= MIN_TRAINVAL_PER_CLASS)
    if not kept:
        raise DataError(f"{opened.path}: no breed has {MIN_TRAINVAL_PER_CLASS} trainval images; use a larger subset")
    species = {breed: kind for _, breed, kind in trainval}
    classes = [
        ClassEntry(index=index, name=breed, wnid=None, path=["pet", species[breed]], attributes={})
        for index, breed in enumerate(kept)
    ]
    held_out = _held_out([(name, breed) for name, breed, _ in trainval])
    lists = {
        TRAIN_WEAKSUP: [(name, breed) for name, breed, _ in trainval if name not in held_out],
        TRAIN_FULLSUP: [(name, breed) for name, breed, _ in trainval if name in held_out],
        TEST: [(name, breed) for name, breed, _ in test],
    }
    index_of = {entry["name"]: entry["index"] for entry in classes}
    manifests = {}
    for split, listed in lists.items():
        rows = [_row(root, name, breed, index_of[breed]) for name, breed in listed if breed in index_of]
        rows = with_facts(rows, opened, split, options) if options.require_images else rows
        manifests[split] = Manifest.from_rows(options.dataset, split, source, len(classes), options.localisation, rows)
    return Splits(manifests, classes)


def _listing(source: ImageSource, member: str) -> list[tuple[str, str, str]]:
    listed = []
    for number, line in enumerate(read_text(source, member).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        values = line.split()
        if len(values) != 4 or values[2] not in SPECIES or "_" not in values[0]:
            raise DataError(f"{source.path}:{member}: line {number} is {line!r}, expected 'Breed_n id species breed'")
        listed.append((values[0], values[0].rsplit("_", 1)[0].replace("_", " "), SPECIES[values[2]]))
    return listed


def _held_out(listed: list[tuple[str, str]]) -> set[str]:
    """A fifth of each breed's images: those whose names have the smallest SHA-256."""
    by_breed: dict[str, list[str]] = {}
    for name, breed in listed:
        by_breed.setdefault(breed, []).append(name)
    chosen: set[str] = set()
    for names in by_breed.values():
        ranked = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
        chosen.update(ranked[: len(ranked) // FULLSUP_FRACTION])
    return chosen


def _row(root: str, name: str, breed: str, label: int) -> Row:
    trimap = f"{root}annotations/trimaps/{name}.png"
    return Row(
        image_id=name,
        class_index=label,
        class_name=breed,
        width=0,
        height=0,
        image=f"{root}images/{name}.jpg",
        masks=(f"{trimap}#{PET}",),
        ignore=f"{trimap}#{BORDER}",
    )
