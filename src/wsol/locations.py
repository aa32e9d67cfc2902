"""Where what comes from outside the repository lies on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def raw_data_root() -> Path:
    """The folder of the real data sets: $WSOL_DATA, or data/raw."""
    return Path(os.environ.get("WSOL_DATA") or "data/raw")


def wordnet_nouns() -> Path:
    """WordNet 3.0's data.noun: $WSOL_WORDNET (the file or its folder), or where Debian's wordnet-base puts it."""
    named = Path(os.environ.get("WSOL_WORDNET") or "/usr/share/wordnet/data.noun")
    return named / "data.noun" if named.is_dir() else named
