"""The table of layers: read off a network by hooks, beside what is printed."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wsol.errors import ParameterError
from wsol.reports.architecture import (
    LAYER_FIELDS,
    Layer,
    architecture_csv,
    architecture_markdown,
    describe,
    layers_of,
    load_architecture,
)

DEFINITION = Path("params/papers/fcam/tableF2.yaml")


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.centre = nn.Conv2d(6, 6, 1, bias=False)
        self.blocks = nn.ModuleList([nn.Conv2d(6, 4, 1, bias=False), nn.Conv2d(4, 2, 1, bias=False)])
        self.scores = nn.Conv2d(2, 2, 1)


class Network(nn.Module):
    """Two stages of 3 and 5 channels at half and a quarter of the image, a CAM layer of 6 at a quarter."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier: Any = nn.Conv2d(3, 1, 1)
        self.classifier.trunk = SimpleNamespace(decoder_skips=("second", "first"))
        self.decoder = Decoder()

    def stages(self, images: Tensor) -> dict[str, Tensor]:
        half, quarter = images.shape[2] // 2, images.shape[2] // 4
        return {
            "first": torch.ones(1, 3, half, half),
            "second": torch.ones(1, 5, quarter, quarter),
            "features": torch.ones(1, 6, quarter, quarter + 1),
        }

    def decode(self, images: Tensor) -> Tensor:
        x = self.decoder.centre(self.stages(images)["features"])
        for block in self.decoder.blocks:
            x = nn.functional.interpolate(block(x), scale_factor=2.0)
        return self.decoder.scores(x)


def test_layers_come_in_the_order_of_the_forward_pass_with_their_sizes() -> None:
    network = Network()
    assert layers_of(network, 16) == [
        ("Encoder", "first", (3, 8, 8)),
        ("Encoder", "second", (5, 4, 4)),
        ("Encoder", "features", (6, 4, 5)),
        ("Decoder", "decoder.blocks.0", (4, 4, 5)),
        ("Decoder", "decoder.blocks.1", (2, 8, 10)),
    ]
    assert not any(block._forward_hooks for block in network.decoder.blocks)


def test_lines_have_the_printed_channels_beside_and_parameters_without_the_scores() -> None:
    definition = {
        "image_size": 16,
        "width": 1.0,
        "classes": 7,
        "title": "Layers",
        "source": "a paper",
        "printed": {("Encoder", "1", "Net"): 3.0, ("Decoder", "2", "Net"): 8.0},
    }
    lines = describe(Network(), {"label": "Mine", "as": "Net", "published": {"decoder": 0.0}}, definition)
    by_place = {(line.part, line.layer): line for line in lines}
    assert by_place["Encoder", "1"].agrees is True
    assert by_place["Decoder", "2"].agrees is False
    assert by_place["Encoder", "2"].agrees is None
    counts = {line.layer: line.parameters for line in lines if line.part == "Parameters"}
    assert counts == {"classifier": 3 + 1, "decoder": 36 + 24 + 8, "scores": 4 + 2}
    read = list(csv.DictReader(io.StringIO(architecture_csv(lines))))
    assert list(read[0]) == list(LAYER_FIELDS)
    first = {name: read[0][name] for name in ("part", "layer", "network", "channels", "height", "published", "agrees")}
    assert first == {
        "part": "Encoder",
        "layer": "1",
        "network": "Mine",
        "channels": "3",
        "height": "8",
        "published": "3",
        "agrees": "yes",
    }
    other = [Layer("Encoder", "4", "Larger", "fourth", 9, 2, 2)]
    rows = [line.split(" |")[0] for line in architecture_markdown([*lines, *other], definition).splitlines()]
    assert [row for row in rows if row.startswith("| ") and "coder" in row] == [
        *(f"| Encoder {layer}" for layer in (1, 2, 3, 4)),
        *(f"| Decoder {layer}" for layer in (1, 2)),
        "| Parameters decoder",
    ]
    page = architecture_markdown(lines, definition)
    assert "| Encoder 1 | 3 @ 8×8 (3) |" in page
    assert "Not as printed: Mine, Decoder 2." in page


@pytest.mark.parametrize(
    ("count", "printed", "agrees"),
    [(25_690_000, 25.6, True), (25_690_000, 25.7, True), (25_690_000, 25.8, False), (9_012_928, 9.0, True)],
)
def test_printed_millions_may_be_rounded_or_cut_off(count: int, printed: float, agrees: bool) -> None:
    assert Layer("Parameters", "decoder", "n", "m", parameters=count, published=printed).agrees is agrees


def test_the_papers_table_is_read_whole() -> None:
    definition = load_architecture(DEFINITION)
    assert len(definition["printed"]) == 3 + 5 + 5 + 3 + 5 + 5
    assert definition["printed"]["Encoder", "3", "Inception"] == 288
    assert [network["backbone"] for network in definition["networks"]] == [
        "vgg16",
        "inceptionv3",
        "inceptionv3",
        "resnet50",
    ]


def test_a_network_without_a_printed_column_is_refused(tmp_path: Path) -> None:
    for name in ("tableF2.yaml", "tableF2.published.csv"):
        (tmp_path / name).write_text((DEFINITION.parent / name).read_text().replace("as: Inception", "as: Incption"))
    with pytest.raises(ParameterError, match="'Incption' is not a column"):
        load_architecture(tmp_path / "tableF2.yaml")
