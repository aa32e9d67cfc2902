"""Files written whole or not at all, with the same bytes for the same content."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol.errors import DataError

if TYPE_CHECKING:
    import numpy as np

_METADATA_KEY = "wsol"


def sha256_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; make it first, or check the path") from error


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path`, renamed onto it when the block ends without an exception, else removed."""
    target = Path(path)
    temporary = temporary_beside(target)
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_beside(target: Path) -> Path:
    """A hidden name beside `target`, with its suffix, for this process to write; removes what dead processes left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # A writer may itself be given such a name, or make files that begin with it.
    pattern = re.compile(rf"\.+{re.escape(target.stem)}\.(\d+)\.partial.*")
    for path in target.parent.iterdir():
        found = pattern.fullmatch(path.name)
        if found and not _is_running(int(found[1])):
            path.unlink(missing_ok=True)
    return target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike[str], content: str) -> None:
    write_bytes(path, content.encode("utf-8"))


def canonical_json(value: Any) -> str:
    """JSON text with a fixed layout and sorted keys; NaN and infinity are refused, since JSON has no word for them."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    write_text(path, canonical_json(value))


def write_json_if_changed(path: str | os.PathLike[str], value: Any) -> bool:
    """Write unless the file already says exactly this (so its time stamp stays); returns whether it wrote."""
    text = canonical_json(value)
    try:
        if Path(path).read_text(encoding="utf-8") == text:
            return False
    except FileNotFoundError:
        pass
    write_text(path, text)
    return True


def read_json(path: str | os.PathLike[str]) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; make it first, or check the path") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not valid JSON ({error}); delete it and make it again") from error


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray], metadata: Mapping[str, Any] | None = None
) -> None:
    """NumPy arrays and a JSON-able mapping in one safetensors file.

    The mapping is stored under a single header key, because the format does not fix the order of several.
    """
    import numpy as np
    from safetensors.numpy import save_file

    arrays = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    text = json.dumps(dict(metadata or {}), sort_keys=True, allow_nan=False)
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, metadata={_METADATA_KEY: text})


def load_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON mapping that `save_tensors` stored, without reading any tensor."""
    with _open_tensors(path) as stream:
        return _metadata_of(stream)


def load_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """All arrays of a safetensors file and its JSON mapping; nothing is unpickled."""
    with _open_tensors(path) as stream:
        names = stream.keys()  # a safetensors handle is no mapping; it cannot be iterated itself
        return {name: stream.get_tensor(name) for name in names}, _metadata_of(stream)


def _metadata_of(stream: Any) -> dict[str, Any]:
    header = stream.metadata() or {}
    return json.loads(header[_METADATA_KEY]) if _METADATA_KEY in header else {}


def _open_tensors(path: str | os.PathLike[str]) -> Any:
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; make it first, or check the path")
    try:
        return safe_open(str(path), framework="numpy")
    except SafetensorError as error:
        raise DataError(f"{path}: not a readable safetensors file ({error}); delete it and make it again") from error
