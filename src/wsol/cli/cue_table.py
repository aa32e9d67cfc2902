"""Make the cue localisation table from the cue scores of a scale: tidy CSV, also of every pair, and a page to read."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol.cli.entry import enter
from wsol.config.cues import DEFINITION, cue_limits, load_cues
from wsol.config.roots import cue_table_roots
from wsol.files import read_json, write_text
from wsol.provenance.job import Job
from wsol.reports.cells import MEASURED, ScaleView
from wsol.reports.cues import cue_lines, cues_csv, cues_markdown, pair_lines, pairs_csv, required


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol cue_table", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the scale (JSON)")
    result.add_argument("--out", type=Path, required=True, help="cues.csv; cues.pairs.csv and cues.md go beside it")
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    definition, view = load_cues(), ScaleView.from_settings(read_json(arguments.settings))
    scores = [path for paths in required(definition, view).values() for path in paths]
    with Job(
        layer="reports",
        cell={"scale": view.name, "table": definition["id"]},
        sidecar=arguments.sidecar,
        inputs={"settings": arguments.settings, "definition": DEFINITION, "scores": sorted(set(scores))},
        code_roots=cue_table_roots(),
    ) as job:
        lines = cue_lines(definition, view)
        write_text(job.output_path(arguments.out), cues_csv(lines))
        pairs = pair_lines(definition, view)
        write_text(job.output_path(arguments.out.with_suffix(".pairs.csv")), pairs_csv(pairs))
        page = cues_markdown(definition, lines, view, cue_limits(view.name))
        write_text(job.output_path(arguments.out.with_suffix(".md")), page)
        measured = [line for line in lines if line.status == MEASURED]
        job.run.summary({f"{line.label}/{line.differing_parts}": line.value for line in measured})
        print(f"wrote {arguments.out}, .pairs.csv and .md: {len(measured)} of {len(lines)} cells, {len(pairs)} pairs")
    return 0


if __name__ == "__main__":
    enter(main)
