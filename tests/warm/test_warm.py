"""Jobs done in children of a run's server: as if they had done their work themselves, also when something dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wsol.warm import launch
from wsol.warm.server import JOBS_WITHOUT, READY

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(sys.platform != "linux", reason="there is a server on Linux alone"),
]

JOB = """
import sys
from wsol.warm import client
client._own_module = lambda: "probe"
client.hand_over()
print("alone")
"""
PROBE = """
import json, os, sys, time
from pathlib import Path
def main():
    what = sys.argv[1]
    if what == "tell":
        own = [name for name in sys.modules if name.startswith("wsol.") and "warm" not in name]
        told = {"parent": os.getppid(), "folder": os.getcwd(), "said": os.environ.get("SAID"), "name": __name__}
        told |= {"arguments": sys.argv[1:], "torch": "torch" in sys.modules, "variable": os.environ.get("WSOL_WARM")}
        print(json.dumps({**told, "input": sys.stdin.read(), "own": own}))
        print("to the other stream", file=sys.stderr)
        sys.exit(7)
    if what == "fail":
        1 / 0
    if what == "text":
        sys.exit("why it failed")
    Path("begun").write_text(str(os.getpid()))
    try:
        for _ in range(600):
            Path("alive").write_text(str(time.monotonic()))
            time.sleep(0.1)
    except KeyboardInterrupt:
        print("tidied up")
        sys.exit(5)
main()
"""


class Run:
    """A server, and jobs in a folder."""

    def __init__(self, folder: Path, server: subprocess.Popen[bytes], variable: str) -> None:
        self.folder, self.server, self.variable = folder, server, variable

    def begin(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "WSOL_WARM": self.variable, **variables}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(
            [sys.executable, str(self.folder / "job.py"), *arguments],
            cwd=self.folder,
            env=environment,
            text=True,
            **pipes,
        )

    def job(self, *arguments: str, given: str = "", **variables: str) -> tuple[int, str, str]:
        with self.begin(*arguments, **variables) as process:
            out, err = process.communicate(given, timeout=60)
        return process.returncode, out, err

    def endless(self) -> tuple[subprocess.Popen[str], int]:
        """A job that works until it is stopped, and the process that does the work."""
        job = self.begin("endless")
        begun = self.folder / "begun"
        wait_for(lambda: begun.exists() and begun.read_text() != "")
        return job, int(begun.read_text())


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("run"))
        patch.setenv("WSOL_WARM", "")
        process = launch.start()
        assert process is not None
        path = os.environ["WSOL_WARM"]
        wait_for(Path(path).exists)
        yield process, path
        process.terminate()
        process.wait(10)
        assert not Path(path).parent.exists(), "it takes its folder along"
        assert Path(launch.LOG).read_text() == f"{READY}\n"


@pytest.fixture
def run(tmp_path: Path, server: tuple[subprocess.Popen[bytes], str]) -> Run:
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "probe.py").write_text(PROBE)
    return Run(tmp_path, *server)


def test_few_jobs_do_their_work_themselves_and_the_others_in_a_child_of_the_server(run: Run) -> None:
    assert [run.job("tell")[1] for _ in range(JOBS_WITHOUT)] == ["alone\n"] * JOBS_WITHOUT
    status, out, err = run.job("tell", "a b", given="from a pipe", SAID="aloud")
    assert (status, err) == (7, "to the other stream\n")
    told = json.loads(out)
    assert told.pop("parent") == run.server.pid
    assert told.pop("own") == ["wsol.lineage"], "a job reads the project's code as it is now"
    assert told == {
        "folder": str(run.folder),
        "said": "aloud",
        "name": "__main__",
        "arguments": ["tell", "a b"],
        "torch": True,
        "variable": None,
        "input": "from a pipe",
    }


def test_a_job_fails_as_it_would_alone(run: Run) -> None:
    status, out, err = run.job("fail")
    assert (status, out) == (1, "") and "ZeroDivisionError" in err
    assert run.job("text") == (1, "", "why it failed\n")


def test_without_a_server_a_job_does_its_work_itself(run: Run) -> None:
    for nowhere in (str(run.folder / "none"), "0", ""):
        assert run.job("tell", WSOL_WARM=nowhere) == (0, "alone\n", "")


def test_a_signal_reaches_the_child_and_the_job_ends_as_the_child_does(run: Run) -> None:
    job, child = run.endless()
    job.send_signal(signal.SIGINT)
    assert job.communicate(timeout=10) == ("tidied up\n", "") and job.returncode == 5
    assert not lives(child)
    (run.folder / "begun").unlink()
    job, child = run.endless()
    job.terminate()
    assert job.wait(10) == -signal.SIGTERM
    assert not lives(child), "who waits for the job may then remove what it wrote"


def test_the_child_of_a_killed_job_does_not_write_on(run: Run) -> None:
    job, child = run.endless()
    job.kill()
    job.wait(10)
    wait_for(lambda: not lives(child), 5)
    assert run.job("text")[0] == 1, "the server goes on"


def test_jobs_side_by_side_have_outcomes_of_their_own(run: Run) -> None:
    jobs = [run.begin(what) for what in ("tell", "text", "fail", "tell")]
    ends = [(job.communicate("", timeout=60), job.returncode) for job in jobs]
    assert [status for _, status in ends] == [7, 1, 1, 7]
    assert [streams[0] == "" for streams, _ in ends] == [False, True, True, False]


STARTS = """
import os, time
from wsol.warm.launch import start
server = start()
print(server.pid, os.environ["WSOL_WARM"], flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_server_and_children_end_with_the_run(run: Run, number: int) -> None:
    environment = {**os.environ, "WSOL_WARM": ""}
    with subprocess.Popen(
        [sys.executable, "-c", STARTS], cwd=run.folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        server, path = starter.stdout.readline().split()
        wait_for(Path(path).exists)
        other = Run(run.folder, run.server, path)
        for _ in range(JOBS_WITHOUT):
            other.job("tell")
        job, child = other.endless()
        starter.send_signal(number)
        out, err = job.communicate(timeout=10)
        assert (job.returncode, out) == (1, "") and "run it again" in err
        wait_for(lambda: not lives(child) and not lives(int(server)), 5)
        assert not Path(path).parent.exists()


def test_a_server_whose_run_died_before_it_could_notice_ends_at_once(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as run:
        pass
    path = tmp_path / "folder" / "jobs"
    path.parent.mkdir()
    done = subprocess.run([sys.executable, "-m", "wsol.warm.server", str(path), str(run.pid)], timeout=20)
    assert done.returncode == 0 and not path.parent.exists()


def test_a_user_can_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSOL_WARM", "0")
    assert launch.start() is None
    assert os.environ["WSOL_WARM"] == "0"
