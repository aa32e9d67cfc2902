"""The manifest: one parquet table a data set and split, with what every later layer needs to know of an image."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import numpy as np

from wsol.errors import DataError
from wsol.files import atomic_path, read_json, write_json

if TYPE_CHECKING:
    import pyarrow as pa

TRAIN_WEAKSUP, TRAIN_FULLSUP, TEST = "train-weaksup", "train-fullsup", "test"
SPLITS = (TRAIN_WEAKSUP, TRAIN_FULLSUP, TEST)
LOCALISATIONS = ("boxes", "masks", "none")
NO_BOXES = np.zeros((0, 4), dtype=np.float64)
_METADATA_KEY = b"wsol"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Keypoint(NamedTuple):
    """A named point in pixels of the stored image; `visible` is False where something occludes it."""

    name: str
    x: float
    y: float
    visible: bool


class ClassEntry(TypedDict):
    """One class of a data set. `path` runs from the most general name to the direct parent and may be empty."""

    index: int
    name: str
    wnid: str | None
    path: list[str]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One image: its label, its size (pixels of the stored image) and the references to its ground truth."""

    image_id: str
    class_index: int
    class_name: str
    width: int
    height: int
    image: str
    boxes: np.ndarray = field(default_factory=lambda: NO_BOXES)
    masks: tuple[str, ...] = ()
    ignore: str | None = None
    parts: str | None = None
    keypoints: tuple[Keypoint, ...] = ()
    sha256: str = ""

    def without_localisation(self) -> Row:
        """The same image with its label alone: what weak supervision may see."""
        return Row(
            self.image_id, self.class_index, self.class_name, self.width, self.height, self.image, sha256=self.sha256
        )


