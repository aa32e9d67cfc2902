"""Run the workflow with a progress line and an estimate of what is left (a wrapper around `snakemake`)."""

from __future__ import annotations

import argparse

from wsol.cli.entry import enter
from wsol.runner import run_workflow


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="wsol run",
        description=__doc__,
        epilog="Options after -- go to snakemake as they are: wsol run reports/tableB.csv -- --dry-run",
    )
    result.add_argument("targets", nargs="*", help="files or collectors to make (default: every table)")
    result.add_argument("--scale", help="make the plain targets at this scale instead of the configured one")
    result.add_argument("--cores", default="all")
    result.add_argument("--quiet", action="store_true", help="say nothing unless something fails")
    return result


def main(argv: list[str]) -> int:
    split = argv.index("--") if "--" in argv else len(argv)
    passed = argv[split + 1 :]
    arguments = parser().parse_args(argv[:split])
    scale = ["--config", f"scale={arguments.scale}"] if arguments.scale else []
    return run_workflow([*arguments.targets, *passed, *scale], cores=arguments.cores, quiet=arguments.quiet)


if __name__ == "__main__":
    enter(main)
