"""Score the centre-Gaussian baseline on the released boxes of CUB and ILSVRC (reports/center.csv)."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol.cli.entry import enter
from wsol.config.roots import center_roots
from wsol.provenance.job import Job
from wsol.reports.center import SPLITS, write_center_csv


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol center", description=__doc__)
    result.add_argument("--metadata", type=Path, required=True, help="folder of the released metadata")
    result.add_argument("--published", type=Path, required=True, help="printed values and their errata (YAML)")
    result.add_argument("--metric", type=Path, required=True, help="params/metrics/boxes.yaml")
    result.add_argument("--out", type=Path, required=True)
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    files = [
        arguments.metadata / dataset / split / f"{name}.txt"
        for dataset, split in SPLITS
        for name in ("image_ids", "image_sizes", "localization")
    ]
    with Job(
        layer="reports",
        cell={"table": "center"},
        sidecar=arguments.sidecar,
        inputs={"metadata": files, "published": arguments.published, "metric": arguments.metric},
        code_roots=center_roots(),
    ) as job:
        rows = write_center_csv(
            arguments.metadata, arguments.published, arguments.metric, job.output_path(arguments.out)
        )
        print(f"wrote {arguments.out}: {len(rows)} rows")
    return 0


if __name__ == "__main__":
    enter(main)
