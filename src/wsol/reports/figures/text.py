"""Titles that say what a reader must know: data set, scale, backbone, split, and that data were rendered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def title_of(settings: Mapping[str, Any], split: str) -> str:
    """`settings` as `wsol.config.figures.figure_settings` gives them."""
    stands_in = f", in place of {settings['stands_in_for']}" if settings["stands_in_for"] else ""
    kind = "synthetic data" if settings["synthetic"] else "photographs"
    return (
        f"{settings['paper'].upper()}, figure {settings['letter']}: {settings['title']}\n"
        f"{settings['dataset_title']} ({kind}{stands_in}), split {split}, scale {settings['scale']}, "
        f"{settings['cell']['backbone']}, seed {settings['cell']['seed']}"
    )
