"""What the readers share: their options, the scan of image files, and finding a tree inside a source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from wsol.data.images import ImageSource, MissingMember, image_size, map_threaded
from wsol.data.manifest import ClassEntry, Manifest, Row
from wsol.errors import DataError
from wsol.files import sha256_bytes

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ReadOptions:
    """How to read a data set.

    `metadata` is the folder of released metadata, where the data set has one. `require_images` False reads the ground
    truth alone: no file of the source is opened, sha256 is empty and a size that the metadata lack is 0. `progress`
    is called with (split, images done, images in all). `obtain` is how to get the data, for error messages.
    """

    dataset: str
    localisation: str = "boxes"
    metadata: Path | None = None
    require_images: bool = True
    threads: int = 4
    progress: Progress | None = None
    obtain: str = ""

    def open(self, source: str) -> ImageSource:
        return ImageSource(source, self.dataset, self.obtain)


@dataclass(frozen=True)
class Splits:
    """A data set as read: its manifests by split name and its class table in the order of the indices."""

    manifests: dict[str, Manifest]
    classes: list[ClassEntry]


class FileFacts(NamedTuple):
    """Of one encoded image: hex SHA-256 of the bytes, and the size in pixels that its header says."""

    sha256: str
    width: int
    height: int


def scan_images(source: ImageSource, members: Sequence[str], split: str, options: ReadOptions) -> list[FileFacts]:
    """Hash and measure each member, in order; DataError counts the missing ones and names the first."""

    def facts(member: str) -> FileFacts | None:
        try:
            content = source.read(member)
        except MissingMember:
            return None
        return FileFacts(sha256_bytes(content), *image_size(content, f"{source.path}:{member}"))

    found: list[FileFacts] = []
    missing: list[str] = []
    for done, (member, fact) in enumerate(zip(members, map_threaded(facts, members, options.threads), strict=True), 1):
        if fact is None:
            missing.append(member)
        else:
            found.append(fact)
        if options.progress is not None:
            options.progress(split, done, len(members))
    if missing:
        raise DataError(
            f"{source.path}: {len(missing)} of {len(members)} images of {options.dataset} {split} are missing, "
            f"the first is {missing[0]!r}; complete the folder. {options.obtain.strip()}"
        )
    return found


def with_facts(
    rows: Sequence[Row], source: ImageSource, split: str, options: ReadOptions, *, hint: str = ""
) -> list[Row]:
    """The rows with sha256 and size of their files.

    A row that brings a size (not 0) must agree with its file: boxes are in pixels of the image they were drawn on, so
    another size means another image. `hint` says what that usually comes from.
    """
    facts = scan_images(source, [row.image for row in rows], split, options)
    wrong = [
        (row, fact)
        for row, fact in zip(rows, facts, strict=True)
        if row.width and (row.width, row.height) != (fact.width, fact.height)
    ]
    if wrong:
        row, fact = wrong[0]
        raise DataError(
            f"{source.path}: {row.image} is {fact.width}×{fact.height}, but the metadata of {options.dataset} "
            f"{split} say "
            f"{row.width}×{row.height} ({len(wrong)} of {len(rows)} images differ). {hint}".rstrip()
        )
    return [
        replace(row, sha256=fact.sha256, width=fact.width, height=fact.height)
        for row, fact in zip(rows, facts, strict=True)
    ]


def find_root(source: ImageSource, probe: str, roots: Sequence[str], options: ReadOptions) -> str:
    """The first of `roots` ('' or ending in '/') under which the source has `probe`, so that an archive may keep or
    drop its top folder."""
    for root in roots:
        if source.has(root + probe):
            return root
    tried = ", ".join(repr(root + probe) for root in roots)
    raise DataError(
        f"{source.path}: not laid out as {options.dataset} (looked for {tried}); see docs/data.md for the layout. "
        f"{options.obtain.strip()}"
    )


def read_text(source: ImageSource, member: str) -> str:
    try:
        return source.read(member).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{source.path}:{member}: not UTF-8 text ({error}); copy it again") from error
