"""Medians of repeated work, and the table they go into; for the benchmarks beside this file."""

from __future__ import annotations

import csv
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Row:
    """One measurement; ms are those of one map. An empty text where a column does not apply."""

    section: str
    kind: str
    method: str
    threads: int | str
    maps: int
    repeats: int
    wall_ms: float
    cpu_ms: float | str
    speedup: float | str = ""
    target: str = ""
    met: str = ""


@dataclass(frozen=True)
class Timing:
    """Medians in s of all that was done in one repeat."""

    wall: float
    cpu: float
    repeats: int


class Often(NamedTuple):
    """How often to repeat, unless that takes more than so many seconds."""

    repeats: int
    seconds: float


class Report:
    """Prints rows as they come and keeps them."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def section(self, title: str) -> None:
        print(f"\n{title}")
        print(f"{'kind':<14} {'method':<34} {'thr':>3} {'maps':>6} {'ms wall':>10} {'ms CPU':>10} {'ratio':>9}  target")

    def add(self, row: Row) -> None:
        self.rows.append(row)
        cpu = f"{row.cpu_ms:.4f}" if isinstance(row.cpu_ms, float) else ""
        ratio = f"{row.speedup:.1f}x" if isinstance(row.speedup, float) else ""
        print(
            f"{row.kind:<14} {row.method:<34} {row.threads:>3} {row.maps:>6} {row.wall_ms:>10.4f} {cpu:>10} {ratio:>9}"
            f"  {f'{row.target}: {row.met}' if row.target else ''}",
            flush=True,
        )

    @property
    def missed(self) -> list[Row]:
        return [row for row in self.rows if row.met == "NOT met"]

    def finish(self, out: Path | None) -> int:
        """Write the rows where that is wanted, say which targets were not met; 1 if there are any, else 0."""
        if out:
            self.write(out)
        print(f"\ntargets: {sum(row.met == 'met' for row in self.rows)} met, {len(self.missed)} not met")
        for row in self.missed:
            print(f"  not met: {row.section}, {row.kind}, {row.method}: {row.target}")
        return int(bool(self.missed))

    def write(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(field.name for field in fields(Row))
            writer.writerows(astuple(row) for row in self.rows)


def measure(work: Callable[[], Any], often: Often, synchronise: Callable[[], Any] = lambda: None) -> Timing:
    """Medians over the repeats; at least one."""
    walls: list[float] = []
    cpus: list[float] = []
    begin = time.perf_counter()
    while len(walls) < often.repeats and (not walls or time.perf_counter() - begin < often.seconds):
        synchronise()
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        synchronise()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return Timing(statistics.median(walls), statistics.median(cpus), len(walls))


def in_turn(
    works: dict[str, Callable[[], Any]],
    often: Often,
    warm: bool = False,
    synchronise: Callable[[], Any] = lambda: None,
) -> dict[str, Timing]:
    """Medians of each, all of them once a round, after one round to warm up unless they are warm.

    They take turns so that other work on the machine disturbs them alike, in another order every round: what runs
    after a greedy one finds its memory ready.
    """
    shuffle = random.Random(0).shuffle
    walls: dict[str, list[float]] = {name: [] for name in works}
    cpus: dict[str, list[float]] = {name: [] for name in works}
    begin, rounds = time.perf_counter(), int(warm)
    while rounds <= often.repeats and (rounds < 2 or time.perf_counter() - begin < often.seconds):
        order = list(works)
        shuffle(order)
        for name in order:
            synchronise()
            wall, cpu = time.perf_counter(), time.process_time()
            works[name]()
            synchronise()
            if rounds:
                walls[name].append(time.perf_counter() - wall)
                cpus[name].append(time.process_time() - cpu)
        rounds += 1
    return {name: Timing(statistics.median(walls[name]), statistics.median(cpus[name]), rounds - 1) for name in works}


def row(
    section: str,
    kind: str,
    method: str,
    threads: int | str,
    maps: int,
    timing: Timing,
    ratio: float | None = None,
    target: float = 0,
) -> Row:
    """A row in ms a map, with its ratio to what it is compared with, and the least ratio asked for."""
    cpu: float | str = 1e3 * timing.cpu / maps if threads != "GPU" else ""
    compared = "" if ratio is None else ratio
    asked = f">= {target:g}x" if target else ""
    met = "" if not target or ratio is None else verdict(ratio >= target)
    return Row(
        section, kind, method, threads, maps, timing.repeats, 1e3 * timing.wall / maps, cpu, compared, asked, met
    )


def verdict(met: bool) -> str:
    return "met" if met else "NOT met"
