"""Encoded images out of folders and archives, and decoded into arrays of one size.

A source is named logically, so that manifests do not depend on the machine: `raw:<path>` lies under $WSOL_DATA (default
data/raw), anything else is a path relative to the working directory.
"""

from __future__ import annotations

import io
import os
import tarfile
import threading
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from wsol.data.manifest import Manifest
from wsol.errors import DataError
from wsol.files import sha256_bytes
from wsol.locations import raw_data_root

RAW_PREFIX = "raw:"
DEFAULT_CACHE_LIMIT = 2 * 1024**3
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
T = TypeVar("T")
S = TypeVar("S")


def resolve_source(source: str) -> Path:
    """The folder or archive that a logical source name stands for; it need not exist."""
    if source.startswith(RAW_PREFIX):
        return raw_data_root() / source[len(RAW_PREFIX) :]
    return Path(source)


def map_threaded(function: Callable[[S], T], items: Sequence[S], threads: int) -> Iterator[T]:
    """`function` of each item, in order; at most a few hundred results wait, so that items may be many."""
    if threads <= 1 or len(items) <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as executor:
        waiting: deque[Any] = deque()
        try:
            for item in items:
                waiting.append(executor.submit(function, item))
                if len(waiting) >= 32 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class ImageSource:
    """Members of a folder, a .zip or a .tar, by their path inside it.

    Safe to share between threads, to pickle and to use after a fork: an archive is opened once a process.
    """

    def __init__(self, source: str, dataset: str = "", obtain: str = "") -> None:
        self.source = source
        self.path = resolve_source(source)
        if not self.path.exists():
            of = f" of data set {dataset}" if dataset else ""
            under = f" (WSOL_DATA is {raw_data_root()})" if source.startswith(RAW_PREFIX) else ""
            how = obtain.strip() or "see docs/data.md for where to get it, or set WSOL_DATA to the folder that holds it"
            raise DataError(f"{self.path}: no such folder or archive{of}{under}; {how}")
        self._open_state()

    def _open_state(self) -> None:
        self._lock = threading.Lock()
        self._owner = -1
        self._archive: _Folder | _Zip | _Tar | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self.source, "path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open_state()

    def __repr__(self) -> str:
        return f"ImageSource({self.source!r})"

    def _opened(self) -> _Folder | _Zip | _Tar:
        with self._lock:
            # A handle inherited over fork shares its file offset with the parent, so a child opens its own.
            if self._archive is None or self._owner != os.getpid():
                self._archive, self._owner = _open_archive(self.path), os.getpid()
            return self._archive

    def read(self, member: str) -> bytes:
        """The bytes of a member; DataError names source, member and remedy where it is absent or damaged."""
        if PurePosixPath(member).is_absolute() or ".." in PurePosixPath(member).parts:
            raise DataError(f"{self.source}: member {member!r} leads outside the source; correct the manifest")
        try:
            return self._opened().read(member)
        except (KeyError, FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise MissingMember(
                f"{self.path}: no member {member!r}; the copy is incomplete or laid out differently (docs/data.md)"
            ) from error
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise DataError(f"{self.path}: cannot read member {member!r} ({error}); copy the archive again") from error

    def has(self, member: str) -> bool:
        return self._opened().has(member)

    def members(self, prefix: str = "") -> list[str]:
        """Paths of all files under `prefix` (a folder, ending in '/', or empty for all), sorted."""
        return self._opened().members(prefix)


class MissingMember(DataError):
    """The source has no member of that name."""


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, member: str) -> bytes:
        return (self.path / member).read_bytes()

    def has(self, member: str) -> bool:
        return (self.path / member).is_file()

    def members(self, prefix: str) -> list[str]:
        top = self.path / prefix
        found = [Path(folder, name) for folder, _, names in os.walk(top) for name in names]
        return sorted(path.relative_to(self.path).as_posix() for path in found)


class _Zip:
    def __init__(self, path: Path) -> None:
        self.archive = zipfile.ZipFile(path)
        self.files = {name for name in self.archive.namelist() if not name.endswith("/")}

    def read(self, member: str) -> bytes:
        return self.archive.read(member)

    def has(self, member: str) -> bool:
        return member in self.files

    def members(self, prefix: str) -> list[str]:
        return sorted(name for name in self.files if name.startswith(prefix))


class _Tar:
    """An uncompressed tar by positions: `pread` needs no shared file offset, so threads do not wait for each other."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path, "r:") as archive:
            self.positions = {
                info.name.removeprefix("./"): (info.offset_data, info.size) for info in archive if info.isreg()
            }
        self.stream = path.open("rb")

    def read(self, member: str) -> bytes:
        offset, size = self.positions[member]
        content = os.pread(self.stream.fileno(), size, offset)
        if len(content) != size:
            raise EOFError(f"{len(content)} of {size} bytes")
        return content

    def has(self, member: str) -> bool:
        return member in self.positions

    def members(self, prefix: str) -> list[str]:
        return sorted(name for name in self.positions if name.startswith(prefix))


def _open_archive(path: Path) -> _Folder | _Zip | _Tar:
    if path.is_dir():
        return _Folder(path)
    try:
        if path.suffix == ".zip":
            return _Zip(path)
        if path.suffix == ".tar":
            return _Tar(path)
    except (zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(f"{path}: not a readable archive ({error}); copy it again") from error
    raise DataError(f"{path}: neither a folder, a .zip nor a .tar; unpack it into a folder")


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turn a decoder's exception into one that says which file is broken and what to do."""
    try:
        yield
    except _UNREADABLE as error:
        raise DataError(
            f"{name}: not a readable image, or cut off ({error}); copy this file again from its source"
        ) from error


