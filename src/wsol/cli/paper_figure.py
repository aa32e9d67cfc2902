"""Draw a paper's figure of maps as PNG and PDF."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol.cli.common import archive_input
from wsol.cli.entry import enter
from wsol.config.figures import COMPUTED
from wsol.config.roots import paper_figure_roots
from wsol.errors import DataError
from wsol.files import read_json
from wsol.provenance.job import Job


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol paper_figure", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the figure (JSON)")
    result.add_argument("--manifest", type=Path, required=True)
    result.add_argument(
        "--maps", type=Path, nargs="+", required=True, help="a map file a column, or the one file of `wsol figure_maps`"
    )
    result.add_argument("--png", type=Path, required=True)
    result.add_argument("--pdf", type=Path, required=True)
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)
    wanted = 1 if settings["kind"] in COMPUTED else len(settings["columns"])
    if len(arguments.maps) != wanted:
        raise DataError(f"{len(arguments.maps)} map files; figure {settings['name']} is drawn from {wanted}")
    from wsol.data.manifest import read_manifest
    from wsol.reports.figures.attribution_grid import attribution_page
    from wsol.reports.figures.counterfactual import counterfactual_page
    from wsol.reports.figures.depths import depths_page
    from wsol.reports.figures.draw import draw
    from wsol.reports.figures.store import read_figure_maps

    manifest = read_manifest(arguments.manifest)
    with Job(
        layer="reports",
        cell={"scale": settings["scale"], "dataset": settings["dataset"], "figure": settings["name"]},
        sidecar=arguments.sidecar,
        inputs={
            "settings": arguments.settings,
            "manifest": arguments.manifest,
            "maps": arguments.maps,
            **archive_input(manifest),
        },
        code_roots=paper_figure_roots(),
    ) as job:
        if settings["kind"] in COMPUTED:
            rows, maps = read_figure_maps(arguments.maps[0], settings["name"], manifest)
            page_of = counterfactual_page if settings["kind"] == "counterfactual" else depths_page
            page = page_of(settings, manifest, rows, maps)
        else:
            page = attribution_page(settings, manifest, arguments.maps)
        draw(page, job.output_path(arguments.png), job.output_path(arguments.pdf))
        print(f"wrote {arguments.png} and {arguments.pdf}: {len(page.rows)} images, {page.columns} columns")
    return 0


if __name__ == "__main__":
    enter(main)
