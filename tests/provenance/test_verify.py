from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wsol.cli import verify as verify_cli
from wsol.errors import DataError
from wsol.files import sha256_bytes
from wsol.provenance.job import Job
from wsol.provenance.verify import Report, verify

IMAGES = "data/demo/set/images.zip"
MODEL = "results/demo/checkpoints/set/model.bin"
HISTORY = "results/demo/checkpoints/set/train.csv"
MAPS = "results/demo/maps/set/cam.test.bin"
TABLE = "reports/demo/t.csv"
SETTINGS = "results/demo/params/train/set.json"
SPEC = "params/papers/t.yaml"
RAW = "raw:photos.tar"


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chain of four jobs, images → model → maps → table, each with its own module and a module shared by two."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WSOL_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "wsol.tracking", None)
    for name, text in {
        "pyproject.toml": "",
        "src/toy/common.py": "",
        "src/toy/data.py": "",
        "src/toy/train.py": "import toy.common\n",
        "src/toy/maps.py": "def f():\n    from toy import common\n",
        "src/toy/table.py": "",
        "data/raw/photos.tar": "photographs",
        SETTINGS: '{"lr": 0.1}\n',
        SPEC: "rows: [CAM]\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    run_chain()
    return tmp_path


def run_job(module: str, inputs: list[str], outputs: list[str]) -> None:
    sidecar = str(Path(outputs[0]).with_suffix(".prov.json"))
    with Job(
        layer=module,
        cell={"scale": "demo"},
        sidecar=sidecar,
        inputs={"all": inputs},
        code_roots=[f"toy.{module}"],
        package_root="src",
        command=["wsol", module],
    ) as job:
        for output in outputs:
            job.output_path(output).write_text(f"{output} by {module}")


def run_chain() -> None:
    run_job("data", [RAW], [IMAGES])
    run_job("train", [IMAGES, SETTINGS], [MODEL, HISTORY])
    run_job("maps", [MODEL], [MAPS])
    run_job("table", [MAPS, SPEC], [TABLE])


def check(*roots: str, **options: object) -> Report:
    folders = [Path(root) for root in roots or ("data", "results", "reports")]
    return verify(folders, package_root="src", **options)  # type: ignore[arg-type]


def found(report: Report) -> dict[str, tuple[str, str, bool]]:
    """Artefact → kind, file to blame, and whether it is stale only through another artefact; each must come once."""
    assert len({problem.artefact for problem in report.problems}) == len(report.problems)
    return {problem.artefact: (problem.kind, problem.file, problem.via is not None) for problem in report.problems}


def write_old(name: str, text: str) -> None:
    """Change a file and give it a time stamp older than everything made from it."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)
    os.utime(name, (1, 1))


def test_an_untouched_chain_is_verified(checkout: Path) -> None:
    report = check()
    assert found(report) == {} and report.ok
    assert (report.artefacts, report.jobs, report.warnings) == (5, 4, [])


def test_time_stamps_mean_nothing(checkout: Path) -> None:
    for path in checkout.rglob("*"):
        os.utime(path, (1, 1) if path.suffix == ".bin" else None)
    assert check().ok


Expected = dict[str, tuple[str, str, bool]]


def through(file: str, *artefacts: str) -> Expected:
    return dict.fromkeys(artefacts, ("stale-input", file, True))


def direct(kind: str, file: str, *artefacts: str) -> Expected:
    return dict.fromkeys(artefacts, (kind, file, False))


EDITS: dict[str, tuple[Callable[[], object], Expected]] = {
    "raw data": (
        lambda: write_old("data/raw/photos.tar", "other photographs"),
        direct("stale-input", RAW, IMAGES) | through(RAW, MODEL, HISTORY, MAPS, TABLE),
    ),
    "raw data gone": (
        lambda: Path("data/raw/photos.tar").unlink(),
        direct("missing-input", RAW, IMAGES) | through(RAW, MODEL, HISTORY, MAPS, TABLE),
    ),
    "code of the first job": (
        lambda: write_old("src/toy/data.py", "# edited"),
        direct("stale-code", "src/toy/data.py", IMAGES) | through("src/toy/data.py", MODEL, HISTORY, MAPS, TABLE),
    ),
    "code of two jobs": (
        lambda: write_old("src/toy/common.py", "# edited"),
        direct("stale-code", "src/toy/common.py", MODEL, HISTORY, MAPS) | through("src/toy/common.py", TABLE),
    ),
    "code of the last job": (
        lambda: write_old("src/toy/table.py", "# edited"),
        direct("stale-code", "src/toy/table.py", TABLE),
    ),
    "new package file on the way": (
        lambda: write_old("src/toy/__init__.py", ""),
        direct("stale-code", "src/toy/__init__.py", IMAGES, MODEL, HISTORY, MAPS, TABLE),
    ),
    "module gone": (lambda: Path("src/toy/table.py").unlink(), direct("stale-code", "toy.table", TABLE)),
    "parameters": (
        lambda: write_old(SETTINGS, '{"lr": 0.2}\n'),
        direct("stale-input", SETTINGS, MODEL, HISTORY) | through(SETTINGS, MAPS, TABLE),
    ),
    "table definition": (lambda: write_old(SPEC, "rows: []\n"), direct("stale-input", SPEC, TABLE)),
    "weights": (
        lambda: write_old(MODEL, "other weights"),
        direct("changed-output", MODEL, MODEL) | direct("stale-input", MODEL, MAPS) | through(MODEL, TABLE),
    ),
    "weights gone": (
        lambda: Path(MODEL).unlink(),
        direct("missing-output", MODEL, MODEL) | direct("missing-input", MODEL, MAPS) | through(MODEL, TABLE),
    ),
    "output that nothing reads": (lambda: write_old(HISTORY, "loss"), direct("changed-output", HISTORY, HISTORY)),
    "table": (lambda: write_old(TABLE, "99.9"), direct("changed-output", TABLE, TABLE)),
    "sidecar gone": (
        lambda: Path(MAPS).with_suffix(".prov.json").unlink(),
        direct("unexplained", MAPS, MAPS),
    ),
    "sidecar broken": (
        lambda: write_old(str(Path(TABLE).with_suffix(".prov.json")), "{"),
        direct("unexplained", TABLE, TABLE)
        | direct("unexplained", "reports/demo/t.prov.json", "reports/demo/t.prov.json"),
    ),
    "extra file": (
        lambda: write_old("results/demo/maps/set/extra.bin", ""),
        direct("unexplained", "results/demo/maps/set/extra.bin", "results/demo/maps/set/extra.bin"),
    ),
    "second sidecar": (
        lambda: write_old("reports/demo/u.prov.json", Path("reports/demo/t.prov.json").read_text()),
        direct("duplicate", "reports/demo/u.prov.json", TABLE),
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_exactly_the_affected_artefacts_are_reported(edit: str) -> None:
    mutate, expected = EDITS[edit]
    mutate()
    assert found(check()) == expected


def test_rebuilding_downstream_of_stale_weights_is_not_enough(checkout: Path) -> None:
    write_old("src/toy/data.py", "# edited")
    run_job("maps", [MODEL], [MAPS])
    run_job("table", [MAPS, SPEC], [TABLE])
    assert found(check())[TABLE] == ("stale-input", "src/toy/data.py", True)
    run_chain()
    assert check().ok


def test_a_narrow_root_is_still_judged_by_its_whole_chain(checkout: Path) -> None:
    write_old("src/toy/data.py", "# edited")
    assert found(check("reports")) == through("src/toy/data.py", TABLE)
    assert found(check(TABLE)) == through("src/toy/data.py", TABLE)
    assert (check(TABLE).artefacts, check(TABLE).jobs) == (1, 1)


def test_parameter_texts_are_believed_rather_than_the_resolved_file(checkout: Path) -> None:
    now = Path(SETTINGS).read_text()
    for same in ({SETTINGS: now}, {SETTINGS: sha256_bytes(now.encode())}):
        assert check(parameter_texts=same).ok
    stale = direct("stale-parameters", SETTINGS, MODEL, HISTORY) | through(SETTINGS, MAPS, TABLE)
    assert found(check(parameter_texts={SETTINGS: '{"lr": 0.2}\n'})) == stale
    dropped = check(parameter_texts={})
    assert found(dropped) == stale
    assert "no longer describe" in dropped.problems[0].message


def test_missing_raw_data_can_be_allowed(checkout: Path) -> None:
    Path("data/raw/photos.tar").unlink()
    report = check(allow_missing_raw=True)
    assert report.ok
    assert [(warning.kind, warning.file) for warning in report.warnings] == [("missing-input", RAW)]
    Path(IMAGES).unlink()
    assert not check(allow_missing_raw=True).ok


def test_ignored_hidden_and_parameter_files_need_no_sidecar(checkout: Path) -> None:
    for name in ("reports/notes.txt", "results/demo/.cam.1.partial.bin", "results/demo/params/data/other.json"):
        write_old(name, "")
    assert set(found(check())) == {"reports/notes.txt"}
    assert check(ignore=["*.txt"]).ok and check(ignore=["reports/notes*"]).ok


def test_a_root_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(DataError, match="nowhere"):
        check("nowhere")


def test_two_hundred_files_take_about_a_second(checkout: Path) -> None:
    for i in range(60):
        run_job("maps", [MODEL], [f"results/demo/maps/set/{i}.{part}.bin" for part in range(3)])
    report = check()
    assert report.ok and report.artefacts == 185
    assert report.seconds < 3.0


def run_cli(monkeypatch: pytest.MonkeyPatch, *arguments: str, texts: dict[str, str] | None = None) -> int:
    """The verb, with the toy package in place of wsol and its settings in place of params/*.yaml."""
    texts = {SETTINGS: '{"lr": 0.1}\n'} if texts is None else texts
    monkeypatch.setattr("wsol.config.resolve.ExpectedTexts", lambda: texts)
    monkeypatch.setattr(verify_cli, "verify", lambda *a, **o: verify(*a, **o, package_root="src"))
    return verify_cli.main(list(arguments))


def test_cli_says_in_a_line_that_all_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(monkeypatch) == 0
    assert capsys.readouterr().out.startswith("verified 5 artefacts of 4 jobs in ")


def test_cli_groups_problems_and_gives_a_repair(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(monkeypatch, texts={SETTINGS: "{}"}) == 1
    out = capsys.readouterr().out
    assert f"stale-parameters: {SETTINGS}: params/*.yaml" in out
    assert f"stale through other artefacts, because of {SETTINGS}:\n    {TABLE}\n    {MAPS}\n" in out
    assert f"repair: snakemake --cores all {MODEL} --force" in out
    assert "FAILED: 4 artefacts cannot be trusted" in out


def test_cli_json_lists_every_problem(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_old(TABLE, "99.9")
    assert run_cli(monkeypatch, "--json", "reports") == 1
    value = json.loads(capsys.readouterr().out)
    assert not value["ok"]
    assert [(problem["artefact"], problem["kind"]) for problem in value["problems"]] == [(TABLE, "changed-output")]


def test_cli_certifies_nothing_where_nothing_was_made(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "empty").mkdir()
    assert run_cli(monkeypatch, "empty") == 1
    assert "nothing to verify" in capsys.readouterr().out
