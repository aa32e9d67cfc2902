"""A job's code as one input file: Snakemake looks at every input of every waiting job again and again."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

from wsol.files import write_json_if_changed
from wsol.provenance.closure import code_closure, code_file, code_hashes

FOLDER = Path(".snakemake/code")


def code_digest(*modules: str, package_root: Path | None = None) -> str:
    """Path of a file with the SHA-256 of every package file that the modules reach; made true first.

    It is written where a hash differs from what it says, so that its time stamp is that of the last edit. One that is
    not there, as in a fresh clone or after .snakemake was deleted, gets the time stamp of the newest of the files:
    what was made after the last edit stays up to date. `package_root` is as of `code_closure`, which see for errors.
    """
    files = code_closure(*modules, package_root=package_root)
    # Hashed once in a process that plans hundreds of jobs; a process that stays on sees an edit by the file's state.
    states = [code_file(file, package_root).stat() for file in files]
    hashes = {
        file: _hash(file, state.st_mtime_ns, state.st_size, package_root)
        for file, state in zip(files, states, strict=True)
    }
    path = FOLDER / f"{modules[0]}-{hashlib.sha256(' '.join(modules).encode()).hexdigest()[:12]}.json"
    missing = not path.exists()
    write_json_if_changed(path, {"modules": modules, "files": hashes})
    if missing:
        newest = max(state.st_mtime_ns for state in states)
        os.utime(path, ns=(newest, newest))
    return path.as_posix()


@functools.cache
def _hash(file: str, modified: int, size: int, package_root: Path | None) -> str:
    return code_hashes([file], package_root)[file]
