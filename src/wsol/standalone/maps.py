"""Somebody's maps, wherever they lie: a folder of .npy files, a map store, an .npz file, or a mapping in memory.

A source names its maps and reads them one by one; nothing here holds more than one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError
from wsol.standalone.npy import Header, file_header


class MapSource(Protocol):
    """Maps (h, w) by name.

    `upsampling` is None for maps as they are, or has the `size` and `order` that a store asks for, whose maps are raw;
    `shared` says that one map serves every image.
    """

    @property
    def where(self) -> str: ...

    @property
    def names(self) -> list[str]: ...

    @property
    def upsampling(self) -> Mapping[str, Any] | None: ...

    @property
    def shared(self) -> bool: ...

    def place(self, name: str) -> str:
        """File, and place in it, of one map: for messages."""

    def header(self, name: str) -> Header: ...

    def read(self, name: str) -> NDArray[Any]: ...

    def predictions(self, name: str) -> NDArray[np.integer] | None:
        """Class indices (k,) that came with the map, best first."""


def open_maps(maps: str | os.PathLike[str] | Mapping[str, ArrayLike] | MapSource) -> MapSource:
    """The source for a folder, a .safetensors store, an .npz file or a mapping {image id: map}; DataError otherwise."""
    if isinstance(maps, Mapping):
        return MappedMaps(maps)
    if not isinstance(maps, (str, os.PathLike)):
        return maps
    path = Path(maps)
    if path.is_dir():
        return FolderMaps(path)
    if not path.is_file():
        raise DataError(f"{path}: no such folder or file of maps; check the path")
    if path.suffix == ".safetensors":
        from wsol.standalone.store import StoreMaps

        return StoreMaps(path)
    if path.suffix == ".npz":
        from wsol.standalone.npz import open_npz

        return open_npz(path)
    raise DataError(f"{path}: give a folder of .npy files, a map store (.safetensors) or an .npz file")


class FolderMaps:
    """`<image id>.npy`, in sub-folders where the id has them: what the released code writes."""

    upsampling = None
    shared = False

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder
        paths = (Path(parent, file) for parent, _, files in os.walk(folder, followlinks=True) for file in files)
        found = (path.relative_to(folder).as_posix() for path in paths if path.suffix == ".npy")
        self.names = sorted(name.removesuffix(".npy") for name in found)
        if not self.names:
            raise DataError(f"{folder}: no .npy file in this folder or below; maps are called <image id>.npy")

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npy"

    def place(self, name: str) -> str:
        return str(self._path(name))

    def header(self, name: str) -> Header:
        return file_header(self._path(name))

    def read(self, name: str) -> NDArray[Any]:
        try:
            return np.load(self._path(name), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{self._path(name)}: cannot be read ({error}); make this map again") from error

    def predictions(self, name: str) -> None:
        return None


class MappedMaps:
    """Maps in memory, by image id."""

    where = "maps"
    upsampling = None
    shared = False

    def __init__(self, maps: Mapping[str, ArrayLike]) -> None:
        self._maps = maps
        self.names = list(maps)

    def place(self, name: str) -> str:
        return f"maps[{name!r}]"

    def header(self, name: str) -> Header:
        array = np.asarray(self._maps[name])
        return Header(array.shape, array.dtype)

    def read(self, name: str) -> NDArray[Any]:
        return np.asarray(self._maps[name])

    def predictions(self, name: str) -> None:
        return None
