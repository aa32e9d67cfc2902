"""Verify every artefact of the configured scale, then record its bytes in dvc.lock (`dvc commit`).

A layer that was not made, and what is made of it, is left for `dvc repro`: `dvc commit` fails for a missing folder.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from wsol.cli.entry import enter
from wsol.cli.verify import main as verify
from wsol.config.scale import load_config


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol certify", description=__doc__)
    result.add_argument("--quiet", action="store_true", help="say one line")
    return result


def stages() -> tuple[list[str], list[str]]:
    """Names of the stages of dvc.yaml: those whose outputs and dependencies are all there, and the others."""
    from dvc.repo import Repo

    with Repo() as repo:
        there = {
            stage.addressing: all(file.exists for file in (*stage.deps, *stage.outs)) for stage in repo.index.stages
        }
    return [name for name, ready in there.items() if ready], [name for name, ready in there.items() if not ready]


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    scale = load_config()["scale"]
    if verify(["--scale", scale]) != 0:
        print("nothing was recorded in dvc.lock; mend the artefacts above first", file=sys.stderr)
        return 1
    recorded, left = stages()
    if not recorded:
        print(f"there is nothing to record at scale {scale}; make something first: wsol run", file=sys.stderr)
        return 1
    quiet = ["--quiet"] if arguments.quiet else []
    command = [sys.executable, "-m", "dvc", "commit", "--force", *quiet, *recorded]
    done = subprocess.run(command, check=False, capture_output=arguments.quiet, text=True)
    if done.returncode:
        print(f"dvc commit failed: {(done.stderr or '').strip()}", file=sys.stderr)
        return done.returncode
    if left:
        print(f"dvc.lock records {', '.join(recorded)}; `dvc repro` would make the rest: {', '.join(left)}")
    else:
        print("dvc.lock records these bytes: `dvc repro` has nothing to do")
    return 0


if __name__ == "__main__":
    enter(main)
