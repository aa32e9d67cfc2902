"""What a paper prints in a table of run times: times and counts as text, and their slips."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from wsol.config.yamlfile import load_yaml
from wsol.errors import ParameterError
from wsol.reports.timing import DETAILS


def load_published(path: str | Path, rows: Sequence[str], networks: Sequence[str]) -> dict[tuple[str, str], float]:
    """(row, network) → milliseconds, millions or counts. Raises ParameterError for a label or text that is neither."""
    path = Path(path)
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    found: dict[tuple[str, str], float] = {}
    for line in lines:
        if line["row"] not in rows:
            raise ParameterError(f"{path}: row {line['row']!r} is not in the table ({', '.join(rows)})")
        for network in networks:
            if line.get(network):
                read = parse_count if line["row"] in DETAILS else parse_milliseconds
                found[line["row"], network] = read(line[network], f"{path}: {line['row']}, {network}")
    return found


def parse_milliseconds(text: str, where: str = "") -> float:
    """A time as printed: `.2ms`, `1.9sec`, `1min45sec`, or a bare number of milliseconds."""
    match = re.fullmatch(r"(?:(\d+)min)?(?:([\d.]+)sec)?|([\d.]+)(?:ms)?", text.strip())
    if not match or not any(match.groups()):
        raise ParameterError(f"{where}: {text!r} is no time; write it as .2ms, 1.9sec or 1min45sec")
    minutes, whole, milliseconds = match.groups()
    return float(milliseconds) if milliseconds else 60_000 * float(minutes or 0) + 1000 * float(whole or 0)


def parse_count(text: str, where: str = "") -> float:
    """A count as printed: `≈19.6` (millions), `1024`, or `28x28`, whose first number counts."""
    match = re.fullmatch(r"≈?([\d.]+)(?:x\1)?", text.strip())
    if not match:
        raise ParameterError(f"{where}: {text!r} is no count; write it as ≈19.6, 1024 or 28x28")
    return float(match.group(1))


def load_errata(path: str | Path, table: str) -> dict[tuple[str, str], str]:
    """(row, network) → what is wrong with a printed value."""
    entries = [entry for entry in load_yaml(Path(path), "errata")["errata"] if entry.get("table") == table]
    return {
        (entry["row"], entry["column"]): f"printed {entry['printed']}, correct {entry['correct']}: {entry['why']}"
        for entry in entries
    }
