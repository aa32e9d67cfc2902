"""ILSVRC 2012 with ImageNetV2, under the metadata of Choe et al. (2020).

test is ILSVRC's validation set (`val/ILSVRC2012_val_<n>.JPEG`), train-fullsup is ImageNetV2 Threshold0.7 under the
names that it had in 2020 (`val2/<class>/<0…9>.jpeg`), train-weaksup is the image tree `train/<wnid>/*.JPEG`: no list
of it is released. A class's index is the place of its wnid among the sorted wnids. Boxes are inclusive pixel indices,
as released.
"""

from __future__ import annotations

from wsol.data.manifest import TEST, TRAIN_FULLSUP, TRAIN_WEAKSUP, ClassEntry, Row
from wsol.data.readers._common import ReadOptions, Splits
from wsol.data.readers._released import assemble, class_table, metadata_folder, released_rows
from wsol.errors import DataError

ROOTS = ("", "ILSVRC/", "Data/CLS-LOC/", "ILSVRC/Data/CLS-LOC/")
RENAMED_HINT = (
    "ImageNetV2's files were renamed after 2020, so val2/<class>/<n>.jpeg of a newer copy is another photograph: "
    "rebuild the old names before any evaluation."
)


def read(source: str, options: ReadOptions) -> Splits:
    """The three splits; with `require_images` False only train-fullsup and test, since train is a list of image files.

    The class name is the wnid where the image tree is read, and `class <index>` where it is not.
    """
    folder = metadata_folder(options)
    wnids: list[str] = []
    rows: dict[str, list[Row]] = {}
    if options.require_images:
        rows[TRAIN_WEAKSUP], wnids = _train_rows(source, options)

    def name_of(image_id: str, label: int) -> str:
        return wnids[label] if label < len(wnids) else f"class {label}"

    for split in (TRAIN_FULLSUP, TEST):
        rows[split] = released_rows(folder, split, name_of)
    count = 1 + max(row.class_index for split in (TRAIN_FULLSUP, TEST) for row in rows[split])
    if wnids and len(wnids) != count:
        raise DataError(
            f"{source}: train/ has {len(wnids)} class folders, but the metadata have {count} classes; "
            f"complete train/. {options.obtain.strip()}"
        )
    names = dict(enumerate(wnids)) if wnids else {index: f"class {index}" for index in range(count)}
    classes: list[ClassEntry] = class_table(names, dict(enumerate(wnids)))
    return assemble(source, options, rows, classes, ROOTS, {TRAIN_FULLSUP: RENAMED_HINT})


def _train_rows(source: str, options: ReadOptions) -> tuple[list[Row], list[str]]:
    opened = options.open(source)
    for root in ROOTS:
        members = opened.members(f"{root}train/")
        if members:
            break
    else:
        raise DataError(f"{opened.path}: no train/<wnid>/ folders; see docs/data.md. {options.obtain.strip()}")
    parts = [member.removeprefix(root).split("/") for member in members]
    listed = [part for part in parts if len(part) == 3 and part[2].lower().endswith((".jpeg", ".jpg"))]
    wnids = sorted({part[1] for part in listed})
    index_of = {wnid: index for index, wnid in enumerate(wnids)}
    rows = []
    for part in listed:
        image_id, wnid = "/".join(part), part[1]
        rows.append(Row(image_id, index_of[wnid], wnid, width=0, height=0, image=image_id))
    return rows, wnids