@dataclass(frozen=True)
class Manifest:
    """The rows of one split, as columns of equal length N.

    `labels` (N,) int64 in 0..num_classes-1; `widths` and `heights` (N,) int32 in pixels of the stored image; `boxes` a
    list of N float64 arrays (M, 4), x0 y0 x1 y1 in those pixels as released; `images`, `masks`, `ignore` and `parts`
    name members of `source`, which is `raw:<path>` (relative to $WSOL_DATA) or a path relative to the repository.
    """

    dataset: str
    split: str
    source: str
    num_classes: int
    localisation: str
    image_ids: list[str]
    labels: np.ndarray
    class_names: list[str]
    widths: np.ndarray
    heights: np.ndarray
    images: list[str]
    boxes: list[np.ndarray]
    masks: list[tuple[str, ...]]
    ignore: list[str | None]
    parts: list[str | None]
    keypoints: list[tuple[Keypoint, ...]]
    sha256: list[str]

    @classmethod
    def from_rows(
        cls, dataset: str, split: str, source: str, num_classes: int, localisation: str, rows: Iterable[Row]
    ) -> Manifest:
        """A manifest of `rows` in their order; the rows of train-weaksup lose all localisation, by construction."""
        weak = split == TRAIN_WEAKSUP
        kept = [row.without_localisation() for row in rows] if weak else list(rows)
        return cls(
            dataset=dataset,
            split=split,
            source=source,
            num_classes=num_classes,
            localisation="none" if weak else localisation,
            image_ids=[row.image_id for row in kept],
            labels=np.array([row.class_index for row in kept], dtype=np.int64),
            class_names=[row.class_name for row in kept],
            widths=np.array([row.width for row in kept], dtype=np.int32),
            heights=np.array([row.height for row in kept], dtype=np.int32),
            images=[row.image for row in kept],
            boxes=[np.asarray(row.boxes, dtype=np.float64).reshape(-1, 4) for row in kept],
            masks=[tuple(row.masks) for row in kept],
            ignore=[row.ignore for row in kept],
            parts=[row.parts for row in kept],
            keypoints=[tuple(Keypoint(*point) for point in row.keypoints) for row in kept],
            sha256=[row.sha256 for row in kept],
        )

    @property
    def header(self) -> dict[str, Any]:
        """What holds for the whole split: dataset, split, source, num_classes, localisation."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            "source": self.source,
            "num_classes": self.num_classes,
            "localisation": self.localisation,
        }

    def __len__(self) -> int:
        return len(self.image_ids)

    def row(self, index: int) -> Row:
        return Row(
            image_id=self.image_ids[index],
            class_index=int(self.labels[index]),
            class_name=self.class_names[index],
            width=int(self.widths[index]),
            height=int(self.heights[index]),
            image=self.images[index],
            boxes=self.boxes[index],
            masks=self.masks[index],
            ignore=self.ignore[index],
            parts=self.parts[index],
            keypoints=self.keypoints[index],
            sha256=self.sha256[index],
        )

    def rows(self) -> Iterator[Row]:
        return (self.row(index) for index in range(len(self)))

    def subset(self, indices: Sequence[int] | np.ndarray) -> Manifest:
        """The rows at `indices`, in that order, under the same header."""
        rows = [self.row(int(index)) for index in indices]
        return Manifest.from_rows(rows=rows, **self.header)

    def instances_per_image(self) -> np.ndarray:
        """(N,) int64: boxes an image, or masks an image where the split is localised by masks."""
        column: Sequence[Any] = self.masks if self.localisation == "masks" else self.boxes
        return np.array([len(value) for value in column], dtype=np.int64)


def _schema(header: Mapping[str, Any]) -> pa.Schema:
    import pyarrow as pa

    keypoint = pa.struct(
        [("name", pa.string()), ("x", pa.float64()), ("y", pa.float64()), ("visible", pa.bool_())],
    )
    columns = [
        ("image_id", pa.string()),
        ("class_index", pa.int32()),
        ("class_name", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("image", pa.string()),
        ("boxes", pa.list_(pa.list_(pa.float64()))),
        ("masks", pa.list_(pa.string())),
        ("ignore", pa.string()),
        ("parts", pa.string()),
        ("keypoints", pa.list_(keypoint)),
        ("sha256", pa.string()),
    ]
    return pa.schema(columns, metadata={_METADATA_KEY: json.dumps(dict(header), sort_keys=True).encode()})


def write_manifest(path: str | os.PathLike[str], manifest: Manifest) -> None:
    """One parquet file; the same manifest gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(manifest.header)
    columns = {
        "image_id": manifest.image_ids,
        "class_index": manifest.labels.astype(np.int32),
        "class_name": manifest.class_names,
        "width": manifest.widths,
        "height": manifest.heights,
        "image": manifest.images,
        "boxes": [boxes.tolist() for boxes in manifest.boxes],
        "masks": [list(masks) for masks in manifest.masks],
        "ignore": manifest.ignore,
        "parts": manifest.parts,
        "keypoints": [[point._asdict() for point in points] for points in manifest.keypoints],
        "sha256": manifest.sha256,
    }
    table = pa.table([pa.array(columns[name], type=schema.field(name).type) for name in schema.names], schema=schema)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", version="2.6")


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """The manifest at `path`; DataError where it is absent, not parquet, or not written by `write_manifest`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read(use_threads=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such manifest; prepare the data set first") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path}: not a readable parquet file ({error}); delete it and prepare the data again"
        ) from error
    stored = (table.schema.metadata or {}).get(_METADATA_KEY)
    if stored is None:
        raise DataError(f"{path}: a parquet file, but not a manifest (no 'wsol' header); prepare the data set again")
    header = json.loads(stored)
    expected = _schema(header)
    if not table.schema.equals(expected):
        raise DataError(f"{path}: has columns {table.schema.names}, expected {expected.names}; prepare the data again")
    column = {name: table.column(name) for name in table.column_names}
    return Manifest(
        **header,
        image_ids=column["image_id"].to_pylist(),
        labels=column["class_index"].to_numpy().astype(np.int64),
        class_names=column["class_name"].to_pylist(),
        widths=column["width"].to_numpy().copy(),
        heights=column["height"].to_numpy().copy(),
        images=column["image"].to_pylist(),
        boxes=[np.array(boxes, dtype=np.float64).reshape(-1, 4) for boxes in column["boxes"].to_pylist()],
        masks=[tuple(masks) for masks in column["masks"].to_pylist()],
        ignore=column["ignore"].to_pylist(),
        parts=column["parts"].to_pylist(),
        keypoints=[tuple(Keypoint(**point) for point in points) for points in column["keypoints"].to_pylist()],
        sha256=column["sha256"].to_pylist(),
    )


def validate(manifest: Manifest, classes: Sequence[ClassEntry] | None = None, *, require_images: bool = True) -> None:
    """Raise DataError, naming image and value, unless the manifest is fit for the later layers.

    Checked: the split's name; unique ids; labels in 0..K-1 and, in train-weaksup, no empty class; boxes within
    [0, width-1] × [0, height-1] with x0 ≤ x1 and y0 ≤ y1; no localisation in train-weaksup and, in the other splits, at
    least one box or mask an image; hex SHA-256. With `require_images` False a size of 0 and an empty sha256 pass (the
    ground truth was read without its images), and boxes are then checked only where the size is known.
    """
    where = f"{manifest.dataset} {manifest.split}"
    _check_header(manifest, where, classes)
    if len(set(manifest.image_ids)) != len(manifest):
        seen: set[str] = set()
        twice = next(name for name in manifest.image_ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise DataError(f"{where}: image id {twice!r} stands twice; remove one of the two rows")
    _check_labels(manifest, where, classes)
    for row in manifest.rows():
        _check_row(manifest, row, f"{where}: image {row.image_id!r}", require_images)


def _check_header(manifest: Manifest, where: str, classes: Sequence[ClassEntry] | None) -> None:
    if manifest.split not in SPLITS:
        raise DataError(f"{where}: unknown split {manifest.split!r}; use one of {', '.join(SPLITS)}")
    if manifest.localisation not in LOCALISATIONS:
        raise DataError(f"{where}: localisation {manifest.localisation!r}; use one of {', '.join(LOCALISATIONS)}")
    if len(manifest) == 0:
        raise DataError(f"{where}: no images; check the source {manifest.source!r} and its split lists")
    lengths = {
        item.name: len(getattr(manifest, item.name)) for item in fields(manifest) if item.name not in manifest.header
    }
    if set(lengths.values()) != {len(manifest)}:
        raise DataError(f"{where}: columns of unequal length {lengths}; make the manifest with Manifest.from_rows")
    if classes is not None and [entry["index"] for entry in classes] != list(range(manifest.num_classes)):
        raise DataError(
            f"{where}: the class table has {len(classes)} entries, the manifest {manifest.num_classes} classes; "
            "the table must list indices 0..K-1 in order"
        )


def _check_labels(manifest: Manifest, where: str, classes: Sequence[ClassEntry] | None) -> None:
    outside = np.flatnonzero((manifest.labels < 0) | (manifest.labels >= manifest.num_classes))
    if outside.size:
        index = int(outside[0])
        raise DataError(
            f"{where}: image {manifest.image_ids[index]!r} has class index {manifest.labels[index]}, "
            f"outside 0..{manifest.num_classes - 1}; correct its label"
        )
    if classes is not None:
        for label, name, image_id in zip(manifest.labels, manifest.class_names, manifest.image_ids, strict=True):
            if classes[label]["name"] != name:
                raise DataError(
                    f"{where}: image {image_id!r} has class name {name!r}, but class {label} is "
                    f"{classes[label]['name']!r}"
                )
    if manifest.split != TRAIN_WEAKSUP:
        return
    empty = np.flatnonzero(np.bincount(manifest.labels, minlength=manifest.num_classes) == 0)
    if empty.size:
        named = [f"{index} ({classes[index]['name']})" if classes is not None else str(index) for index in empty[:5]]
        raise DataError(
            f"{where}: no image of class {', '.join(named)}{' …' if empty.size > 5 else ''} "
            f"({empty.size} of {manifest.num_classes} classes are empty); add images or remove the class from the table"
        )


def _check_row(manifest: Manifest, row: Row, where: str, require_images: bool) -> None:
    if require_images and (row.width < 1 or row.height < 1):
        raise DataError(f"{where}: size {row.width}×{row.height}; the size of the stored image must be known")
    if not (_SHA256.fullmatch(row.sha256) or (row.sha256 == "" and not require_images)):
        raise DataError(f"{where}: sha256 {row.sha256!r} is not 64 hexadecimal digits")
    if manifest.split == TRAIN_WEAKSUP:
        if len(row.boxes) or row.masks or row.ignore or row.parts or row.keypoints:
            raise DataError(f"{where}: train-weaksup must carry no localisation; make it with Manifest.from_rows")
        return
    if manifest.localisation == "masks" and not row.masks:
        raise DataError(f"{where}: no mask, though the split is localised by masks")
    if manifest.localisation == "boxes" and not len(row.boxes):
        raise DataError(f"{where}: no box, though the split is localised by boxes")
    if len(row.boxes) and row.width > 0:
        x0, y0, x1, y1 = row.boxes.T
        inside = (x0 >= 0) & (y0 >= 0) & (x1 <= row.width - 1) & (y1 <= row.height - 1)
        good = inside & (x1 >= x0) & (y1 >= y0)
        if not good.all():
            box = row.boxes[int(np.argmin(good))].tolist()
            raise DataError(
                f"{where}: box {box} is not x0 ≤ x1 ≤ {row.width - 1}, y0 ≤ y1 ≤ {row.height - 1} "
                f"(the image is {row.width}×{row.height}); boxes are [x0, y0, x1, y1] in pixels of the stored image"
            )


def write_classes(path: str | os.PathLike[str], dataset: str, classes: Sequence[ClassEntry]) -> None:
    write_json(path, {"dataset": dataset, "classes": list(classes)})


def read_classes(path: str | os.PathLike[str]) -> list[ClassEntry]:
    """The class table at `path`, in the order of the indices; DataError where the indices are not 0..K-1."""
    return parse_classes(read_json(path), str(path))


def parse_classes(content: Any, where: str) -> list[ClassEntry]:
    """The entries of a decoded classes.json, in the order of the indices, each with every key."""
    try:
        entries = [
            ClassEntry(
                index=int(entry["index"]),
                name=str(entry["name"]),
                wnid=entry.get("wnid"),
                path=[str(name) for name in entry.get("path", [])],
                attributes=dict(entry.get("attributes", {})),
            )
            for entry in sorted(content["classes"], key=lambda entry: entry["index"])
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{where}: not a class table ({error!r}); each class needs an index and a name") from error
    if [entry["index"] for entry in entries] != list(range(len(entries))):
        raise DataError(f"{where}: class indices must be 0..{len(entries) - 1}, each once")
    return entries
