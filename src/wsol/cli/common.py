"""What several verbs share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsol.data.manifest import Manifest


def add_device(parser: argparse.ArgumentParser) -> None:
    """`--device`; under Snakemake the configuration's choice comes in $WSOL_DEVICE."""
    # Not a parameter of the rules: choosing another device must not make Snakemake run everything anew. The sidecar
    # says which device it was.
    default = os.environ.get("WSOL_DEVICE", "auto")
    parser.add_argument("--device", default=default, choices=["auto", "cpu", "cuda"])


def archive_input(manifest: Manifest) -> dict[str, Path]:
    """The archive that a manifest describes, as an input of a job to hash.

    A folder is left out: it may hold a million files, the manifest has the SHA-256 of each, and images are checked
    against it as they are read.
    """
    from wsol.data.images import resolve_source

    source = resolve_source(manifest.source)
    return {"images": source} if source.is_file() else {}


def environment_input(settings: Path) -> Path:
    """The record of the packages that compute, beside the resolved settings results/<scale>/params/…"""
    return Path(*settings.parts[:3]) / "environment.json"
