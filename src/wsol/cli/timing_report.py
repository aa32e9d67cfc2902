"""Make the table of parameters and run times (CSV, Markdown) from the timings of a scale's backbones."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol.cli.entry import enter
from wsol.config.paths import timing_path
from wsol.config.roots import timing_report_roots
from wsol.config.timing import definition_files, load_timing
from wsol.files import read_json, write_text
from wsol.provenance.job import Job
from wsol.reports.cells import MEASURED
from wsol.reports.timing import DETAILS, row_labels, timing_lines
from wsol.reports.timing_printed import load_errata, load_published
from wsol.reports.timing_text import timing_csv, timing_markdown


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol timing_report", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the scale (JSON)")
    result.add_argument("--out", type=Path, required=True, help="the table (CSV)")
    result.add_argument("--markdown", type=Path, required=True, help="the same to read")
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)
    scale = settings["name"]
    definition = load_timing()
    networks = {network["label"]: network["backbone"] for network in definition["networks"]}
    files = {name: timing_path(scale, name) for name in networks.values() if name in settings["backbones"]}
    with Job(
        layer="reports",
        cell={"scale": scale, "table": definition["id"]},
        sidecar=arguments.sidecar,
        inputs={"settings": arguments.settings, "definition": definition_files(), "timings": list(files.values())},
        code_roots=timing_report_roots(),
    ) as job:
        _, published, errata = definition_files()
        lines = timing_lines(
            definition,
            {name: read_json(Path(path)) for name, path in files.items()},
            load_published(published, [*DETAILS, *row_labels(definition)], list(networks)),
            load_errata(errata, definition["id"]),
        )
        write_text(job.output_path(arguments.out), timing_csv(lines, scale))
        write_text(job.output_path(arguments.markdown), timing_markdown(lines, definition, scale))
        measured = [line for line in lines if line.status == MEASURED]
        job.run.summary({f"{line.row}/{line.backbone}": line.value for line in measured if line.value is not None})
        print(f"wrote {arguments.out} and {arguments.markdown}: {len(measured)} of {len(lines)} values measured")
    return 0


if __name__ == "__main__":
    enter(main)
