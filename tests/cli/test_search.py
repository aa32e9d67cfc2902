"""`wsol search`: draws that end well, diverge, stop and are killed; the choice; and adopting it."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from wsol.cli import train as train_verb
from wsol.cli.data import prepare, render
from wsol.cli.search import adopt, choose, draw
from wsol.cli.search import main as search
from wsol.config import resolve
from wsol.config.resolve import ExpectedTexts, train_settings
from wsol.errors import DataError, DivergedError, ParameterError, TrainingError
from wsol.files import read_json, sha256_file, write_json
from wsol.provenance.verify import verify
from wsol.testing.interruption import stop_in_step
from wsol.testing.parameters import forget
from wsol.training import loop

REPO = Path(__file__).resolve().parents[2]
SCALE = """
name: mini
purpose: a test
image_size: 32
resize: 36
threads: 1
stand_ins: {CUB: synthbirds}
datasets:
  synthbirds: {classes: 3, seed: 0, images_per_class: {train-weaksup: 4, train-fullsup: 2, test: 1}}
backbones:
  resnet50: {width: 0.125, map_stride: 8}
methods: [has]
seeds: [0]
search: {draws: 2, epochs: 2}
"""
LAYER = """
  - source: a test
    when: {scale: mini}
    set: {epochs: 5, batch_size: 5, learning_rate: 0.05, decay_every_epochs: 2}
"""
CELL = ("mini", "synthbirds", "resnet50", "has")
FOLDER = Path("results/mini/search/synthbirds/resnet50/has")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the data set rendered and listed."""
    root = tmp_path_factory.mktemp("search")
    (root / "pyproject.toml").touch()
    (root / "workflow").symlink_to(REPO / "workflow")
    shutil.copytree(REPO / "params", root / "params", ignore=shutil.ignore_patterns("searched"))
    (root / "params/scales/mini.yaml").write_text(SCALE)
    with (root / "params/methods/has.yaml").open("a") as stream:
        stream.write(LAYER)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("WSOL_TRACKING", "off")
        forget()
        resolve.environment_file("mini")
        settings = resolve.parameter_file("mini", "data", "synthbirds")
        data = "data/mini/synthbirds"
        common = ["--settings", settings]
        assert render.main([*common, "--out", f"{data}/images.zip", "--sidecar", f"{data}/images.prov.json"]) == 0
        assert prepare.main([*common, "--out-dir", data, "--sidecar", f"{data}/manifests.prov.json"]) == 0
        forget()
    return root


@pytest.fixture
def checkout(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shutil.copytree(prepared, tmp_path / "checkout", symlinks=True)
    monkeypatch.chdir(tmp_path / "checkout")
    monkeypatch.setenv("WSOL_TRACKING", "off")
    forget()
    yield tmp_path / "checkout"
    forget()


def draw_arguments(number: int, folder: Path = FOLDER) -> list[str]:
    settings = resolve.parameter_file("mini", "search", *CELL[1:], f"d{number:02d}")
    out, data = folder / f"d{number:02d}", "data/mini/synthbirds"
    return [
        *("--settings", settings, "--train", f"{data}/train-weaksup.parquet", "--val", f"{data}/train-fullsup.parquet"),
        *("--classes", f"{data}/classes.json", "--history", f"{out}/train.csv", "--trial", f"{out}/trial.json"),
        *("--state", f"scratch/{number}.pt", "--device", "cpu", "--sidecar", f"{out}/trial.prov.json"),
    ]


def choose_arguments(draws: int) -> list[str]:
    settings = resolve.parameter_file("mini", "search", *CELL[1:])
    return [
        *("--settings", settings, "--trials", *(f"{FOLDER}/d{number:02d}/trial.json" for number in range(draws))),
        *(
            "--table",
            f"{FOLDER}/draws.csv",
            "--chosen",
            f"{FOLDER}/chosen.json",
            "--sidecar",
            f"{FOLDER}/draws.prov.json",
        ),
    ]


def rescale(**settings: Any) -> None:
    path = Path("params/scales/mini.yaml")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "search": settings}))
    forget()


