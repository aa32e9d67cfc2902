"""Run Snakemake and say how far it is: jobs done, what runs now, and about how long is left."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from wsol.lineage import die_with_parent

LOG = Path("logs/run.log")
PROGRESS = Path("scratch/progress")
LOCK = Path(".snakemake/wsol.lock")
# Seconds a job takes before any of its kind was seen; training tells its own progress.
FIRST_GUESS: defaultdict[str, float] = defaultdict(
    lambda: 3.0, train_model=30.0, train_draw=30.0, render_images=15.0, score_maps=5.0
)
# glibc gives a large block back to the system when it is freed, and every tensor of the next step is paged in anew.
# Where it keeps them a step takes a tenth less, and no number differs by a bit (benchmarks/allocator.py). One of the
# two alone would do harm: it ends glibc's own adjustment of both.
ALLOCATOR = f"glibc.malloc.mmap_threshold={2**30}:glibc.malloc.trim_threshold={2**31}"

_RULE = re.compile(r"^(?:local)?rule (\w+):")
_ERROR = re.compile(r"^Error in rule (\w+):")
_JOBID = re.compile(r"^\s+jobid: (\d+)")
_THREADS = re.compile(r"^\s+threads: (\d+)")
_FINISHED = re.compile(r"^Finished jobid: (\d+)")
_STEPS = re.compile(r"^(\d+) of (\d+) steps")
_STAT = re.compile(r"^(\w+)\s+(\d+)\s*$")


class Board:
    """What Snakemake's output says about the jobs of a run, and an estimate of the time left."""

    def __init__(self, cores: int, clock: Any = time.monotonic) -> None:
        self.cores = cores
        self._clock = clock
        self.waiting: Counter[str] = Counter()
        self.running: dict[str, tuple[str, float]] = {}
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.threads: dict[str, int] = {}
        self.done = 0
        self.total = 0
        self._rule = ""
        self._in_stats = False

    def read(self, line: str) -> None:
        """Take one line of Snakemake's output."""
        if line.startswith("Job stats"):
            self._in_stats = True
        elif self._in_stats and (found := _STAT.match(line)):
            if found[1] == "total":
                self.total, self._in_stats = int(found[2]), False
            else:
                self.waiting[found[1]] = int(found[2])
        elif found := _RULE.match(line):
            self._rule = found[1]
            self.threads[self._rule] = 1  # where Snakemake says nothing
        elif _ERROR.match(line):
            self._rule = ""
        elif found := _JOBID.match(line):
            if self._rule:
                self.running[found[1]] = (self._rule, self._clock())
                self.waiting[self._rule] -= 1
            else:
                self.running.pop(found[1], None)
        elif self._rule and (found := _THREADS.match(line)):
            self.threads[self._rule] = int(found[1])
        elif found := _FINISHED.match(line):
            rule, start = self.running.pop(found[1], ("", self._clock()))
            self.seconds[rule].append(self._clock() - start)
        elif found := _STEPS.match(line):
            self.done, self.total = int(found[1]), int(found[2])

    def seconds_left(self, fractions: dict[str, float]) -> float:
        """Estimated seconds until the end; `fractions` maps a rule to how far its running job says it is."""
        work = longest = 0.0
        at_work = Counter(rule for rule, _ in self.running.values())
        for rule, count in self.waiting.items():
            work += max(0, count) * self._expected(rule, fractions) * self._share(rule)
        for rule, start in self.running.values():
            spent = self._clock() - start
            # A job's own word counts once it has seen enough of its work, and where no other may have said it.
            fraction = fractions.get(rule, 0.0) if at_work[rule] == 1 else 0.0
            left = spent * (1 - fraction) / fraction if fraction > 0.03 else self._expected(rule, fractions) - spent
            work += max(0.0, left) * self._share(rule)
            longest = max(longest, left)
        return max(work, longest)

    def _expected(self, rule: str, fractions: dict[str, float]) -> float:
        """Seconds from the start of a job to its end."""
        seen = list(self.seconds[rule])
        if not seen:
            running = [self._clock() - start for name, start in self.running.values() if name == rule]
            seen = [running[0] / fractions[rule]] if running and fractions.get(rule, 0) > 0.03 else []
        # The lower median, the guess among them: the first training of a scale is often a long one, that all wait for.
        known = sorted([*seen, FIRST_GUESS[rule]])
        return known[(len(known) - 1) // 2]

    def _share(self, rule: str) -> float:
        """Share of the machine that a job takes: the rest is for others meanwhile."""
        threads = self.threads.get(rule, self.cores if rule in ("train_model", "train_draw") else 1)
        return min(threads, self.cores) / self.cores


def run_workflow(arguments: Sequence[str], *, cores: str = "all", quiet: bool = False) -> int:
    """Run `snakemake` with `arguments` in the working directory; returns its exit code.

    Waits while another such run is at work here; takes over the lock of a run that was killed; Snakemake ends with this
    process, and its jobs with it. The whole output goes to logs/run.log.
    """
    with _only_run_here(quiet):
        if any(Path(".snakemake/locks").glob("*")):
            subprocess.run([*_snakemake(), "--unlock"], capture_output=True, check=False)
        for old in PROGRESS.glob("*"):
            old.unlink(missing_ok=True)
        LOG.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "WSOL_PROGRESS": str(PROGRESS), "PYTHONUNBUFFERED": "1"}
        with LOG.open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [*_snakemake(), *arguments, "--cores", cores],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment,
                preexec_fn=die_with_parent,
            )
            try:
                _follow(process, log, _core_count(cores), quiet)
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                print("\nstopping; what is finished stays, and training goes on from where it was", file=sys.stderr)
            return process.wait()


