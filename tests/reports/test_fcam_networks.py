"""F-CAM's own networks in the table of layers, at a width that is built in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wsol.models import build
from wsol.models.families.fcam import FCam
from wsol.reports.architecture import describe, load_architecture

DEFINITION = Path("params/papers/fcam/tableF2.yaml")
WIDTH, SIDE = 0.125, 64


@pytest.mark.parametrize("index", range(4))
def test_the_slim_network_has_the_printed_layers_at_an_eighth_of_their_channels(index: int) -> None:
    definition: dict[str, Any] = load_architecture(DEFINITION) | {"image_size": SIDE}
    network = definition["networks"][index]
    classifier = build(network["backbone"], head="cam", num_classes=5, width=WIDTH, map_stride=8, **network["options"])
    lines = [line for line in describe(FCam(classifier), network, definition) if line.parameters is None]
    printed = [place for place in definition["printed"] if place[2] == network.get("as", network["label"])]
    assert [(line.part, line.layer) for line in lines] == [(part, layer) for part, layer, _ in printed]
    for line in lines:
        assert line.published is not None
        # The nearest multiple of 8, and 8 at least; Inception's blocks join branches that are each rounded.
        nearest = max(8, 8 * round(line.published * WIDTH / 8))
        branches = 4 if line.module.startswith("mixed") else 0
        assert line.channels == pytest.approx(nearest, abs=4 * branches), line
    encoder = [line.height for line in lines if line.part == "Encoder"]
    decoder = [line.height for line in lines if line.part == "Decoder"]
    assert encoder == sorted(encoder, reverse=True)
    assert decoder == sorted(decoder)
