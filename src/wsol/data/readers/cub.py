"""CUB-200-2011 with CUBV2, under the metadata of Choe et al. (2020).

Image ids are `<class folder>/<file>` for all three splits; the photographs of CUBV2 (train-fullsup) lie in the same
200 class folders as those of CUB-200-2011, or in a folder CUBV2 of the same layout. Boxes stay as released: x1 = x +
width.
"""

from __future__ import annotations

from wsol.data.manifest import SPLITS, TRAIN_FULLSUP
from wsol.data.readers._common import ReadOptions, Splits
from wsol.data.readers._released import assemble, class_table, metadata_folder, released_rows
from wsol.errors import DataError

ROOTS = ("", "CUB/", "images/", "CUB_200_2011/images/", "CUBV2/")
SIZE_HINT = "This is another photograph under the same name; copy CUBV2 again, with the file names of its release."


def read(source: str, options: ReadOptions) -> Splits:
    """The released splits; the class of a name is its folder, without number and underscores."""
    folder = metadata_folder(options)
    rows = {split: released_rows(folder, split, _class_name) for split in SPLITS}
    names: dict[int, str] = {}
    for listed in rows.values():
        for row in listed:
            if names.setdefault(row.class_index, row.class_name) != row.class_name:
                raise DataError(
                    f"{folder}: class {row.class_index} is both {names[row.class_index]!r} and {row.class_name!r} "
                    f"({row.image_id}); copy the metadata again"
                )
    return assemble(source, options, rows, class_table(names), ROOTS, {TRAIN_FULLSUP: SIZE_HINT})


def _class_name(image_id: str, label: int) -> str:
    folder = image_id.split("/")[0]
    return folder.partition(".")[2].replace("_", " ")
