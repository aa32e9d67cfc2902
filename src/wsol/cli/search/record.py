"""Copy the table of all draws of a finished search to params/searched/, where git keeps it, and adopt nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol.cli.entry import enter
from wsol.config.search import ranges_of, search_folder
from wsol.config.searched import draws_path
from wsol.errors import DataError
from wsol.files import write_text
from wsol.search.trial import CELL


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol search record", description=__doc__)
    for name in CELL:
        result.add_argument(name)
    return result


def main(argv: list[str]) -> int:
    """Raises DataError where there is no finished search."""
    arguments = parser().parse_args(argv)
    cell = (arguments.scale, arguments.dataset, arguments.backbone, arguments.method)
    ranges_of(arguments.method)
    print(f"wrote {record(*cell)}: all that was tried; wsol search adopt --recorded {' '.join(cell)} uses the best")
    return 0


def record(scale: str, dataset: str, backbone: str, method: str) -> Path:
    """Where the table now lies."""
    table = Path(search_folder(scale, dataset, backbone, method), "draws.csv")
    if not table.is_file():
        raise DataError(f"{table}: no such file; search first: snakemake --cores all {table}")
    path = draws_path(scale, dataset, backbone, method)
    write_text(path, table.read_text(encoding="utf-8"))
    return path


if __name__ == "__main__":
    enter(main)
