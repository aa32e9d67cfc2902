"""Make the table of the layers of encoder and decoder (CSV, Markdown), read off built networks."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol.cli.entry import enter
from wsol.config.roots import architecture_roots
from wsol.files import write_text
from wsol.provenance.job import Job
from wsol.reports.architecture import (
    architecture_csv,
    architecture_markdown,
    describe,
    load_architecture,
)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol architecture", description=__doc__)
    result.add_argument("--spec", type=Path, required=True, help="definition: params/papers/<paper>/….yaml")
    result.add_argument("--out", type=Path, required=True, help="the table (CSV)")
    result.add_argument("--markdown", type=Path, required=True, help="the same to read")
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    definition = load_architecture(arguments.spec)
    with Job(
        layer="reports",
        cell={"table": definition["id"]},
        sidecar=arguments.sidecar,
        inputs={"definition": [arguments.spec, arguments.spec.parent / definition["published"]]},
        code_roots=architecture_roots(network["backbone"] for network in definition["networks"]),
    ) as job:
        from wsol.models import build
        from wsol.models.families.fcam import FCam

        lines = []
        for network in definition["networks"]:
            classifier = build(
                network["backbone"],
                head="cam",
                num_classes=definition["classes"],
                width=definition["width"],
                map_stride=definition["map_stride"],
                **network["options"],
            )
            lines += describe(FCam(classifier), network, definition)
        write_text(job.output_path(arguments.out), architecture_csv(lines))
        write_text(job.output_path(arguments.markdown), architecture_markdown(lines, definition))
        differing = sum(line.agrees is False for line in lines)
        print(f"wrote {arguments.out} and {arguments.markdown}: {len(lines)} lines, {differing} not as printed")
    return 0


if __name__ == "__main__":
    enter(main)
