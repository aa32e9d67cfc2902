"""Numba compilation kept on disk, in a folder of its own for every state of the code.

Numba renews a cached function when its own file changes, but not when a function that it calls, in another file, does:
hence the digest of all files beside it in the folder's name. Compiled functions call those of their own package only.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import config as numba_config


@cache
def cache_folder(package: Path) -> str:
    """Where compiled code is kept: below $NUMBA_CACHE_DIR, else the user's cache folder, else a temporary folder."""
    digest = hashlib.sha256()
    for path in sorted(package.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    name = f"{package.name}-{digest.hexdigest()[:16]}"
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    folder = Path(base) / "wsol" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    return str(folder) if writable else str(Path(tempfile.gettempdir()) / f"wsol-{os.getuid()}" / name)


def jit(function: Callable[..., Any]) -> Any:
    """`numba.njit` without the interpreter lock, cached; floating point exactly as written."""
    return _compiled(function)


def fast_jit(function: Callable[..., Any]) -> Any:
    """As `jit`, but sums may be taken in another order products fused, and nothing is NaN or infinite."""
    return _compiled(function, fastmath={"reassoc", "contract", "nnan", "ninf", "nsz", "arcp"})


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    config: Any = numba_config
    before = config.CACHE_DIR
    config.CACHE_DIR = cache_folder(Path(function.__code__.co_filename).parent)
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy", boundscheck=False, **options)(function)
    finally:
        config.CACHE_DIR = before
