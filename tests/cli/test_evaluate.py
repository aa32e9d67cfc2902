"""`wsol evaluate` as it is typed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wsol.attribution.store import write_maps
from wsol.cli.evaluate import main
from wsol.data.released import read_released
from wsol.errors import DataError, ParameterError
from wsol.methods.center import center_gaussian

sys.path.insert(0, str(Path(__file__).parents[1] / "standalone"))
from miniature import SIZE, score_maps, write_boxes, write_folder, write_masks

REPO = Path(__file__).resolve().parents[2]


def real_metadata() -> Path:
    root = Path(os.environ.get("WSOL_DATA", REPO / "../shared/data")) / "wsol-metadata"
    if not root.is_dir():
        pytest.skip("set WSOL_DATA to the folder with wsol-metadata")
    return root


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with metadata and maps as the released code leaves them, and no checkout of the repository."""
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "scoremaps", score_maps(write_boxes(tmp_path / "metadata")))
    return tmp_path


GROUND_TRUTH = ["--metadata", "metadata", "--dataset", "CUB", "--split", "test"]
GIVEN = ["--maps", "scoremaps", *GROUND_TRUTH, "--size", str(SIZE)]


def wsol(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("WSOL_PARENT", "PYTHONPATH")}
    program = "import sys; from wsol.cli.entry import main; sys.argv[0] = 'wsol'; main()"
    command = [sys.executable, "-c", program, "evaluate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, check=False, timeout=120)


def test_the_centre_gaussian_on_cub_is_the_row_of_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = real_metadata().resolve()
    monkeypatch.chdir(tmp_path)
    ids = read_released(metadata, "CUB", "test").image_ids
    write_maps("center.safetensors", center_gaussian(224, 112, 56)[None], ids, None, size=224)
    given = ["--metadata", str(metadata), "--dataset", "CUB", "--split", "test", "--device", "cpu"]
    assert main(["--maps", "center.safetensors", *given, "--out", "center", "--quiet"]) == 0
    said = capsys.readouterr()
    assert "CUB test: 5794 maps, scored at 224 x 224" in said.out and said.err == ""
    assert "MaxBoxAcc    59.72" in said.out and "MaxBoxAccV2  56.97" in said.out
    document = json.loads(Path("center.json").read_text())
    assert set(document["ground_truth"]["files"].values()) == {"released"} and document["warnings"] == []
    with open(REPO / "reports" / "center.csv", newline="") as stream:
        published = [row for row in csv.DictReader(stream) if (row["dataset"], row["split"]) == ("CUB", "test")]
    assert {row["metric"]: 100 * int(row["hits"]) / int(row["n"]) for row in published} == pytest.approx(
        document["values"], rel=1e-12
    )
    # The same in two shares, the second first.
    for share in ("2/2", "1/2"):
        part = ["--shard", share, "--out", f"part{share[0]}", "--quiet"]
        assert main(["--maps", "center.safetensors", *given, *part]) == 0
    assert main(["--merge", "part2.state.npz", "part1.state.npz", *given, "--out", "merged"]) == 0
    for suffix in (".json", ".csv", ".curves.csv", ".png", ".pdf"):
        assert Path(f"merged{suffix}").read_bytes() == Path(f"center{suffix}").read_bytes()


def test_it_runs_outside_the_repository_and_says_that_the_metadata_is_another(here: Path) -> None:
    done = wsol(*GIVEN, "--tau", "0.35", "--resamples", "20", "--breakdown", "--out", "results/mine.1", cwd=here)
    assert done.returncode == 0, done.stderr
    assert "MaxBoxAccV2" in done.stdout and "fixed threshold 0.35" in done.stdout and "95 % interval" in done.stdout
    assert "by size of the object" in done.stdout
    assert "wsol: warning: metadata/CUB/test/localization.txt: not the released file; numbers do not" in done.stderr
    document = json.loads((here / "results/mine.1.json").read_text())
    assert any("localization.txt" in warning for warning in document["warnings"])
    assert document["ground_truth"]["files"]["image_ids.txt"] == "not the released file"
    names = {path.name for path in (here / "results").iterdir()}
    assert names == {f"mine.1{suffix}" for suffix in (".json", ".csv", ".curves.csv", ".png", ".pdf")}


def test_masks_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ids, masks = write_masks(tmp_path / "metadata")
    np.savez("maps.npz", **score_maps(ids))
    given = ["--maps", "maps.npz", "--metadata", "metadata", "--dataset", "OpenImages", "--split", "test"]
    assert main([*given, "--masks", str(masks), "--size", str(SIZE), "--quiet", "--out", "pixels"]) == 0
    assert "over all thresholds" in capsys.readouterr().out
    assert Path("pixels.curves.csv").read_text().startswith("threshold,precision,recall\n0.0,")


def test_options_of_the_metric(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = ["--thresholds", "0.1,0.4", "--contours", "external", "--corners", "inclusive"]
    assert main([*GIVEN, *rules, "--out", "other"]) == 0
    said = capsys.readouterr().out
    for line in (
        "boxes.corners: inclusive instead of exclusive",
        "boxes.max_box_acc_v2.contours: external instead of all",
        "boxes.thresholds: [0.1, 0.4] instead of 1000",
    ):
        assert f"not as in the papers: {line}" in said
    assert len(Path("other.curves.csv").read_text().splitlines()) == 3
    assert main([*GIVEN, *rules, "--frozen-from", "other.json"]) == 0
    assert "that were best on CUB test" in capsys.readouterr().out


def test_a_shard_says_where_its_state_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*GIVEN, "--shard", "2/3", "--out", "a/b"]) == 0
    assert capsys.readouterr().out == "wrote a/b.state.npz\n" and Path("a/b.state.npz").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*GIVEN, "--shard", "1/2"], "--shard: name where the state goes with --out"),
        ([*GIVEN, "--shard", "1/2", "--out", "x", "--tau", "0"], "leave --tau out"),
        (["--merge", "x", *GROUND_TRUTH, "--size", "3"], "leave --size out"),
        (["--merge", "x", *GROUND_TRUTH, "--shard", "1/2"], "leave --shard out"),
        (["--maps", "scoremaps", "--dataset", "CUB"], "name the ground truth"),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], message: str, here: Path) -> None:
    with pytest.raises(ParameterError, match=message):
        main(arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (GROUND_TRUTH, "one of the arguments --maps --merge is required"),
        ([*GIVEN, "--shard", "half"], "'half' is not K/N"),
        ([*GIVEN, "--thresholds", "few"], "'few' is neither a number nor a list"),
    ],
)
def test_misspelt_options_are_explained(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_an_error_is_one_line_and_nothing_is_written(here: Path) -> None:
    np.save("scoremaps/val.jpg.npy", np.zeros((SIZE, SIZE)))
    done = wsol(*GIVEN, "--out", "mine", cwd=here)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("wsol: scoremaps/val.jpg.npy: a map of no image of this split")
    assert len(done.stderr.splitlines()) == 1 and not list(here.glob("mine*"))
    assert main([*GIVEN, "--ignore-extra"]) == 0
    with pytest.raises(DataError, match="no such folder or file of maps"):
        main(["--maps", "none", *GROUND_TRUTH])