def rate_range(low: float, high: float) -> None:
    path = Path("params/methods/has.yaml")
    value = yaml.safe_load(path.read_text())
    value["search"]["learning_rate"] = {"distribution": "log_uniform", "low": low, "high": high, "source": "a test"}
    path.write_text(yaml.safe_dump(value, sort_keys=False))
    forget()


def files(folder: str | Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_from_draws_to_the_settings_of_the_training(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = train_settings(*CELL)["hyperparameters"]
    for number in range(2):
        assert search(["draw", *draw_arguments(number)]) == 0
    assert choose.main(choose_arguments(2)) == 0
    assert files(FOLDER) == sorted(
        [f"d0{n}/{name}" for n in (0, 1) for name in ("train.csv", "trial.json", "trial.prov.json")]
        + ["chosen.json", "draws.csv", "draws.prov.json"]
    ), "no weights are kept"
    assert files("scratch") == []
    trials = [read_json(FOLDER / f"d0{number}/trial.json") for number in range(2)]
    for trial in trials:
        with (FOLDER / f"d0{trial['draw']}/train.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [row["epoch"] for row in rows] == ["0", "1", "2"]
        assert (trial["status"], trial["epoch"]) == ("finished", 2)
        assert trial["localisation"] == pytest.approx(float(rows[2]["val_localisation"]), abs=1e-3)
    expected = max(trials, key=lambda trial: (trial["localisation"], -trial["draw"]))
    chosen = read_json(FOLDER / "chosen.json")
    assert chosen["values"] == expected["values"]
    assert f"draw {expected['draw']} of 0 to 1" in chosen["source"] and "2 epochs each" in chosen["source"]
    assert f"MaxBoxAccV2 {expected['localisation']:.2f}" in chosen["source"]
    assert verify([Path("results")], ExpectedTexts()).ok

    assert train_settings(*CELL)["hyperparameters"] == before, "nothing is used before it is adopted"
    assert search(["adopt", *CELL]) == 0
    after = train_settings(*CELL)["hyperparameters"]
    values = expected["values"]
    assert after == {
        **before,
        "learning_rate": values["learning_rate"],
        "options": {"patch": values["options.patch"], "drop_rate": values["options.drop_rate"]},
    }
    said = capsys.readouterr().out
    assert f"learning_rate: 0.05 → {values['learning_rate']}" in said
    assert "commit both" in said
    kept = Path("params/searched/mini/synthbirds.resnet50.has.draws.csv")
    assert kept.read_bytes() == (FOLDER / "draws.csv").read_bytes(), "what was tried stays beside what was chosen"
    assert verify([Path("results")], ExpectedTexts()).ok, "a search does not depend on its own result"
    text = Path("params/searched/mini/synthbirds.resnet50.has.yaml").read_bytes()
    assert adopt.main(list(CELL)) == 0
    assert Path("params/searched/mini/synthbirds.resnet50.has.yaml").read_bytes() == text
    Path("params/searched/mini/synthbirds.resnet50.has.yaml").unlink()
    shutil.rmtree("results")
    assert search(["adopt", "--recorded", *CELL]) == 0
    assert Path("params/searched/mini/synthbirds.resnet50.has.yaml").read_bytes() == text, "the record says as much"


def test_a_record_adopts_nothing_and_is_chosen_from_by_the_rule_of_the_day(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = ((75.0, 29.0), (55.0, 90.0))
    for number, (localisation, accuracy) in enumerate(outcomes):
        values = read_json(Path(resolve.parameter_file("mini", "search", *CELL[1:], f"d0{number}")))["search"]["values"]
        found = {"draw": number, "status": "finished", "epoch": 2, "localisation": localisation, "accuracy": accuracy}
        write_json(FOLDER / f"d0{number}/trial.json", {**found, "values": values, "reason": ""})
    assert choose.main(choose_arguments(2)) == 0
    before = train_settings(*CELL)["hyperparameters"]
    assert search(["record", *CELL]) == 0
    assert "wsol search adopt --recorded mini synthbirds resnet50 has" in capsys.readouterr().out
    forget()
    assert train_settings(*CELL)["hyperparameters"] == before
    shutil.rmtree("results")
    path = Path("params/searched/mini/synthbirds.resnet50.has.yaml")
    for share, draw_number in ((None, 0), (0.9, 1)):
        rescale(draws=2, epochs=2, least_accuracy=share)
        assert adopt.main([*CELL, "--recorded"]) == 0
        assert f"draw {draw_number} of 0 to 1" in yaml.safe_load(path.read_text())["source"]
    for changed, said in (
        ({"draws": 3, "epochs": 2}, "has 2 draws, and the search has draws 0 to 2"),
        ({"draws": 2, "epochs": 3}, "its draws have 2 epochs, and would have 3 today; search again: snakemake"),
        ({"draws": 2, "epochs": 2, "seed": 1}, "draw 0 tried .*, and would try"),
    ):
        rescale(**changed)
        with pytest.raises(DataError, match=rf"params/searched/mini/.*draws\.csv: .*{said}"):
            adopt.main([*CELL, "--recorded"])


def test_a_killed_draw_goes_on_and_ends_in_the_same_bytes(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert draw.main(draw_arguments(0)) == 0
    arguments = draw_arguments(0, Path("again"))
    with monkeypatch.context() as patched:
        stop_in_step(patched, train_verb, 5)
        with pytest.raises(KeyboardInterrupt):
            draw.main(arguments)
    assert files("again") == [] and files("scratch") == ["0.pt"]
    steps: list[float] = []
    monkeypatch.setattr(train_verb.ProgressFile, "__call__", lambda self, fraction, note="": steps.append(fraction))
    assert draw.main(arguments) == 0
    assert steps[0] > 4 / 6, "it begins after the four steps that were done"
    for name in ("train.csv", "trial.json"):
        assert (Path("again/d00") / name).read_bytes() == (FOLDER / "d00" / name).read_bytes()
    assert files("scratch") == []


def test_a_draw_that_diverges_is_an_outcome(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert draw.main(draw_arguments(0)) == 0
    rate_range(1e29, 1e30)
    assert draw.main(draw_arguments(1)) == 0
    trial = read_json(FOLDER / "d01/trial.json")
    assert trial["status"] == "failed" and trial["localisation"] is None
    assert "loss is " in trial["reason"] and "e+29" in trial["reason"]
    assert files("scratch") == []
    assert choose.main(choose_arguments(2)) == 0
    with (FOLDER / "draws.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["rank"], row["status"]) for row in rows] == [("1", "finished"), ("2", "failed")]
    assert rows[1]["reason"] == trial["reason"]
    assert "(1 failed)" in read_json(FOLDER / "chosen.json")["source"]


def test_a_search_in_which_all_failed_has_a_table_and_nothing_to_adopt(checkout: Path) -> None:
    rate_range(1e29, 1e30)
    for number in range(2):
        assert draw.main(draw_arguments(number)) == 0
    assert choose.main(choose_arguments(2)) == 0
    assert read_json(FOLDER / "chosen.json")["values"] is None
    with pytest.raises(DataError, match=r"no draw came to an end; .*draws\.csv"):
        adopt.main(list(CELL))
    assert not Path("params/searched").exists()


def test_another_error_stays_an_error(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any, **options: Any) -> None:
        raise TrainingError("class 'x' has no training image")

    monkeypatch.setattr(loop, "_check_classes", broken)
    with pytest.raises(TrainingError, match="no training image") as found:
        draw.main(draw_arguments(0))
    assert not isinstance(found.value, DivergedError)
    assert files(FOLDER) == [] if FOLDER.exists() else True


def test_a_draw_below_the_threshold_stops_and_cannot_win(checkout: Path) -> None:
    rescale(draws=2, epochs=3, stop_early={"after_epochs": 1, "below": 100})
    assert draw.main(draw_arguments(0)) == 0
    trial = read_json(FOLDER / "d00/trial.json")
    assert trial["status"] == "stopped" and trial["localisation"] is None
    assert "after epoch 1, below 100 %" in trial["reason"]
    with (FOLDER / "d00/train.csv").open(newline="") as stream:
        assert [row["epoch"] for row in csv.DictReader(stream)] == ["0", "1"]
    row = {"epoch": 1.0, "val_localisation": 20.0}
    draw.stop_if_hopeless(row, {"after_epochs": 1, "below": 20.0})
    draw.stop_if_hopeless({**row, "val_localisation": 0.0}, {"after_epochs": 2, "below": 20.0})
    draw.stop_if_hopeless({**row, "val_localisation": 0.0}, False)
    with pytest.raises(draw.StoppedEarly):
        draw.stop_if_hopeless({**row, "val_localisation": float("nan")}, {"after_epochs": 1, "below": 20.0})


def test_the_score_is_that_of_the_epoch_whose_weights_are_kept() -> None:
    history = [
        {"epoch": e, "val_localisation": value, "val_accuracy": e} for e, value in enumerate((50.0, 60.0, 60.0, 40.0))
    ]
    assert draw.outcome(0, {}, history, "last", "finished", "").localisation == 40.0
    best = draw.outcome(0, {}, history, "best", "finished", "")
    assert (best.epoch, best.localisation, best.accuracy) == (1, 60.0, 1)
    history[-1]["val_localisation"] = float("nan")
    assert draw.outcome(0, {}, history, "last", "finished", "").status == "failed"


def test_a_search_trains_on_the_proxy_alone(checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from wsol.data.manifest import read_manifest

    monkeypatch.setenv("WSOL_DATA", str(checkout / "raw"))
    weak = read_manifest("data/mini/synthbirds/train-weaksup.parquet")
    chosen = [name for index, name in enumerate(weak.image_ids) if index % 4 in (1, 3)]
    path = checkout / "raw/list/proxy.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(chosen))
    text = Path("params/datasets/synthbirds.yaml").read_text()
    parameters = text.replace(
        "source: {kind: synthetic}", "source: {kind: synthetic, metadata: list}\nproxy: proxy.txt"
    )
    Path("params/datasets/synthbirds.yaml").write_text(parameters)
    forget()
    assert draw.main(draw_arguments(0)) == 0
    assert f"{len(chosen)} images of 3 classes" in capsys.readouterr().out
    record = read_json(FOLDER / "d00/trial.prov.json")
    assert record["inputs"]["raw:list/proxy.txt"] == sha256_file(path)
    path.write_text("nobody.jpg")
    with pytest.raises(DataError, match=r"proxy\.txt: nobody\.jpg is no image of synthbirds train-weaksup"):
        draw.main(draw_arguments(1))


def test_draws_that_are_missing_or_double_are_refused(checkout: Path) -> None:
    for number in (0, 1):
        trial = {"draw": 0, "status": "failed", "values": {}, "epoch": None, "localisation": None, "accuracy": None}
        write_json(FOLDER / f"d0{number}/trial.json", {**trial, "reason": ""})
    with pytest.raises(DataError, match="the search has draws 0 to 1, each once"):
        choose.main(choose_arguments(2))


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (None, "MaxBoxAccV2 75.00 on train-fullsup, last checkpoint"),
        (0.9, "its own 90.00\\); of all it would have been draw 0, 75.00 with accuracy 29.00"),
        (0.3, "at least 0.3 of the highest accuracy among them, and of all"),
        (
            "own",
            "^random search: its own values, tried beside draws 0 to 0, 2 epochs each on train-weaksup.*checkpoint",
        ),
    ],
)
def test_the_source_says_what_the_condition_on_accuracy_changed(
    checkout: Path, share: float | str | None, said: str
) -> None:
    own = share == "own"
    rescale(**({"draws": 1, "epochs": 2, "own_values": True} if own else {"draws": 2, "least_accuracy": share}))
    for number, (localisation, accuracy) in enumerate(((75.0, 29.0), (76.0 if own else 55.0, 90.0))):
        found = {"draw": number, "status": "finished", "epoch": 5, "localisation": localisation, "accuracy": accuracy}
        write_json(FOLDER / f"d0{number}/trial.json", {**found, "values": {"learning_rate": 0.1}, "reason": ""})
    assert choose.main(choose_arguments(2)) == 0
    source = read_json(FOLDER / "chosen.json")["source"]
    assert re.search(said + "$", source), source


def test_another_scale_has_the_values_only_if_it_trains_the_same(checkout: Path) -> None:
    values = {"learning_rate": 0.0125, "options.patch": 0.3, "options.drop_rate": 0.6}
    cell = dict(zip(("scale", "dataset", "backbone", "method"), CELL, strict=True))
    write_json(FOLDER / "chosen.json", {"cell": cell, "source": "random search", "values": values})
    (FOLDER / "draws.csv").write_text("draw,rank\n0,1\n")
    twin = SCALE.replace("name: mini", "name: twin")
    Path("params/scales/twin.yaml").write_text(twin)
    path = Path("params/methods/has.yaml")
    path.write_text(path.read_text() + LAYER.replace("mini", "twin").replace("epochs: 5", "epochs: 4"))
    forget()
    with pytest.raises(ParameterError, match=r"twin/.* is not trained as mini/.*: hyperparameters is .*'epochs': 4"):
        adopt.main([*CELL, "--for", "twin"])
    path.write_text(path.read_text().replace("epochs: 4", "epochs: 5"))
    Path("params/scales/twin.yaml").write_text(twin.replace("test: 1", "test: 2"))
    forget()
    with pytest.raises(ParameterError, match=r"twin/.*: data is .*'test': 2"):
        adopt.main([*CELL, "--for", "twin"])
    Path("params/scales/twin.yaml").write_text(twin)
    forget()
    assert adopt.main([*CELL, "--for", "twin"]) == 0
    assert train_settings("twin", *CELL[1:])["hyperparameters"]["learning_rate"] == 0.0125
    assert train_settings(*CELL)["hyperparameters"]["learning_rate"] == 0.05
    content = yaml.safe_load(Path("params/searched/twin/synthbirds.resnet50.has.yaml").read_text())
    assert content["cell"]["scale"] == "twin" and "searched at scale mini" in content["source"]
    kept = [path.as_posix() for path in Path("params/searched").rglob("*.draws.csv")]
    assert kept == ["params/searched/mini/synthbirds.resnet50.has.draws.csv"], "once, where they were tried"


def test_there_must_be_something_to_adopt(checkout: Path) -> None:
    with pytest.raises(DataError, match=r"chosen\.json: no such file; search first: snakemake .*has/draws\.csv"):
        adopt.main(list(CELL))
    with pytest.raises(
        DataError, match=r"searched/mini/.*draws\.csv: no such file; .* not recorded \(wsol search record\)"
    ):
        adopt.main([*CELL, "--recorded"])
    with pytest.raises(DataError, match=r"draws\.csv: no such file; search first: snakemake .*has/draws\.csv"):
        search(["record", *CELL])
    with pytest.raises(ParameterError, match="nothing to search"):
        adopt.main([*CELL[:3], "center"])
    with pytest.raises(ParameterError, match="no verb 'adapt'; there is draw, choose, record, adopt"):
        search(["adapt"])
