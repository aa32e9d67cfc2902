"""The project's own map store as a source: raw maps, read one by one from the open file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol.attribution.store import read_maps
from wsol.errors import DataError
from wsol.standalone.npy import Header


class StoreMaps:
    """A file of `wsol.attribution.store.write_maps`."""

    def __init__(self, path: Path) -> None:
        store = read_maps(path)
        if "upsampling" not in store.description or len(store.shape) != 3:
            raise DataError(f"{path}: does not say how its maps are upsampled; give a file of `wsol maps`")
        self.where = str(path)
        self.names = store.image_ids
        self.upsampling: dict[str, Any] = store.description["upsampling"]
        self.shared = store.shape[0] == 1
        self._store = store
        self._index = {name: index for index, name in enumerate(self.names)}

    def place(self, name: str) -> str:
        return f"{self.where}, map {self._index[name]}"

    def header(self, name: str) -> Header:
        return Header(self._store.shape[1:], np.dtype(np.float32))

    def read(self, name: str) -> NDArray[Any]:
        index = self._index[name]
        return self._store.block(index, index + 1)[0]

    def predictions(self, name: str) -> NDArray[np.integer] | None:
        return None if self._store.predictions is None else self._store.predictions[self._index[name]]
