"""A run's side: start the server when the first jobs are about to start."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from wsol.warm import protocol

# NumPy's BLAS and Arrow's allocator would start threads of their own as they are imported; a fork would lose them.
WITHOUT_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
LOG = Path(".snakemake/warm.log")


def start() -> subprocess.Popen[bytes] | None:
    """Start the server and name it in the environment of jobs; it ends with this process.

    None, and jobs start as always, where the system is not Linux (elsewhere a fork of a process with torch in it is not
    safe) or the user has set WSOL_WARM=0.
    """
    if sys.platform != "linux" or os.environ.get(protocol.VARIABLE) == "0":
        return None
    path = Path(tempfile.mkdtemp(prefix="wsol-")) / "jobs"
    environment = {**os.environ, **WITHOUT_THREADS}
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "wsol.warm.server", str(path), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    atexit.register(server.terminate)
    os.environ[protocol.VARIABLE] = str(path)
    return server
