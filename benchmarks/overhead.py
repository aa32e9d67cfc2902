"""How much of a run's wall time is not training, mapping or scoring: start-up, rendering, tables, the workflow itself.

    python benchmarks/overhead.py                      # of the run that logs/ is about
    python benchmarks/overhead.py --run --scale demo   # of a run in a clean copy of this checkout, made for the purpose

Each job's seconds are those of Snakemake's benchmark file; it ended when that file was written. Jobs that ran side by
side count once: what is summed is the time during which at least one of them was at work.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

WORK = ("train", "maps", "scores")
TARGET = 0.25
_ELAPSED = re.compile(r"^Elapsed time: (?:(\d+) days?, )?(\d+):(\d+):(\d+(?:\.\d+)?)", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """One job: layer (folder below logs/<scale>/), seconds, and when it ended (seconds since the epoch)."""

    layer: str
    seconds: float
    end: float

    @property
    def interval(self) -> tuple[float, float]:
        return self.end - self.seconds, self.end


def main() -> int:
    arguments = parser().parse_args()
    if arguments.run:
        with tempfile.TemporaryDirectory(prefix="wsol-overhead-") as folder:
            wall = run_in_clean_copy(Path(folder), arguments.scale, arguments.cores)
            return report(read_jobs(Path(folder) / "logs"), wall)
    wall = arguments.wall or elapsed(arguments.logs / "run.log")
    return report(read_jobs(arguments.logs), wall)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--logs", type=Path, default=Path("logs"), help="the logs of one run from nothing (logs)")
    result.add_argument("--wall", type=float, help="its wall time in s (default: what logs/run.log says)")
    result.add_argument("--run", action="store_true", help="run from nothing in a clean copy first")
    result.add_argument("--scale", default="demo", help="with --run (demo)")
    result.add_argument("--cores", default="all", help="with --run (all)")
    return result


def report(jobs: list[Measured], wall: float) -> int:
    """Print the table; returns 1 if more than a quarter of the wall time is overhead."""
    if not jobs:
        print("no benchmark files (*.tsv) there; run the workflow first, or pass --run", file=sys.stderr)
        return 2
    print(f"{'layer':<10} {'jobs':>5} {'sum s':>8} {'wall s':>8} {'share':>6}")
    for layer in dict.fromkeys(job.layer for job in sorted(jobs, key=lambda job: job.end)):
        chosen = [job for job in jobs if job.layer == layer]
        busy = union(job.interval for job in chosen)
        total = sum(job.seconds for job in chosen)
        print(f"{layer:<10} {len(chosen):>5} {total:>8.1f} {busy:>8.1f} {busy / wall:>6.1%}")
    inside = union(job.interval for job in jobs if job.layer in WORK)
    outside = max(0.0, wall - inside) / wall
    every, busy = sum(job.seconds for job in jobs), union(job.interval for job in jobs)
    print(f"{'all jobs':<10} {len(jobs):>5} {every:>8.1f} {busy:>8.1f} {busy / wall:>6.1%}")
    print(f"whole run {wall:.1f} s; training, mapping or scoring at work during {inside:.1f} s")
    print(f"share outside training, mapping and scoring: {outside:.1%} (target: at most {TARGET:.0%})")
    return int(outside > TARGET)


def read_jobs(logs: Path) -> list[Measured]:
    """Every benchmark file below `logs`: logs/<scale>/<layer>/**.tsv and logs/<layer>/*.tsv."""
    jobs = []
    for path in sorted(logs.rglob("*.tsv")):
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        column = header.split("\t").index("s")
        folders = path.relative_to(logs).parts[:-1]
        layer = folders[min(1, len(folders) - 1)] if folders else "other"
        for row in rows:
            jobs.append(Measured(layer, float(row.split("\t")[column]), path.stat().st_mtime))
    return jobs


def union(intervals: Iterable[tuple[float, float]]) -> float:
    """Length of the union of closed intervals."""
    total, reached = 0.0, -float("inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def elapsed(log: Path) -> float:
    """Seconds in Snakemake's closing line; exits with a message where a run's log has none."""
    text = log.read_text(encoding="utf-8") if log.is_file() else ""
    found = _ELAPSED.findall(text)
    if not found:
        raise SystemExit(f"{log}: no 'Elapsed time' in it; give --wall SECONDS, or --run")
    days, hours, minutes, seconds = found[-1]
    return int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def run_in_clean_copy(folder: Path, scale: str, cores: str) -> float:
    """Copy the files that git knows of (or would add) to `folder` and make its tables; returns the wall seconds."""
    root = Path(__file__).parents[1]
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, check=True, capture_output=True, text=True
    )
    for name in filter(None, names.stdout.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    targets = ["reports/tableB.csv", "pictures"]
    command = [sys.executable, "-m", "wsol.cli.run", *targets, "--scale", scale, "--cores", cores]
    begin = time.monotonic()
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return time.monotonic() - begin


if __name__ == "__main__":
    sys.exit(main())
