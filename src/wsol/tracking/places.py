"""Where journals, the MLflow store and its artifacts lie, as the environment says."""

from __future__ import annotations

import os
from pathlib import Path

_OFF = frozenset({"off", "none", "no", "false", "0"})


def tracking_is_on() -> bool:
    """False where WSOL_TRACKING says off (also none, no, false, 0)."""
    return os.environ.get("WSOL_TRACKING", "on").strip().lower() not in _OFF


def tracking_folder() -> Path:
    """The folder of everything that tracking writes: WSOL_MLFLOW_DIR, else `mlflow` in the working folder."""
    return Path(os.environ.get("WSOL_MLFLOW_DIR") or "mlflow")


def journal_folder(folder: Path) -> Path:
    return folder / "journal"


def artifact_folder(folder: Path) -> Path:
    return folder / "artifacts"


def database(folder: Path) -> Path:
    return folder / "mlflow.db"


def local_uri(folder: Path) -> str:
    return f"sqlite:///{database(folder).resolve()}"


def tracking_uri(folder: Path) -> str:
    """MLFLOW_TRACKING_URI where it is set (a shared server), else the SQLite file in `folder`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or local_uri(folder)
