"""Draw a paper's figure of curves as PNG and PDF, and write the numbers it shows as CSV."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol.cli.common import archive_input
from wsol.cli.entry import enter
from wsol.config.curve_lines import OF_MASKS, line_files
from wsol.config.roots import paper_curve_roots
from wsol.errors import DataError
from wsol.files import read_json, write_text
from wsol.provenance.job import Job

if TYPE_CHECKING:
    from wsol.reports.figures.curve_page import CurvePage


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol paper_curves", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the figure (JSON)")
    result.add_argument("--files", type=Path, nargs="*", default=[], help="what the lines are read from, in order")
    result.add_argument("--manifest", type=Path, help="for figures of masks alone")
    result.add_argument("--png", type=Path, required=True)
    result.add_argument("--pdf", type=Path, required=True)
    result.add_argument("--csv", type=Path, required=True, help="the numbers that the curves show")
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)
    wanted = 0 if settings["kind"] in OF_MASKS else len(line_files(settings))
    if len(arguments.files) != wanted:
        raise DataError(f"{len(arguments.files)} files; figure {settings['name']} is drawn from {wanted}")
    if (arguments.manifest is None) == (settings["kind"] in OF_MASKS):
        raise DataError(f"figure {settings['name']} of kind {settings['kind']}: give --manifest to a figure of masks")
    from wsol.data.manifest import read_manifest
    from wsol.reports.figures.curve_page import numbers_csv
    from wsol.reports.figures.draw import draw
    from wsol.reports.figures.draw_curves import draw_curves
    from wsol.reports.figures.resolution import resolution_pictures

    manifest = None if arguments.manifest is None else read_manifest(arguments.manifest)
    inputs: dict[str, Any] = {"settings": arguments.settings, "files": arguments.files}
    if manifest is not None:
        inputs |= {"manifest": arguments.manifest, **archive_input(manifest)}
    with Job(
        layer="reports",
        cell={"scale": settings["scale"], "figure": settings["name"]},
        sidecar=arguments.sidecar,
        inputs=inputs,
        code_roots=paper_curve_roots(),
    ) as job:
        outs = job.output_path(arguments.png), job.output_path(arguments.pdf)
        if settings["kind"] == "resolution_pictures":
            pictures, numbers = resolution_pictures(settings, manifest)
            draw(pictures, *outs)
        else:
            page = _page(settings, arguments.files, manifest)
            draw_curves(page, *outs)
            numbers = list(page.numbers)
        write_text(job.output_path(arguments.csv), numbers_csv(numbers))
        print(f"wrote {arguments.png}, {arguments.pdf} and {arguments.csv}: {len(numbers)} numbers")
    return 0


def _page(settings: dict[str, Any], files: list[Path], manifest: Any) -> CurvePage:
    from wsol.reports.figures.activation_curves import activation_page
    from wsol.reports.figures.convergence import convergence_page
    from wsol.reports.figures.draws import draws_page
    from wsol.reports.figures.resolution import resolution_page
    from wsol.reports.figures.searched import search_page
    from wsol.reports.figures.threshold_curves import threshold_page

    if settings["kind"] == "resolution":
        return resolution_page(settings, manifest)
    of_files = {
        "thresholds": threshold_page,
        "activations": activation_page,
        "convergence": convergence_page,
        "search": search_page,
        "draws": draws_page,
    }
    return of_files[settings["kind"]](settings, files)


if __name__ == "__main__":
    enter(main)