def _follow(process: subprocess.Popen[str], log: IO[str], cores: int, quiet: bool) -> None:
    import queue
    import threading

    lines: queue.Queue[str | None] = queue.Queue()

    def pump() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            log.flush()
            lines.put(line)
        lines.put(None)

    threading.Thread(target=pump, daemon=True).start()
    board, display, started = Board(cores), _Display(quiet), time.monotonic()
    error_lines = 0
    while True:
        try:
            line = lines.get(timeout=1.0)
        except queue.Empty:
            line = ""
        if line is None:
            break
        if line:
            board.read(line)
            if "Error" in line or "Exception" in line or line.startswith("wsol:"):
                error_lines = 40
            if error_lines:
                display.say(line.rstrip())
                error_lines -= 1
            if line.startswith("Nothing to be done"):
                display.say("everything is up to date")
        display.status(_status_line(board, time.monotonic() - started))
    display.end(last_line(board, time.monotonic() - started, failed=process.wait() != 0))


def last_line(board: Board, elapsed: float, *, failed: bool) -> str:
    """What is said of a run when it ended."""
    if failed and not board.total:
        return f"failed: no job was run, for the graph of jobs could not be built; log: {LOG}"
    outcome = f"{board.done} of {board.total} jobs done in {_minutes(elapsed)}; log: {LOG}"
    return f"failed: {outcome}" if failed else outcome


def _status_line(board: Board, elapsed: float) -> str:
    if not board.total:
        return "building the graph of jobs"
    notes = _notes()
    fractions = {rule: notes[rule][0] for rule in notes}
    running = []
    for rule in sorted({name for name, _ in board.running.values()}):
        fraction, note = notes.get(rule, (0.0, ""))
        running.append(f"{rule} {note} ({fraction:.0%})" if note else rule)
    left = board.seconds_left(fractions)
    return (
        f"[{_minutes(elapsed)}] {board.done}/{board.total} jobs, about {_minutes(left)} left"
        f" | {', '.join(running) or 'starting'}"
    )


def _notes() -> dict[str, tuple[float, str]]:
    """Rule to (fraction, note) of its job that reported last."""
    rules = {
        "train": "train_model",
        "search": "train_draw",
        "maps": "extract_maps",
        "scores": "score_maps",
        "data": "render_images",
        "removal": "remove_and_classify",
    }
    found: dict[str, tuple[float, str]] = {}
    for path in sorted(PROGRESS.glob("[!.]*"), key=lambda path: path.stat().st_mtime if path.exists() else 0.0):
        try:
            fraction, _, note = path.read_text(encoding="utf-8").strip().partition(" ")
            layer, *cell = path.name.split("__")
            if float(fraction) < 1 and layer in rules:
                found[rules[layer]] = (float(fraction), " ".join([*cell[1:4], note]).strip())
        except (OSError, ValueError):
            continue
    return found


class _Display:
    """A line that is rewritten on a terminal; a line now and then elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stdout.isatty()
        self._last = 0.0

    def status(self, text: str) -> None:
        now = time.monotonic()
        if self._quiet or now - self._last < (0.5 if self._terminal else 15.0):
            return
        self._last = now
        if self._terminal:
            width = os.get_terminal_size().columns - 1
            print(f"\r\033[K{text[:width]}", end="", flush=True)
        else:
            print(text, flush=True)

    def say(self, text: str) -> None:
        if self._terminal and not self._quiet:
            print("\r\033[K", end="")
        print(text, flush=True)

    def end(self, text: str) -> None:
        if not self._quiet:
            self.say(text)


@contextmanager
def _only_run_here(quiet: bool) -> Iterator[None]:
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not quiet:
                print("another run is at work in this folder; waiting for it to end (Ctrl-C to give up)", flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def hand_to_jobs(device: str) -> None:
    """Called where Snakemake reads its rules: what jobs find in their environment.

    They run networks on `device`, end when this process is gone (`wsol.cli.entry`), and keep the memory they freed.
    """
    os.environ["WSOL_DEVICE"] = device
    os.environ["WSOL_PARENT"] = str(os.getpid())
    os.environ.setdefault("GLIBC_TUNABLES", ALLOCATOR)


def _snakemake() -> list[str]:
    return [sys.executable, "-m", "snakemake"]


def _core_count(cores: str) -> int:
    return len(os.sched_getaffinity(0)) if cores == "all" else int(cores)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
