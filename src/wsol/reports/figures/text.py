"""Titles that say what a reader must know: data set, scale, backbone, split, and that data were rendered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PAPERS = {"calm": "CALM", "fcam": "F-CAM", "protocol": "Evaluation protocol"}


def title_of(settings: Mapping[str, Any], split: str) -> str:
    """`settings` as `wsol.config.figures.figure_settings` gives them."""
    stands_in = f", in place of {settings['stands_in_for']}" if settings["stands_in_for"] else ""
    kind = "synthetic data" if settings["synthetic"] else "photographs"
    return (
        f"{PAPERS[settings['paper']]}, figure {settings['letter']}: {settings['title']}\n"
        f"{settings['dataset_title']} ({kind}{stands_in}), split {split}, scale {settings['scale']}, "
        f"{settings['cell']['backbone']}, seed {settings['cell']['seed']}"
    )


def title_of_places(settings: Mapping[str, Any], split: str) -> str:
    """As `title_of`, of a figure that may show several data sets and backbones (its `places`).

    Several data sets are left to the headings of their blocks.
    """
    places = settings["places"]
    backbones = list(dict.fromkeys(place["cell"]["backbone"] for place in places))
    datasets = list(dict.fromkeys(place_name(place) for place in places))
    shown = f"{datasets[0]}, " if len(datasets) == 1 else ""
    seeds = sorted({place["cell"]["seed"] for place in places})
    return (
        f"{PAPERS[settings['paper']]}, figure {settings['letter']}: {settings['title']}\n"
        f"{shown}split {split}, scale {settings['scale']}, {', '.join(backbones)}, seed {', '.join(map(str, seeds))}"
    )


def place_name(place: Mapping[str, Any]) -> str:
    """A data set's title, whether it was rendered, and what it stands for."""
    stands_in = f", in place of {place['stands_in_for']}" if place["stands_in_for"] else ""
    return f"{place['dataset_title']} ({'synthetic data' if place['synthetic'] else 'photographs'}{stands_in})"
