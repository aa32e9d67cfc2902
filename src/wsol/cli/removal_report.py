"""Make the report of remove-and-classify from its counts: a table (CSV) and its curves (PNG and PDF)."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol.cli.entry import enter
from wsol.config.paths import removal_path
from wsol.config.roots import removal_report_roots
from wsol.files import read_json, write_text
from wsol.provenance.job import Job
from wsol.reports.cells import MEASURED, ScaleView
from wsol.reports.removal import counts_lookup, load_removal_spec, removal_csv, removal_rows, required_cells
from wsol.reports.removal_figure import draw_removal


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol removal_report", description=__doc__)
    result.add_argument("--spec", type=Path, required=True, help="definition: params/papers/<paper>/….yaml")
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the scale (JSON)")
    result.add_argument("--out", type=Path, required=True, help="the table (CSV)")
    result.add_argument("--figures", type=Path, nargs="+", required=True, help="the curves (.png, .pdf)")
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    spec = load_removal_spec(arguments.spec)
    view = ScaleView.from_settings(read_json(arguments.settings))
    with Job(
        layer="reports",
        cell={"scale": view.name, "table": "remove_and_classify"},
        sidecar=arguments.sidecar,
        inputs={
            "settings": arguments.settings,
            "definition": arguments.spec,
            "counts": [removal_path(cell, attribution) for cell, attribution in required_cells(spec, view)],
        },
        code_roots=removal_report_roots(),
    ) as job:
        rows = removal_rows(spec, view, counts_lookup())
        write_text(job.output_path(arguments.out), removal_csv(rows))
        title = f"{spec.title} at scale {view.name}"
        draw_removal(spec, rows, [job.output_path(path) for path in arguments.figures], title)
        measured = [row for row in rows if row.status == MEASURED]
        job.run.summary(
            {
                f"{row.method}/{row.dataset}/{row.backbone}/R@{row.k:g}": row.value
                for row in measured
                if row.value is not None
            }
        )
        print(f"wrote {arguments.out} and {len(arguments.figures)} figures: {len(measured)} of {len(rows)} measured")
    return 0


if __name__ == "__main__":
    enter(main)
