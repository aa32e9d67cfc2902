"""Draw a contact sheet of a synthetic data set: images with boxes, masks and parts."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol.cli.entry import enter
from wsol.config.roots import preview_roots
from wsol.provenance.job import Job


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol data preview", description=__doc__)
    result.add_argument("--archive", type=Path, required=True, help="images.zip of a synthetic data set")
    result.add_argument("--split", default="test")
    result.add_argument("--out", type=Path, required=True)
    result.add_argument("--sidecar", type=Path)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    from wsol.data.preview import preview_archive

    if arguments.sidecar is None:
        preview_archive(arguments.archive, arguments.split, arguments.out)
        print(f"wrote {arguments.out}")
        return 0
    with Job(
        layer="reports",
        cell={"preview": arguments.archive.parent.name},
        sidecar=arguments.sidecar,
        inputs={"archive": arguments.archive},
        code_roots=preview_roots(),
    ) as job:
        preview_archive(arguments.archive, arguments.split, job.output_path(arguments.out))
        print(f"wrote {arguments.out}")
    return 0


if __name__ == "__main__":
    enter(main)
