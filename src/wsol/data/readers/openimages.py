"""OpenImages30k: 100 classes of Open Images V5 with instance masks, under the metadata of Choe et al. (2020).

Image ids are `<train|val|test>/<MID>/<file>.jpg`; masks and ignore masks lie beside their images
(`…_m<MID>_<hash>.png`, `…_ignore.png`). No sizes are released, so they come from the images. An image may lack an
ignore mask.
"""

from __future__ import annotations

from wsol.data.images import ImageSource
from wsol.data.manifest import SPLITS, Row
from wsol.data.readers._common import ReadOptions, Splits, find_root
from wsol.data.readers._released import assemble, class_table, metadata_folder, released_rows
from wsol.errors import DataError

ROOTS = ("", "OpenImages/", "OpenImages30k/")


def read(source: str, options: ReadOptions) -> Splits:
    """The released splits; a class is named by its MID, the folder of its images. Masks must be there with the
    images."""
    folder = metadata_folder(options)
    rows = {split: released_rows(folder, split, _class_name) for split in SPLITS}
    names = {row.class_index: row.class_name for listed in rows.values() for row in listed}
    if options.require_images:
        opened = options.open(source)
        for split, listed in rows.items():
            _check_masks(opened, listed, split, options)
    return assemble(source, options, rows, class_table(names), ROOTS, {})


def _class_name(image_id: str, label: int) -> str:
    return image_id.split("/")[1]


def _check_masks(source: ImageSource, rows: list[Row], split: str, options: ReadOptions) -> None:
    root = find_root(source, rows[0].image, ROOTS, options)
    wanted = [mask for row in rows for mask in (*row.masks, *([row.ignore] if row.ignore else []))]
    missing = [mask for mask in wanted if not source.has(root + mask)]
    if missing:
        raise DataError(
            f"{source.path}: {len(missing)} of {len(wanted)} masks of {options.dataset} {split} are missing, the "
            "first is "
            f"{missing[0]!r}; complete the folder. {options.obtain.strip()}"
        )
