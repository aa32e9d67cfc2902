"""The runner: what it reads out of Snakemake's output, how good its estimate is, and one run at a time."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsol import runner
from wsol.runner import FIRST_GUESS, Board, last_line

HEAD = """\
Assuming unrestricted shared filesystem usage.

SNAKEMAKE
=========
  Date: 2026-01-01 08:31:40
  Snakemake version: 9.27.1
  Working directory: /home/someone/wsol
  Config file(s): ['params/config.yaml']

Building DAG of jobs...
Using shell: /usr/bin/bash
Provided cores: 2
Rules claiming more threads will be scaled down.
Provided resources: gpu=Resource("gpu", 1)
"""
STATS = """\
Job stats:
job                               count
------------------------------  -------
render_images                         2
train_model                           2
score_maps                            4
make_table_of_configured_scale        1
total                                 9

"""


def started(rule: str, jobid: int, threads: int = 1) -> str:
    """As Snakemake 9.27 prints it; a job of one thread has no line of threads."""
    lines = [
        "Select jobs to execute...",
        "Execute 1 jobs...",
        "",
        "[Thu Jan  1 08:31:40 2026]",
        f"localrule {rule}:",
        f"    input: results/demo/params/{rule}.json, src/wsol/__init__.py",
        f"    output: results/demo/{rule}/{jobid}.json",
        f"    log: logs/demo/{rule}/{jobid}.log",
        f"    jobid: {jobid}",
        f"    benchmark: logs/demo/{rule}/{jobid}.tsv",
        "    reason: Missing output files: results/demo/cam.json; Input files updated by another job: images.zip",
        "    wildcards: scale=demo, dataset=synthbirds, seed=0",
        *([f"    threads: {threads}"] if threads > 1 else []),
        "    resources: tmpdir=/tmp, runtime=30, mem_mb=1500, mem=1.5 GB, mem_mib=1431",
    ]
    return "\n".join(lines) + "\n"


def finished(rule: str, jobid: int, done: int, total: int) -> str:
    share = 100 * done // total
    return (
        f"[Thu Jan  1 08:31:48 2026]\nFinished jobid: {jobid} (Rule: {rule})\n{done} of {total} steps ({share}%) done\n"
    )


def failed(rule: str, jobid: int) -> str:
    return (
        "RuleException:\n"
        'CalledProcessError in file "/home/someone/wsol/Snakefile", line 11:\n'
        "Command 'set -euo pipefail;  false' returned non-zero exit status 2.\n"
        "[Thu Jan  1 08:31:48 2026]\n"
        f"Error in rule {rule}:\n"
        "    message: None\n"
        f"    jobid: {jobid}\n"
        f"    output: results/demo/{rule}/{jobid}.json\n"
        f"    log: logs/demo/{rule}/{jobid}.log (check log file(s) for error details)\n"
        "    shell:\n"
        "        python -m wsol.cli.train\n"
        "        (command exited with non-zero exit code)\n"
    )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def read(board: Board, text: str) -> None:
    for line in text.splitlines(keepends=True):
        board.read(line)


# --- reading ------------------------------------------------------------------------------------------------------


def test_the_plan_is_read_from_the_statistics(clock: Clock) -> None:
    board = Board(2, clock)
    read(board, HEAD)
    assert (board.done, board.total) == (0, 0)
    read(board, STATS)
    assert (board.done, board.total) == (0, 9)
    assert +board.waiting == {
        "render_images": 2,
        "train_model": 2,
        "score_maps": 4,
        "make_table_of_configured_scale": 1,
    }
    assert board.running == {}


def test_jobs_start_and_finish_in_any_order(clock: Clock) -> None:
    board = Board(2, clock)
    read(board, HEAD + STATS + started("score_maps", 7) + started("score_maps", 12))
    assert board.waiting["score_maps"] == 2
    assert {name for name, _ in board.running.values()} == {"score_maps"} and len(board.running) == 2
    clock.now += 4
    read(board, finished("score_maps", 12, 1, 9))
    clock.now += 2
    read(board, finished("score_maps", 7, 2, 9))
    assert board.seconds["score_maps"] == [4, 6]
    assert board.running == {} and (board.done, board.total) == (2, 9)
    read(board, started("make_table_of_configured_scale", 1))
    assert list(board.running) == ["1"] and board.waiting["make_table_of_configured_scale"] == 0


def test_rules_of_this_shape_are_seen_with_and_without_local(clock: Clock) -> None:
    for line in ("rule score_maps:\n", "localrule score_maps:\n"):
        board = Board(2, clock)
        read(board, STATS + line + "    jobid: 3\n")
        assert board.waiting["score_maps"] == 3, line


def test_a_job_that_failed_runs_no_more_and_takes_no_other_job_with_it(clock: Clock) -> None:
    """The default profile keeps going: other jobs go on after an error."""
    board = Board(2, clock)
    read(board, HEAD + STATS + started("train_model", 6, 2))
    clock.now += 5
    read(board, failed("train_model", 6))
    assert board.running == {}
    assert +board.waiting == {
        "render_images": 2,
        "train_model": 1,
        "score_maps": 4,
        "make_table_of_configured_scale": 1,
    }
    assert board.seconds["train_model"] == [], "how long a job took to fail says nothing of the next"
    read(board, started("render_images", 8, 2) + failed("render_images", 8) + started("score_maps", 9))
    assert board.waiting["score_maps"] == 3 and len(board.running) == 1
    assert board.waiting["render_images"] == 1


def test_nothing_is_left_where_nothing_is_to_be_done(clock: Clock) -> None:
    board = Board(2, clock)
    read(board, HEAD + "Nothing to be done (all requested files are present and up to date).\n")
    assert board.total == 0 and board.seconds_left({}) == 0


# --- the estimate -------------------------------------------------------------------------------------------------

PLAN = [
    *[("render_images", 2, 10.0)] * 3,
    *[("write_manifests", 1, 3.0)] * 3,
    *[("train_model", 2, 100.0)] * 3,
    *[("extract_maps", 1, 6.0)] * 6,
    *[("score_maps", 1, 4.0)] * 9,
    *[("make_table", 1, 2.0)],
]


def simulate(plan: list[tuple[str, int, float]], cores: int, tell: bool) -> Iterator[tuple[Board, float, float]]:
    """(board, its estimate, true seconds left) once a second of a run of `plan` in this order on `cores` cores."""
    clock = Clock()
    board = Board(cores, clock)
    counts = {rule: sum(name == rule for name, *_ in plan) for rule, *_ in plan}
    width = max(map(len, counts))
    table = "\n".join(f"{rule:<{width}}  {count}" for rule, count in counts.items())
    read(board, f"{HEAD}Job stats:\njob  count\n---  ---\n{table}\ntotal  {len(plan)}\n\n")
    schedule = []  # (start, end, jobid, rule, threads)
    free = [0.0] * cores
    for jobid, (rule, threads, seconds) in enumerate(plan):
        free.sort()
        start = free[min(threads, cores) - 1]
        for core in range(min(threads, cores)):
            free[core] = start + seconds
        schedule.append((start, start + seconds, jobid, rule, threads))
    end = max(stop for _, stop, *_ in schedule)
    events = sorted(
        [(stop, 0, jobid, rule, 0) for _, stop, jobid, rule, _ in schedule]
        + [(start, 1, jobid, rule, threads) for start, _, jobid, rule, threads in schedule]
    )
    begun, done = clock.now, 0
    for second in range(int(end) + 2):
        while events and events[0][0] <= second:
            moment, starts, jobid, rule, threads = events.pop(0)
            clock.now = begun + moment
            done += not starts
            read(board, started(rule, jobid, threads) if starts else finished(rule, jobid, done, len(plan)))
        clock.now = begun + second
        fractions = {}
        if tell:
            for start, stop, _, rule, _ in schedule:
                if start <= second < stop and rule == "train_model":
                    fractions[rule] = (second - start) / (stop - start)
        yield board, board.seconds_left(fractions), max(0.0, end - second)


@pytest.mark.parametrize("cores", [1, 2, 8])
@pytest.mark.parametrize("tell", [True, False])
def test_the_estimate_is_never_negative_and_ends_at_zero(cores: int, tell: bool) -> None:
    estimates = [estimate for _, estimate, _ in simulate(PLAN, cores, tell)]
    assert min(estimates) >= 0
    assert estimates[0] > 0
    assert estimates[-1] == 0


@pytest.mark.parametrize("cores", [1, 2, 4])
def test_the_estimate_is_near_the_truth_once_each_kind_of_job_was_seen(cores: int) -> None:
    """The plan twice over, so that every rule has finished a job in the first half."""
    half = sum(seconds * min(threads, cores) for _, threads, seconds in PLAN) / cores
    checked = 0
    for _, estimate, truth in simulate(PLAN + PLAN, cores, tell=True):
        if truth <= half and truth > 10:
            assert 0.6 * truth - 5 <= estimate <= 1.6 * truth + 5, (estimate, truth)
            checked += 1
    assert checked > 100


def test_the_estimate_falls_while_a_job_goes_on_as_it_says(clock: Clock) -> None:
    board = Board(2, clock)
    read(board, HEAD + "Job stats:\njob  count\n---  ---\ntrain_model  1\ntotal  1\n\n" + started("train_model", 6, 2))
    estimates = []
    for second in range(10, 200, 10):
        clock.now = 1000.0 + second
        estimates.append(board.seconds_left({"train_model": second / 200}))
    assert estimates == pytest.approx([200.0 - second for second in range(10, 200, 10)])


def test_a_long_first_training_is_not_taken_for_all_of_its_kind(clock: Clock) -> None:
    board = Board(2, clock)
    read(board, HEAD + "Job stats:\njob  count\n---  ---\ntrain_model  3\ntotal  3\n\n" + started("train_model", 6, 2))
    clock.now += 50
    assert board.seconds_left({"train_model": 0.25}) == pytest.approx(150 + 2 * FIRST_GUESS["train_model"])


def test_a_job_that_takes_longer_than_expected_counts_as_almost_done(clock: Clock) -> None:
    board = Board(1, clock)
    read(board, HEAD + "Job stats:\njob  count\n---  ---\nscore_maps  1\ntotal  1\n\n" + started("score_maps", 6))
    clock.now += 1000
    assert board.seconds_left({}) == 0


# --- running ------------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fake_snakemake(monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    Path("snake.py").write_text("import os, sys, time\n" + body)
    monkeypatch.setattr(runner, "_snakemake", lambda: [sys.executable, "snake.py"])


def test_a_run_logs_everything_and_hands_on_the_exit_code(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("canned").write_text(
        HEAD + STATS + started("score_maps", 7) + finished("score_maps", 7, 1, 9) + failed("train_model", 6)
    )
    fake_snakemake(
        monkeypatch,
        "open('arguments', 'w').write(' '.join(sys.argv[1:]) + ' ' + os.environ['WSOL_PROGRESS'])\n"
        "print(open('canned').read(), end='', flush=True)\n"
        "print('wsol: bad.png is cut off', file=sys.stderr)\n"
        "sys.exit(3)\n",
    )
    Path("scratch/progress").mkdir(parents=True)
    Path("scratch/progress/train__old").write_text("0.5 \n")
    assert runner.run_workflow(["reports/tableB.csv", "--config", "scale=smoke"], cores="2") == 3
    assert Path("arguments").read_text() == "reports/tableB.csv --config scale=smoke --cores 2 scratch/progress"
    assert not Path("scratch/progress/train__old").exists(), "what a killed run left behind is not this run's progress"
    log = Path("logs/run.log").read_text()
    assert log == Path("canned").read_text() + "wsol: bad.png is cut off\n"
    said = capsys.readouterr().out
    assert "Error in rule train_model" in said and "wsol: bad.png is cut off" in said
    assert "1 of 9 jobs done" in said and "logs/run.log" in said


def test_a_quiet_run_says_only_what_failed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("canned").write_text(HEAD + STATS + started("score_maps", 7) + finished("score_maps", 7, 1, 9))
    fake_snakemake(monkeypatch, "print(open('canned').read(), end='')\n")
    assert runner.run_workflow([], quiet=True) == 0
    assert capsys.readouterr().out == ""
    Path("canned").write_text(failed("score_maps", 7))
    assert runner.run_workflow([], quiet=True) == 0
    assert "Error in rule score_maps" in capsys.readouterr().out


def test_the_lock_of_a_killed_run_is_taken_over(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_snakemake(
        monkeypatch,
        "open('calls', 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        "if '--unlock' in sys.argv: os.remove('.snakemake/locks/0.input.lock')\n",
    )
    assert runner.run_workflow(["all"], cores="1", quiet=True) == 0
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.input.lock").touch()
    assert runner.run_workflow(["all"], cores="1", quiet=True) == 0
    assert Path("calls").read_text().splitlines() == ["all --cores 1", "--unlock", "all --cores 1"]


def test_a_second_run_waits_for_the_first(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_snakemake(
        monkeypatch,
        "import pathlib\n"
        "assert not pathlib.Path('busy').exists(), 'two at once'\n"
        "pathlib.Path('busy').touch(); time.sleep(0.5); pathlib.Path('busy').unlink()\n",
    )
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(runner.run_workflow([], cores="1", quiet=False))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert codes == [0, 0]
    assert capsys.readouterr().out.count("another run is at work in this folder") == 1


def test_snakemake_is_killed_with_its_runner(checkout: Path) -> None:
    Path("snake.py").write_text(
        "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)\n"
    )
    program = (
        # A shell that starts the tests in the background has its processes ignore SIGINT.
        "import signal, sys\nfrom wsol import runner\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "runner._snakemake = lambda: [sys.executable, 'snake.py']\nrunner.run_workflow([], cores='1')\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not (Path("pid").exists() and Path("pid").read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        child = int(Path("pid").read_text())
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not runs(child)
    # The lock died with its holder.
    with runner._only_run_here(quiet=True):
        pass


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_interrupted_run_lets_snakemake_end_its_jobs(checkout: Path) -> None:
    Path("snake.py").write_text(
        "import pathlib, signal, sys, time\n"
        "def stop(*_):\n"
        "    pathlib.Path('stopped').touch(); sys.exit(7)\n"
        "signal.signal(signal.SIGINT, stop)\n"
        "pathlib.Path('ready').touch(); time.sleep(60)\n"
    )
    program = (
        # A shell that starts the tests in the background has its processes ignore SIGINT.
        "import signal, sys\nfrom wsol import runner\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "runner._snakemake = lambda: [sys.executable, 'snake.py']\nsys.exit(runner.run_workflow([], cores='1'))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120  # on a busy machine
        while not Path("ready").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 7 and Path("stopped").exists()
    assert "training goes on from where it was" in said


# --- the line -----------------------------------------------------------------------------------------------------


def test_the_line_shows_jobs_notes_and_the_estimate(checkout: Path, clock: Clock) -> None:
    board = Board(2, clock)
    assert runner._status_line(board, 1.0) == "building the graph of jobs"
    read(board, HEAD + STATS + started("train_model", 6, 2))
    assert "starting" not in runner._status_line(board, 5.0)
    runner.PROGRESS.mkdir(parents=True)
    (runner.PROGRESS / "train__demo__synthbirds__resnet50__cam__0").write_text("0.2500 epoch 3 of 10\n")
    (runner.PROGRESS / "train__demo__done__resnet50__cam__0").write_text("1.0000 epoch 10 of 10\n")
    (runner.PROGRESS / ".train__half").write_text("0.9")
    (runner.PROGRESS / "maps__broken").write_text("")
    os.utime(runner.PROGRESS / "train__demo__done__resnet50__cam__0", (1, 1))
    clock.now += 30
    line = runner._status_line(board, 100.0)
    assert line.startswith("[1.7 min] 0/9 jobs, about ")
    assert line.endswith("| train_model synthbirds resnet50 cam epoch 3 of 10 (25%)")


def test_all_cores_are_those_that_this_process_may_use() -> None:
    assert runner._core_count("all") == len(os.sched_getaffinity(0))
    assert runner._core_count("3") == 3


def test_jobs_find_device_run_and_allocator_in_their_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WSOL_DEVICE", "WSOL_PARENT", "GLIBC_TUNABLES"):
        monkeypatch.setenv(name, "")  # so that what is set below is taken back
        monkeypatch.delenv(name)
    runner.hand_to_jobs("cpu")
    assert (os.environ["WSOL_DEVICE"], os.environ["WSOL_PARENT"]) == ("cpu", str(os.getpid()))
    assert os.environ["GLIBC_TUNABLES"] == runner.ALLOCATOR


def test_who_set_the_allocator_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WSOL_DEVICE", "WSOL_PARENT"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=1")
    runner.hand_to_jobs("cpu")
    assert os.environ["GLIBC_TUNABLES"] == "glibc.malloc.check=1"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's; set them on Linux")
def test_freed_blocks_are_kept_with_the_allocator_of_jobs() -> None:
    # 64 MiB is above the largest threshold to which glibc goes by itself
    again = """
import resource
def fill_often():
    for _ in range(20):
        b"x" * 2**26
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(-fill_often() + fill_often())
"""
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}

    def page_faults(**settings: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", again], env=environment | settings, capture_output=True, check=True
        )
        return int(done.stdout)

    assert page_faults(GLIBC_TUNABLES=runner.ALLOCATOR) < page_faults() / 10


def test_a_run_that_failed_does_not_end_like_one_that_had_nothing_to_do() -> None:
    board = Board(2)
    assert last_line(board, 60.0, failed=True).startswith("failed: no job was run")
    board.done, board.total = 3, 5
    assert last_line(board, 60.0, failed=True).startswith("failed: 3 of 5 jobs done")
    assert last_line(board, 60.0, failed=False).startswith("3 of 5 jobs done")
