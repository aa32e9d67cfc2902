"""Render a synthetic data set into one archive."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol.cli.data import cell_of, common_inputs
from wsol.cli.entry import enter
from wsol.config.roots import render_roots
from wsol.files import read_json
from wsol.progress import ProgressFile
from wsol.provenance.job import Job


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol data render", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the data set (JSON)")
    result.add_argument("--workers", type=int, default=1, help="processes; the bytes do not depend on it")
    result.add_argument("--out", type=Path, required=True)
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    from wsol.data.synthetic import write_archive

    settings = read_json(arguments.settings)
    options, cell = settings["options"], cell_of(arguments.settings, settings)
    with Job(
        layer="data",
        cell={**cell, "step": "images"},
        sidecar=arguments.sidecar,
        inputs=common_inputs(arguments.settings),
        code_roots=render_roots(),
        parameters=settings,
    ) as job:
        show = ProgressFile(f"data/{cell['scale']}/{cell['dataset']}")
        write_archive(
            job.output_path(arguments.out),
            settings["name"],
            options["seed"],
            settings["image_size"],
            options["images_per_class"],
            options["classes"],
            workers=arguments.workers,
            options=options["options"],
            progress=lambda done, total: show(done / total),
        )
        print(f"wrote {arguments.out}: {options['classes']} classes, {options['images_per_class']} images a class")
    return 0


if __name__ == "__main__":
    enter(main)
