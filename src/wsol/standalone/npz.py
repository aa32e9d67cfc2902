"""Maps in one .npz file: an array an image, or the arrays `maps` (N, h, w) and `image_ids` (N,)."""

from __future__ import annotations

import struct
import tempfile
import zipfile
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from wsol.errors import DataError
from wsol.standalone.npy import Header, read_header

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_STACK = frozenset({"maps", "image_ids"})


def open_npz(path: Path) -> NpzMaps | StackedMaps:
    """The source for one file; DataError where it is not an .npz file, or holds nothing."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path}: not a readable .npz file ({error}); make it again with numpy.savez") from error
    members = [name for name in archive.namelist() if not name.endswith("/")]
    foreign = [name for name in members if not name.endswith(".npy")]
    if foreign or not members:
        raise DataError(
            f"{path}: {foreign[0] + ' in it is no array' if foreign else 'holds no array'}; use numpy.savez"
        )
    names = [name.removesuffix(".npy") for name in members]
    if set(names) >= _STACK:
        extra = sorted(set(names) - _STACK)
        if extra:
            raise DataError(f"{path}: holds maps and image_ids, but also {extra[0]}; leave that out")
        return StackedMaps(path, archive)
    return NpzMaps(path, archive, names)


class NpzMaps:
    """One array an image, called by the image's id."""

    upsampling = None
    shared = False

    def __init__(self, path: Path, archive: zipfile.ZipFile, names: list[str]) -> None:
        self.where = str(path)
        self.names = names
        self._archive = archive

    def place(self, name: str) -> str:
        return f"{self.where}, array {name}"

    def header(self, name: str) -> Header:
        info = self._archive.getinfo(f"{name}.npy")
        with self._archive.open(info) as stream:
            header = read_header(stream, self.place(name))
        if info.file_size < header.size:
            raise DataError(f"{self.place(name)}: cut off, {info.file_size} of {header.size} bytes; make it again")
        return header

    def read(self, name: str) -> NDArray[Any]:
        try:
            with self._archive.open(f"{name}.npy") as stream:
                return np.lib.format.read_array(stream, allow_pickle=False)
        except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
            raise DataError(f"{self.place(name)}: cannot be read ({error}); make the file again") from error

    def predictions(self, name: str) -> None:
        return None


class StackedMaps:
    """`maps` (N, h, w), mapped into memory from the file: directly, or from an unpacked copy if it is compressed."""

    upsampling = None
    shared = False

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.where = str(path)
        self._unpacked: IO[bytes] | None = None
        try:
            with archive.open("image_ids.npy") as stream:
                ids = np.lib.format.read_array(stream, allow_pickle=False)
            self._maps = self._mapped(path, archive)
        except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
            raise DataError(f"{path}: cannot be read ({error}); make it again, image_ids as text") from error
        if ids.dtype.kind == "S":
            ids = np.char.decode(ids, "utf-8")
        if ids.ndim != 1 or ids.dtype.kind != "U":
            raise DataError(f"{path}: image_ids has type {ids.dtype} and shape {ids.shape}; give a list of text")
        if self._maps.ndim != 3 or len(self._maps) != len(ids):
            raise DataError(f"{path}: maps of shape {self._maps.shape} for {len(ids)} image_ids; give (N, h, w)")
        self.names = [str(name) for name in ids]
        self._index = {name: index for index, name in enumerate(self.names)}

    def _mapped(self, path: Path, archive: zipfile.ZipFile) -> NDArray[Any]:
        info = archive.getinfo("maps.npy")
        with archive.open(info) as stream:
            header = read_header(stream, f"{path}, array maps")
        if info.compress_type == zipfile.ZIP_STORED:
            source: IO[bytes] = open(path, "rb")  # noqa: SIM115  the map below keeps the file open by itself
            start = _content_offset(source, info, path)
        else:
            source = self._unpacked = tempfile.TemporaryFile(suffix=".npy")  # noqa: SIM115  lives as long as the source
            start = 0
            with archive.open(info) as stream:
                copyfileobj(stream, source, 1 << 20)
            source.flush()
        order = "F" if header.fortran else "C"
        mapped = np.memmap(source, header.dtype, "r", start + header.offset, header.shape, order)  # type: ignore[call-overload]
        if source is not self._unpacked:
            source.close()
        return mapped

    def place(self, name: str) -> str:
        return f"{self.where}, maps[{self._index[name]}]"

    def header(self, name: str) -> Header:
        return Header(self._maps.shape[1:], self._maps.dtype)

    def read(self, name: str) -> NDArray[Any]:
        return np.array(self._maps[self._index[name]])

    def predictions(self, name: str) -> None:
        return None


def _content_offset(stream: IO[bytes], info: zipfile.ZipInfo, path: Path) -> int:
    """Where an uncompressed member's bytes begin: behind its local header, whose length varies."""
    stream.seek(info.header_offset)
    signature, name_length, extra_length = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    if signature != b"PK\x03\x04":
        raise DataError(f"{path}: damaged .npz file; make it again with numpy.savez")
    return info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
