"""Headers of .npy arrays: shape and type of thousands of maps are checked without reading one of them."""

from __future__ import annotations

import os
from typing import IO, NamedTuple

import numpy as np

from wsol.errors import DataError


class Header(NamedTuple):
    """Shape and type of a stored array; `offset` is where its values begin, in bytes, and `fortran` their order."""

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int = 0
    fortran: bool = False

    @property
    def size(self) -> int:
        """Bytes of header and values."""
        return self.offset + int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


def read_header(stream: IO[bytes], where: str) -> Header:
    """The header at the beginning of a stream; DataError, naming `where`, for what is not a plain array."""
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
        else:
            raise ValueError(f"format {version}")
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{where}: not a NumPy array of numbers ({error}); save it again with numpy.save") from error
    if dtype.hasobject:
        raise DataError(f"{where}: holds Python objects, which are not loaded; save a plain array of numbers")
    return Header(shape, dtype, stream.tell(), fortran)


def file_header(path: str | os.PathLike[str]) -> Header:
    """The header of a .npy file whose length fits it; DataError otherwise."""
    try:
        with open(path, "rb") as stream:
            header = read_header(stream, str(path))
            length = os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); make this map again") from error
    if length < header.size:
        raise DataError(f"{path}: cut off, {length} of {header.size} bytes; make this map again")
    return header
