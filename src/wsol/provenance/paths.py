"""Names of files that mean the same on every machine, and the hashes of what lies there."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from wsol.errors import DataError, ParameterError
from wsol.files import sha256_file
from wsol.locations import raw_data_root

SIDECAR_SUFFIX = ".prov.json"
RAW = "raw:"
SYSTEM = "system:"
_SYSTEM_FOLDER = "/usr/"
_LARGE = 64 * 2**20


def repo_root() -> Path:
    """The nearest folder with a pyproject.toml, from the working directory upwards; else the working directory."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file()), here)


def logical_path(path: str | os.PathLike[str], root: Path | None = None) -> str:
    """How sidecars write a path: `raw:<path>` below $WSOL_DATA (default data/raw), `system:<absolute path>` below /usr
    or where the caller says so, else posix and relative to the repository's root.

    Raises ParameterError for any other absolute path: it would mean nothing on another machine.
    """
    text = os.fspath(path)
    if text.startswith((RAW, SYSTEM)):
        return text
    base = root or repo_root()
    absolute = _normalised(Path(text))
    raw = _normalised(base / raw_data_root())
    below_raw = _relative(absolute, raw)
    # A data folder that holds the repository too would otherwise turn every result into raw data.
    if below_raw is not None and _relative(_normalised(base), raw) is None:
        return f"{RAW}{below_raw}"
    below_root = _relative(absolute, _normalised(base))
    if below_root is not None:
        return below_root
    if absolute.startswith(_SYSTEM_FOLDER):
        return f"{SYSTEM}{absolute}"
    raise ParameterError(
        f"{text}: lies neither below {base} nor below the raw data ({raw_data_root()}); "
        f"move it there, set WSOL_DATA, or write {SYSTEM}{absolute} for a file of the operating system"
    )


def physical_path(logical: str, root: Path | None = None) -> Path:
    """Where a logical path lies on this machine."""
    base = root or repo_root()
    if logical.startswith(RAW):
        return base / raw_data_root() / logical.removeprefix(RAW)
    if logical.startswith(SYSTEM):
        return Path(logical.removeprefix(SYSTEM))
    return base / logical


def is_external(logical: str) -> bool:
    """Whether the file comes from outside the repository, so that another machine may rightly lack it."""
    return logical.startswith((RAW, SYSTEM))


def hash_path(path: Path) -> str:
    """SHA-256 of a file, or of a folder: over the sorted lines `<relative path> <sha256>` of the files below it.

    In a folder, sidecars and hidden files do not count: they are about the data, not of it.
    """
    if not path.is_dir():
        return sha256_file(path)
    digest = hashlib.sha256()
    for name, file in sorted((file.relative_to(path).as_posix(), file) for file in _files_below(path)):
        digest.update(f"{name} {sha256_file(file)}\n".encode())
    return digest.hexdigest()


def hash_path_quickly(path: Path) -> str:
    """As `hash_path`, but a file of 64 MiB or more is read again only if its inode, size, mtime or ctime changed.

    For use within one process: the change time cannot be set back, so an edit is seen whatever the mtime says.
    """
    if path.is_file():
        state = path.stat()
        if state.st_size >= _LARGE:
            return _hash_of_state(path, (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))
    return hash_path(path)


@functools.lru_cache(maxsize=256)
def _hash_of_state(path: Path, _state: tuple[int, ...]) -> str:
    return sha256_file(path)


def _files_below(folder: Path) -> Iterator[Path]:
    for current, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and not name.endswith(SIDECAR_SUFFIX):
                yield Path(current, name)


def _normalised(path: Path) -> str:
    """Absolute and without `..`, but with links as they stand: a link in the repository is named by where it stands."""
    return os.path.abspath(path)  # noqa: PTH100


def _relative(path: str, base: str) -> str | None:
    """Posix path of `path` below `base`, comparing first as written, then with links resolved."""
    for left, right in ((path, base), (os.path.realpath(path), os.path.realpath(base))):
        if left == right:
            return "."
        if left.startswith(right.rstrip(os.sep) + os.sep):
            return Path(left).relative_to(right).as_posix()
    return None


def require_sidecar_name(path: Path) -> None:
    if not path.name.endswith(SIDECAR_SUFFIX) or path.name == SIDECAR_SUFFIX:
        raise ParameterError(f"{path}: a sidecar's name must end in {SIDECAR_SUFFIX}, such as train{SIDECAR_SUFFIX}")


def require_exists(logical: str, path: Path, role: str) -> None:
    if not path.exists():
        hint = "set WSOL_DATA to the folder of the data sets" if logical.startswith(RAW) else "make it first"
        raise DataError(f"{logical}: {role} does not exist ({path}); {hint}, or check the path")
