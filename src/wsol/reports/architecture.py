"""A table of the layers of encoder and decoder, read off built networks, beside what the paper prints."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from wsol.config.yamlfile import load_yaml
from wsol.errors import ParameterError
from wsol.reports.markdown import escape

ENCODER, DECODER, PARAMETERS = "Encoder", "Decoder", "Parameters"
PARTS = (ENCODER, DECODER, PARAMETERS)
MILLION = 1_000_000


@dataclass(frozen=True)
class Layer:
    """One line. Layers count from 1 in the order of the forward pass; `published` is channels, or millions.

    `channels`, `height` and `width` (pixels) are None for parameters, `parameters` for layers.
    """

    part: str
    layer: str
    network: str
    module: str
    channels: int | None = None
    height: int | None = None
    width: int | None = None
    parameters: int | None = None
    published: float | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether the printed value is ours, rounded or cut off at the decimals that are printed; None without one."""
        if self.published is None:
            return None
        if self.parameters is None:
            return self.channels == self.published
        tenths = 10 * self.parameters / MILLION
        return round(10 * self.published) in (math.floor(tenths), math.floor(tenths + 0.5))


LAYER_FIELDS = (*(field.name for field in fields(Layer)), "agrees")


def load_architecture(path: str | Path) -> dict[str, Any]:
    """The definition, with `printed`: (part, layer, label of network) → channels. Raises ParameterError."""
    path = Path(path)
    settings = load_yaml(path, "architecture")
    file = path.parent / settings["published"]
    with file.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    if not lines or list(lines[0])[:2] != ["part", "layer"]:
        raise ParameterError(f"{file}: the first line must be `part`, `layer` and the networks")
    labels = list(lines[0])[2:]
    unknown = [name for network in settings["networks"] if (name := column_of(network)) not in labels]
    if unknown:
        raise ParameterError(f"{path}: network {unknown[0]!r} is not a column of {file} ({', '.join(labels)})")
    settings["printed"] = {
        (line["part"], line["layer"], label): float(line[label]) for line in lines for label in labels if line[label]
    }
    return settings


def column_of(network: Mapping[str, Any]) -> str:
    """The column of the printed table that a network belongs to."""
    return str(network.get("as", network["label"]))


def layers_of(model: Any, image_size: int) -> list[tuple[str, str, tuple[int, int, int]]]:
    """(part, module, (channels, height, width)) of one image, in the order of the forward pass.

    model: `wsol.models.families.fcam.FCam`. The encoder's layers are those that its decoder reads, the CAM layer last.
    """
    import torch

    found: list[tuple[str, str, tuple[int, int, int]]] = []

    def note(part: str, name: str, tensor: Any) -> None:
        channels, height, width = tensor.shape[1:]
        found.append((part, name, (channels, height, width)))

    model.eval()
    hooks = [
        block.register_forward_hook(lambda _, __, output, name=f"decoder.blocks.{index}": note(DECODER, name, output))
        for index, block in enumerate(model.decoder.blocks)
    ]
    try:
        with torch.no_grad():
            images = torch.zeros(1, 3, image_size, image_size)
            stages = model.stages(images)
            for name in (*reversed(model.classifier.trunk.decoder_skips), "features"):
                note(ENCODER, name, stages[name])
            model.decode(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def describe(model: Any, network: Mapping[str, Any], definition: Mapping[str, Any]) -> list[Layer]:
    """The lines of one network: its layers, then parameters of classifier, decoder, and the decoder's scores."""
    lines: list[Layer] = []
    for part, module, (channels, height, width) in layers_of(model, definition["image_size"]):
        layer = str(1 + sum(line.part == part for line in lines))
        printed = definition["printed"].get((part, layer, column_of(network)))
        shape = {"channels": channels, "height": height, "width": width}
        lines.append(Layer(part, layer, network["label"], module, **shape, published=printed))
    scores = count_parameters(model.decoder.scores)
    counts = {
        "classifier": count_parameters(model.classifier),
        "decoder": count_parameters(model.decoder) - scores,
        "scores": scores,
    }
    modules = {"classifier": "classifier", "decoder": "decoder without scores", "scores": "decoder.scores"}
    for name, count in counts.items():
        printed = network["published"].get(name)
        lines.append(Layer(PARAMETERS, name, network["label"], modules[name], parameters=count, published=printed))
    return lines


def count_parameters(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def architecture_csv(lines: Sequence[Layer]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(LAYER_FIELDS)
    for line in lines:
        values = [getattr(line, name) for name in LAYER_FIELDS]
        writer.writerow([_text(value) for value in values])
    return text.getvalue()


def architecture_markdown(lines: Sequence[Layer], definition: Mapping[str, Any]) -> str:
    """Laid out as the paper prints it: a line a layer, a column a network, each cell channels @ size (printed)."""
    networks = list(dict.fromkeys(line.network for line in lines))
    cells = {(line.part, line.layer, line.network): line for line in lines}
    head = f"Width {definition['width']:g}, images of {definition['image_size']} px, {definition['classes']} classes."
    text = [f"# {escape(definition['title'])}", "", f"{head} In brackets what {definition['source']} prints.", ""]
    text += [f"| {' | '.join(['', *map(escape, networks)])} |", f"|{'---|' * (len(networks) + 1)}"]
    places = dict.fromkeys((line.part, line.layer) for line in lines)
    for part, layer in sorted(places, key=lambda place: PARTS.index(place[0])):
        row = [cells.get((part, layer, network)) for network in networks]
        text.append(f"| {part} {layer} | {' | '.join(map(_cell, row))} |")
    differing = [line for line in lines if line.agrees is False]
    said = [f"{line.network}, {line.part} {line.layer}" for line in differing]
    text += ["", f"Not as printed: {'; '.join(said)}." if said else "All as printed, where anything is printed."]
    return "\n".join(text) + "\n"


def _cell(line: Layer | None) -> str:
    if line is None:
        return "–"
    ours = f"{line.channels} @ {line.height}×{line.width}" if line.parameters is None else f"{line.parameters:,}"
    unit = "" if line.parameters is None else " M"
    return ours if line.published is None else f"{ours} ({line.published:g}{unit})"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
