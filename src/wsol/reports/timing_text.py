"""A table of run times as files: CSV with a line a value, and Markdown to read."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from wsol.reports.markdown import escape
from wsol.reports.text import stored
from wsol.reports.timing import DETAILS, TIMING_FIELDS, TimingLine


def timing_csv(lines: Sequence[TimingLine], scale: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["scale", *TIMING_FIELDS])
    for line in lines:
        values = [getattr(line, name) for name in TIMING_FIELDS]
        writer.writerow([scale, *(stored(v) if isinstance(v, float | None) else str(v) for v in values)])
    return text.getvalue()


def timing_markdown(lines: Sequence[TimingLine], definition: Mapping[str, Any], scale: str) -> str:
    """A page: a line a row, and for each network what was measured, the paper's way, and what is printed."""
    networks = {network["backbone"]: network["label"] for network in definition["networks"]}
    cells = {(line.row, line.backbone): line for line in lines}
    text = [f"# {escape(definition['title'])}", "", f"Measured at scale {scale} on untrained networks."]
    for line in {line.backbone: line for line in lines if line.hardware}.values():
        threads = f", {line.threads} thread{'s' if line.threads != 1 else ''}" if line.device == "cpu" else ""
        size = f"width {line.width:g}, one image of {line.image_size} px"
        text.append(f"{networks[line.backbone]}: {size}; {line.device}, {escape(line.hardware)}{threads}.")
    text += [
        "",
        "Times in ms: median from the image to its map at full size, forward pass included, device waited for; then "
        "the paper's way (nothing waited for; for a baseline a backward pass alone); in brackets what "
        f"{escape(definition['source'])} prints.",
        "",
        f"| {' | '.join(['', *networks.values()])} |",
        f"|{'---|' * (len(networks) + 1)}",
    ]
    for row in dict.fromkeys(line.row for line in lines):
        label = f"{row}: {DETAILS[row][0]}, {DETAILS[row][1]}" if row in DETAILS else row
        text.append(f"| {escape(label)} | {' | '.join(_cell(cells[row, backbone]) for backbone in networks)} |")
    notes = [f"- {escape(line.row)}, {networks[line.backbone]}: {escape(line.note)}" for line in lines if line.note]
    errata = [
        f"- {escape(line.row)}, {networks[line.backbone]}: {escape(line.erratum)}" for line in lines if line.erratum
    ]
    return "\n".join([*text, *(["", *notes] if notes else []), *(["", "Errata", "", *errata] if errata else [])]) + "\n"


def _cell(line: TimingLine) -> str:
    if line.value is None:
        ours = line.status
    else:
        ours = f"{line.value:.4g}" + ("" if line.paper_way is None else f" / {line.paper_way:.4g}")
    return ours if line.published is None else f"{ours} ({line.published:g})"
