"""How verbs start, fail and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wsol.cli.common import archive_input, environment_input
from wsol.cli.entry import enter, main, verb_names
from wsol.errors import DataError, ParameterError

REPO = Path(__file__).resolve().parents[2]


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "WSOL_PARENT"} | variables
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False, timeout=60
    )


def test_help_lists_every_verb_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["wsol"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"data", "train", "maps", "score", "table", "figure", "verify", "trace", "doctor", "ui"} <= set(verb_names())
    for verb in verb_names():
        line = next(line for line in lines if line.strip().startswith(f"{verb} "))
        assert len(line.split()) > 3, f"{verb} says what it does"


def test_an_unknown_verb_is_refused_with_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in ("trian", "entry", "common", "../train"):
        monkeypatch.setattr(sys, "argv", ["wsol", wrong])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert f"no verb {wrong!r}" in said and "train" in said


def test_every_verb_can_be_started_both_ways_and_light_ones_load_no_torch() -> None:
    program = (
        "import importlib, sys\n"
        "from wsol.cli.entry import verb_names\n"
        "for verb in verb_names(): assert callable(importlib.import_module(f'wsol.cli.{verb}').main)\n"
        "print([name for name in ('torch', 'mlflow', 'matplotlib', 'pandas', 'torchvision') if name in sys.modules])\n"
    )
    done = python("-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_an_error_of_the_user_is_a_line_without_traceback(tmp_path: Path) -> None:
    arguments = ["--settings", "none.json", "--maps", "a", "b", "--manifests", "c", "d", "--out", "e", "f"]
    arguments += ["--images-out", "g", "h", "--sidecar", "i.prov.json"]
    done = python("-m", "wsol.cli.score", *arguments)
    assert done.returncode == 2
    assert done.stderr == "wsol: none.json: no such file; make it first, or check the path\n"
    assert done.stdout == ""
    done = python("-m", "wsol.cli.score", "--settings", "none.json")
    assert done.returncode == 2 and "the following arguments are required" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("error", [DataError("a.png: cut off"), ParameterError("a.yaml: unknown key")])
def test_errors_end_with_two_and_a_verbs_own_code_is_kept(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WSOL_PARENT", raising=False)

    def fails(argv: list[str]) -> int:
        raise error

    with pytest.raises(SystemExit) as ended:
        enter(fails, [])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"wsol: {error}\n"
    with pytest.raises(SystemExit) as ended:
        enter(lambda argv: len(argv), ["a", "b", "c"])
    assert ended.value.code == 3


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSOL_PARENT", raising=False)
    with pytest.raises(ZeroDivisionError):
        enter(lambda argv: 1 // 0, [])


def test_a_reader_that_goes_away_makes_no_noise() -> None:
    program = (
        "from wsol.cli.entry import enter\n"
        "enter(lambda argv: [print('x' * 999, flush=True) for _ in range(9999)] and 0)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


JOB = (
    "import time\nfrom pathlib import Path\nfrom wsol.cli.entry import enter\n"
    "def verb(argv):\n    Path('started').touch(); time.sleep(60)\n    return 0\n"
    "enter(verb, [])\n"
)


def test_a_job_ends_soon_after_the_run_that_started_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        subprocess.Popen(["sleep", "60"]) as run,
        subprocess.Popen([sys.executable, "-c", JOB], env={**os.environ, "WSOL_PARENT": str(run.pid)}) as job,
    ):
        deadline = time.monotonic() + 30
        while not Path("started").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.6)
        assert job.poll() is None, "it runs while the run does"
        run.send_signal(signal.SIGKILL)
        begun = time.monotonic()
        # The killed run is a zombie, for nobody has waited for it: that is no life either.
        assert job.wait(timeout=10) == 130
        assert time.monotonic() - begun < 4, "half a second, and what a busy machine adds"


def test_a_job_whose_run_is_gone_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with subprocess.Popen(["true"]) as run:
        pass
    done = python("-c", JOB, WSOL_PARENT=str(run.pid))
    assert done.returncode != 0 and "Traceback" not in done.stderr and "gone" in done.stderr
    assert not Path("started").exists()


def test_environment_lies_beside_the_resolved_settings() -> None:
    assert environment_input(Path("results/demo/params/train/a/b/cam.json")) == Path(
        "results/demo/params/environment.json"
    )


def test_archives_are_inputs_and_folders_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wsol.data.manifest import Manifest

    monkeypatch.setenv("WSOL_DATA", str(tmp_path))
    (tmp_path / "folder").mkdir()
    (tmp_path / "archive.tar").touch()

    def manifest(source: str) -> Manifest:
        return Manifest.from_rows("toys", "test", source, 1, "boxes", [])

    assert archive_input(manifest("raw:folder")) == {}
    assert archive_input(manifest("raw:archive.tar")) == {"images": tmp_path / "archive.tar"}
