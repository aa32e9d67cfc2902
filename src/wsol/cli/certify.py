"""Verify every artefact of the configured scale, then record its bytes in dvc.lock (`dvc commit`)."""

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


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    scale = load_config()["scale"]
    if verify(["--scale", scale]) != 0:
        print("nothing was recorded in dvc.lock; mend the artefacts above first", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "dvc", "commit", "--force", *(["--quiet"] if arguments.quiet else [])]
    done = subprocess.run(command, check=False, capture_output=arguments.quiet, text=True)
    if done.returncode:
        print(f"dvc commit failed: {(done.stderr or '').strip()}", file=sys.stderr)
        return done.returncode
    print("dvc.lock records these bytes: `dvc repro` has nothing to do")
    return 0


if __name__ == "__main__":
    enter(main)
