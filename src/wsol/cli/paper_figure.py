"""Draw a paper's figure as PNG and PDF."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wsol.cli.common import archive_input
from wsol.cli.entry import enter
from wsol.config.figures import COMPARING, NEEDS, figure_cells, figure_datasets
from wsol.config.roots import paper_figure_roots
from wsol.errors import DataError
from wsol.files import read_json
from wsol.provenance.job import Job


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol paper_figure", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the figure (JSON)")
    result.add_argument("--manifests", type=Path, nargs="+", required=True, help="of its data sets, in order")
    result.add_argument(
        "--maps", type=Path, nargs="*", default=[], help="a map file a cell, or the one file of `wsol figure_maps`"
    )
    result.add_argument(
        "--scores", type=Path, nargs="*", default=[], help="a score file a cell, where the kind has any"
    )
    result.add_argument("--png", type=Path, required=True)
    result.add_argument("--pdf", type=Path, required=True)
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)
    needs, cells = NEEDS[settings["kind"]], len(figure_cells(settings))
    wanted = {"maps": 1 if "computed" in needs else cells * ("maps" in needs), "scores": cells * ("scores" in needs)}
    datasets = figure_datasets(settings)
    wanted["manifests"] = len(datasets)
    for what, count in wanted.items():
        given = len(getattr(arguments, what))
        if given != count:
            raise DataError(f"--{what}: {given} files; figure {settings['name']} is drawn from {count}")
    from wsol.data.manifest import read_manifest

    manifests = [read_manifest(path) for path in arguments.manifests]
    archives = [path for manifest in manifests for path in archive_input(manifest).values()]
    inputs: dict[str, Any] = {"settings": arguments.settings, "manifests": arguments.manifests}
    optional = {"maps": arguments.maps, "scores": arguments.scores, "images": archives}
    with Job(
        layer="reports",
        cell={"scale": settings["scale"], "dataset": "+".join(datasets), "figure": settings["name"]},
        sidecar=arguments.sidecar,
        inputs=inputs | {what: paths for what, paths in optional.items() if paths},
        code_roots=paper_figure_roots(),
    ) as job:
        said = _draw(arguments, settings, manifests, job.output_path(arguments.png), job.output_path(arguments.pdf))
        print(f"wrote {arguments.png} and {arguments.pdf}: {said}")
    return 0


def _draw(arguments: argparse.Namespace, settings: dict[str, Any], manifests: list[Any], png: Path, pdf: Path) -> str:
    """Write both files; returns what the log says of them."""
    from wsol.reports.figures.attribution_grid import attribution_page
    from wsol.reports.figures.counterfactual import counterfactual_page
    from wsol.reports.figures.depths import depths_page
    from wsol.reports.figures.draw import draw
    from wsol.reports.figures.store import read_figure_maps

    if settings["kind"] in COMPARING:
        from wsol.reports.figures.localisation import localisation_page
        from wsol.reports.figures.tiles import draw_tiles

        tiles = localisation_page(settings, manifests, arguments.maps, arguments.scores)
        draw_tiles(tiles, png, pdf)
        return f"{len(tiles.rows)} rows, {len(tiles.blocks)} data sets"
    if "computed" in NEEDS[settings["kind"]]:
        rows, maps = read_figure_maps(arguments.maps[0], settings["name"], manifests[0])
        page_of = counterfactual_page if settings["kind"] == "counterfactual" else depths_page
        page = page_of(settings, manifests[0], rows, maps)
    else:
        page = attribution_page(settings, manifests[0], arguments.maps)
    draw(page, png, pdf)
    return f"{len(page.rows)} images, {page.columns} columns"


if __name__ == "__main__":
    enter(main)
