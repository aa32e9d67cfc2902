"""Make a table from scores: CSV as the paper prints it, one line a cell, Markdown and LaTeX; or print one."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol.cli.entry import enter
from wsol.config.roots import table_roots
from wsol.errors import DataError
from wsol.files import read_json
from wsol.provenance.job import Job
from wsol.reports.cells import (
    MEASURED,
    ScaleView,
    evaluate,
    required_cells,
    rows_of_method,
    score_path,
    scores_lookup,
)
from wsol.reports.render import table_file, terminal_table, write_table
from wsol.reports.spec import input_files, load_spec


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol table", description=__doc__)
    verbs = result.add_subparsers(dest="verb", required=True)
    make = verbs.add_parser("make", help="make the four files of a table")
    make.add_argument("--spec", type=Path, required=True, help="definition: params/papers/<paper>/<table>.yaml")
    make.add_argument("--settings", type=Path, required=True, help="resolved settings of the scale (JSON)")
    make.add_argument("--method", help="the rows of this method alone")
    make.add_argument("--out", type=Path, required=True, help="<table>.csv; the other files go beside it")
    make.add_argument("--sidecar", type=Path, required=True)
    show = verbs.add_parser("show", help="print a table on the terminal")
    show.add_argument("csv", type=Path)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    if arguments.verb == "show":
        if not arguments.csv.is_file():
            raise DataError(f"{arguments.csv}: no such table; make it with `snakemake --cores all {arguments.csv}`")
        print(terminal_table(arguments.csv))
        return 0
    spec, cell = load_spec(arguments.spec), {}
    view = ScaleView.from_settings(read_json(arguments.settings))
    if arguments.method:
        spec, cell = rows_of_method(spec, view, arguments.method), {"method": arguments.method}
    scores = [score_path(view.name, key) for key in required_cells(spec, view)]
    with Job(
        layer="reports",
        cell={"scale": view.name, "table": spec.id, **cell},
        sidecar=arguments.sidecar,
        inputs={
            "settings": arguments.settings,
            "definition": input_files(arguments.spec),
            "scores": sorted(set(scores)),
        },
        code_roots=table_roots(),
    ) as job:
        cells = evaluate(spec, view, scores_lookup("results", view.name, spec.threshold))
        written = write_table(spec, cells, view, job.output_path(arguments.out))
        for path in written[1:]:
            suffix = path.name.removeprefix(written[0].stem)
            path.replace(job.output_path(table_file(arguments.out, suffix)))
        measured = [cell for cell in cells if cell.status == MEASURED]
        job.run.summary({f"{cell.row}/{cell.column}": cell.value for cell in measured if cell.value is not None})
        print(f"wrote {arguments.out} and .cells.csv, .md, .tex: {len(measured)} of {len(cells)} cells measured")
    return 0


if __name__ == "__main__":
    enter(main)