def decode_rgb(content: bytes, name: str) -> np.ndarray:
    """(H, W, 3) uint8 of an encoded image of any mode; the EXIF orientation is left alone, as in the released protocol.

    `name` (source and member) is what the DataError for a corrupt or truncated image says.
    """
    with _naming(name), Image.open(io.BytesIO(content)) as image:
        return np.array(image.convert("RGB"))


def decode_mask(content: bytes, name: str) -> np.ndarray:
    """(H, W) uint8 of a one-channel image: the index of an indexed PNG, the grey value else (1-bit: 0 and 1)."""
    with _naming(name), Image.open(io.BytesIO(content)) as image:
        return np.array(image if image.mode in ("1", "L", "P") else image.convert("L"), dtype=np.uint8)


def image_size(content: bytes, name: str) -> tuple[int, int]:
    """(width, height) from the header, without decoding."""
    with _naming(name), Image.open(io.BytesIO(content)) as image:
        return image.size


def decode_resized(content: bytes, size: int, name: str) -> np.ndarray:
    """(size, size, 3) uint8: the whole image squashed to a square, PIL bilinear (Choe et al. 2020, evaluation code)."""
    with _naming(name), Image.open(io.BytesIO(content)) as image:
        return np.array(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


class ImageSet:
    """The images of a manifest as uint8 arrays of one size, kept in memory where they fit.

    `cache_limit` is in bytes: below it, each image is decoded once (N·size²·channels bytes in all). With `verify` each
    file is compared with the manifest's sha256 as it is read. `threads` decode side by side; the arrays do not depend
    on them.
    """

    channels = 3

    def __init__(
        self,
        manifest: Manifest,
        size: int,
        *,
        cache_limit: int = DEFAULT_CACHE_LIMIT,
        threads: int = 1,
        verify: bool = False,
    ) -> None:
        self.manifest = manifest
        self.size = size
        self.threads = threads
        self.verify = verify
        self.source = ImageSource(manifest.source, manifest.dataset)
        self.cached = len(manifest) * size * size * self.channels <= cache_limit
        self._clear()

    def _clear(self) -> None:
        self._pixels: np.ndarray | None = None
        self._present = np.zeros(len(self.manifest), dtype=bool)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if not key.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._clear()

    def __len__(self) -> int:
        return len(self.manifest)

    def _load(self, index: int) -> np.ndarray:
        member = self.manifest.images[index]
        content = self.source.read(member)
        if self.verify and sha256_bytes(content) != self.manifest.sha256[index]:
            raise DataError(
                f"{self.source.path}: {member} is not the file that the manifest describes (sha256 differs); "
                "restore it, or prepare the data set again"
            )
        return decode_resized(content, self.size, f"{self.source.path}:{member}")

    def batch(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """(n, size, size, channels) uint8 of the images at `indices`, in that order; a copy, so it may be changed."""
        wanted = np.asarray(indices, dtype=np.int64)
        if not self.cached:
            return self._stack([int(index) for index in wanted])
        if self._pixels is None:
            self._pixels = np.empty((len(self), self.size, self.size, self.channels), dtype=np.uint8)
        missing = np.unique(wanted[~self._present[wanted]]).tolist()
        for index, pixels in zip(missing, map_threaded(self._load, missing, self.threads), strict=True):
            self._pixels[index] = pixels
            self._present[index] = True
        return self._pixels[wanted]

    def _stack(self, indices: list[int]) -> np.ndarray:
        pixels = np.empty((len(indices), self.size, self.size, self.channels), dtype=np.uint8)
        for position, image in enumerate(map_threaded(self._load, indices, self.threads)):
            pixels[position] = image
        return pixels

    def batches(self, index_batches: Iterable[Sequence[int] | np.ndarray], ahead: int = 2) -> Iterator[np.ndarray]:
        """`batch` of each element of `index_batches`, with up to `ahead` batches decoded in the background."""
        if ahead < 1:
            yield from map(self.batch, index_batches)
            return
        with ThreadPoolExecutor(1) as executor:
            waiting: deque[Any] = deque()
            for indices in index_batches:
                waiting.append(executor.submit(self.batch, indices))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def load_images(manifest: Manifest, indices: Sequence[int] | np.ndarray, size: int, threads: int = 1) -> np.ndarray:
    """(n, size, size, 3) uint8 of some images of a manifest, squashed to a square."""
    return ImageSet(manifest, size, cache_limit=0, threads=threads).batch(indices)
