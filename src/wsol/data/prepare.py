"""From a data set's parameter file to its three manifests and its class table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsol.data.images import RAW_PREFIX, resolve_source
from wsol.data.manifest import SPLITS, validate, write_classes, write_manifest
from wsol.data.readers import get_reader
from wsol.data.readers._common import Progress, ReadOptions, Splits
from wsol.errors import DataError
from wsol.files import sha256_file
from wsol.locations import raw_data_root

ARCHIVE_NAME = "images.zip"
MIN_PREFIX = 16


@dataclass(frozen=True)
class Prepared:
    """What `prepare` wrote: its files, the images and instances a split, and the SHA-256 of each file by name."""

    source: str
    files: list[Path]
    num_classes: int
    counts: dict[str, int]
    instances: dict[str, int]
    sha256: dict[str, str]


def select_source(parameters: Mapping[str, Any], out_dir: str | os.PathLike[str]) -> str:
    """The logical source of a data set: its rendered archive in `out_dir`, or the first of its raw paths that exists.

    DataError says where it was looked for and how to get it.
    """
    source = parameters["source"]
    if source["kind"] == "synthetic":
        return (Path(out_dir) / ARCHIVE_NAME).as_posix()
    for path in source["paths"]:
        if (raw_data_root() / path).exists():
            return RAW_PREFIX + path
    tried = ", ".join(str(raw_data_root() / path) for path in source["paths"])
    raise DataError(
        f"{parameters['name']}: its images are not there (looked for {tried}; WSOL_DATA is {raw_data_root()}). "
        f"{str(parameters.get('obtain') or 'See docs/data.md.').strip()}"
    )


def metadata_path(parameters: Mapping[str, Any]) -> Path | None:
    """The folder of released metadata, or None where the data set has none."""
    metadata = parameters["source"].get("metadata")
    return None if metadata is None else raw_data_root() / metadata


def verify_hashes(parameters: Mapping[str, Any], source: str) -> list[str]:
    """Compare the files named under `sha256` that this reading uses: the metadata, and the source where it is a file.

    Values are SHA-256 in hex, whole or their first 16 digits or more. Returns the paths that agreed; DataError names
    the first that does not.
    """
    metadata = parameters["source"].get("metadata")
    agreed = []
    for path, expected in sorted((parameters.get("sha256") or {}).items()):
        in_metadata = metadata is not None and path.startswith(f"{metadata}/")
        if not in_metadata and RAW_PREFIX + path != source:
            continue
        if not (raw_data_root() / path).is_file():
            obtain = str(parameters.get("obtain") or "See docs/data.md.").strip()
            raise DataError(f"{raw_data_root() / path}: no such file; {parameters['name']} needs it. {obtain}")
        actual = sha256_file(raw_data_root() / path)
        if len(expected) < MIN_PREFIX or not actual.startswith(expected):
            raise DataError(
                f"{raw_data_root() / path}: sha256 {actual[:MIN_PREFIX]}…, expected {expected[:MIN_PREFIX]}…; copy the "
                "file "
                f"again, or correct params/datasets/{parameters['name']}.yaml if the change is meant"
            )
        agreed.append(path)
    return agreed


def read_dataset(
    parameters: Mapping[str, Any],
    source: str,
    *,
    require_images: bool = True,
    threads: int = 4,
    progress: Progress | None = None,
) -> Splits:
    """Read and validate a data set by the reader that its parameters name; nothing is written."""
    verify_hashes(parameters, source)
    options = ReadOptions(
        dataset=parameters["name"],
        localisation=parameters["localisation"],
        metadata=metadata_path(parameters),
        require_images=require_images,
        threads=threads,
        progress=progress,
        obtain=str(parameters.get("obtain") or ""),
    )
    splits: Splits = get_reader(parameters["reader"]).read(source, options)
    for manifest in splits.manifests.values():
        validate(manifest, splits.classes, require_images=require_images)
    expected = parameters.get("counts") or {}
    for split, count in expected.items():
        if split in splits.manifests and len(splits.manifests[split]) != count:
            raise DataError(
                f"{parameters['name']} {split}: {len(splits.manifests[split])} images, expected {count} "
                f"(params/datasets/{parameters['name']}.yaml); complete the source {source!r}"
            )
    return splits


def prepare(
    parameters: Mapping[str, Any],
    out_dir: str | os.PathLike[str],
    *,
    source: str | None = None,
    threads: int = 4,
    progress: Progress | None = None,
) -> Prepared:
    """Write `<split>.parquet` for the three splits and `classes.json` into `out_dir`; the same data give the same
    bytes.

    `parameters` is the content of params/datasets/<name>.yaml; `source` overrides where its images are. Every image
    file is hashed and measured. Raises DataError where the data are absent, incomplete or inconsistent; nothing is
    written then.
    """
    folder = Path(out_dir)
    chosen = source if source is not None else select_source(parameters, folder)
    splits = read_dataset(parameters, chosen, threads=threads, progress=progress)
    absent = [split for split in SPLITS if split not in splits.manifests]
    if absent:
        raise DataError(f"{parameters['name']}: {resolve_source(chosen)} has no {', '.join(absent)}")
    files = []
    for split in SPLITS:
        files.append(folder / f"{split}.parquet")
        write_manifest(files[-1], splits.manifests[split])
    files.append(folder / "classes.json")
    write_classes(files[-1], parameters["name"], splits.classes)
    return Prepared(
        source=chosen,
        files=files,
        num_classes=len(splits.classes),
        counts={split: len(manifest) for split, manifest in splits.manifests.items()},
        instances={split: int(m.instances_per_image().sum()) for split, m in splits.manifests.items()},
        sha256={path.name: sha256_file(path) for path in files},
    )
