from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from wsol.cli import trace as trace_cli
from wsol.errors import DataError, ParameterError
from wsol.files import sha256_file
from wsol.provenance.job import Job
from wsol.provenance.trace import trace
from wsol.reports.cells import Cell

TABLE = "reports/demo/tableB.csv"
COLUMNS = tuple(field.name for field in fields(Cell))
DATASETS = {"synthnet": "MaxBoxAccV2", "synthbirds": "MaxBoxAccV2"}
BACKBONES = {"VGG": "vgg16", "ResNet": "resnet50"}
COLUMN = "synthnet MaxBoxAccV2 ResNet"


def run_job(layer: str, inputs: Mapping[str, Any], outputs: Iterable[str], **cell: Any) -> None:
    outputs = list(outputs)
    with Job(
        layer=layer,
        cell={"scale": "demo", **cell},
        sidecar=str(Path(outputs[0]).with_suffix(".prov.json")),
        inputs=inputs,
        code_roots=["toy.work"],
        package_root="src",
        command=["wsol", layer],
    ) as job:
        for output in outputs:
            path = job.output_path(output)
            path.write_text(cells() if output.endswith(".cells.csv") else f"{output}\n")


def cells() -> str:
    """CAM on two data sets and two backbones over two seeds, CAM + Y on one, Center; a mean a data set and a total."""
    lines: list[dict[str, Any]] = []

    def add(row: str, column: str, dataset: str, backbone: str, attribution: str, value: str, **more: Any) -> None:
        method = "center" if attribution == "center" else "cam"
        line = dict.fromkeys(COLUMNS, "") | {"row": row, "column": column, "dataset": dataset, "backbone": backbone}
        line |= {"method": method, "attribution": attribution, "metric": DATASETS.get(dataset, "mean")}
        lines.append(line | {"split": "test", "value": value, "status": "measured" if value else "missing"} | more)

    for dataset, metric in DATASETS.items():
        for label, backbone in BACKBONES.items():
            add("CAM", f"{dataset} {metric} {label}", dataset, backbone, "cam", "60.5", std="0.5", published="64.2")
            add("CAM + Y", f"{dataset} {metric} {label}", dataset, backbone, "cam+superset", "")
            add("Center", f"{dataset} {metric} {label}", dataset, "none", "center", "45.0")
        for row, attribution in (("CAM", "cam"), ("Center", "center")):
            add(row, f"{dataset} {metric} Mean", dataset, "mean", attribution, "60.0")
    add("CAM", "Total Mean", "mean", "mean", "cam", "60.1")
    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WSOL_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "wsol.tracking", None)
    settings = {"hyperparameters": {"lr": 0.01, "epochs": 4}, "method": "cam"}
    for name, text in {
        "pyproject.toml": "",
        "src/toy/work.py": "import numpy\n",
        "data/raw/photos.tar": "photographs",
        "results/demo/params/train/cam.json": json.dumps(settings),
        "params/papers/table_b.yaml": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    scores: list[str] = []
    for dataset in DATASETS:
        images, manifest = f"data/demo/{dataset}/images.zip", f"data/demo/{dataset}/test.parquet"
        run_job("data", {"raw": "raw:photos.tar"}, [images], dataset=dataset)
        run_job("data", {"images": images}, [manifest], dataset=dataset)
        for folder, attribution in [
            *((f"{dataset}/{backbone}/cam/s{seed}", "cam") for backbone in BACKBONES.values() for seed in (0, 1)),
            (f"{dataset}/none/center/s0", "center"),
        ]:
            model = f"results/demo/checkpoints/{folder}/model.bin"
            maps = f"results/demo/maps/{folder}/{attribution}.test.bin"
            score = f"results/demo/scores/{folder}/{attribution}.test.json"
            inputs: dict[str, Any] = {"manifest": manifest, "images": images}
            if attribution == "cam":
                run_job("train", {**inputs, "settings": "results/demo/params/train/cam.json"}, [model], cell=folder)
                inputs["model"] = model
            run_job("maps", inputs, [maps], cell=folder)
            run_job("scores", {"maps": maps, "manifest": manifest}, [score], cell=folder)
            scores.append(score)
    run_job(
        "reports",
        {"scores": scores, "definition": "params/papers/table_b.yaml"},
        [TABLE, "reports/demo/tableB.cells.csv"],
    )
    run_job(
        "reports",
        {"table": TABLE, "cells": "reports/demo/tableB.cells.csv"},
        ["reports/tableB.csv", "reports/tableB.cells.csv"],
    )
    return tmp_path


def files(row: str, column: str, layer: str, table: str = TABLE) -> list[str]:
    found = trace(Path(table), row, column)
    return sorted(step.path for step in found.chain.walk() if step.layer == layer)


def score_files(dataset: str, *backbones: str) -> list[str]:
    folder = "results/demo/scores"
    return [f"{folder}/{dataset}/{name}/cam/s{seed}/cam.test.json" for name in sorted(backbones) for seed in (0, 1)]


def test_a_cell_is_followed_to_its_own_files_only() -> None:
    assert files("CAM", COLUMN, "scores") == score_files("synthnet", "resnet50")
    for layer, folder, file in (("maps", "maps", "cam.test.bin"), ("train", "checkpoints", "model.bin")):
        expected = [f"results/demo/{folder}/synthnet/resnet50/cam/s{seed}/{file}" for seed in (0, 1)]
        assert files("CAM", COLUMN, layer) == expected
    assert files("CAM", COLUMN, "parameters") == ["results/demo/params/train/cam.json"]
    assert files("CAM", COLUMN, "file") == ["params/papers/table_b.yaml"]


def test_the_chain_ends_in_the_hashes_of_the_data() -> None:
    data = trace(Path(TABLE), "CAM", COLUMN).data
    assert data == {
        "data/demo/synthnet/images.zip": sha256_file("data/demo/synthnet/images.zip"),
        "data/demo/synthnet/test.parquet": sha256_file("data/demo/synthnet/test.parquet"),
        "raw:photos.tar": sha256_file("data/raw/photos.tar"),
    }


def test_means_are_followed_through_all_their_parts() -> None:
    assert files("CAM", "synthnet MaxBoxAccV2 Mean", "scores") == score_files("synthnet", *BACKBONES.values())
    total = sorted(score_files("synthbirds", *BACKBONES.values()) + score_files("synthnet", *BACKBONES.values()))
    assert files("CAM", "Total Mean", "scores") == total
    assert len(trace(Path(TABLE), "CAM", "Total Mean").parts) == 4


def test_a_method_without_a_network_has_no_checkpoint() -> None:
    assert files("Center", COLUMN, "scores") == ["results/demo/scores/synthnet/none/center/s0/center.test.json"]
    assert files("Center", COLUMN, "train") == []


@pytest.mark.parametrize("column", [COLUMN, " synthnet maxboxaccv2  resnet ", "synthnet resnet", "resnet50 synthnet"])
def test_columns_may_be_named_by_words_that_fit(column: str) -> None:
    assert trace(Path(TABLE), "cam", column).cell["column"] == COLUMN


def test_a_copy_of_a_table_leads_to_the_same_scores() -> None:
    assert files("CAM", COLUMN, "scores", "reports/tableB.csv") == score_files("synthnet", "resnet50")


@pytest.mark.parametrize(
    ("row", "column", "message"),
    [
        ("CAMM", COLUMN, r"no row 'CAMM'; there is 'CAM', 'CAM \+ Y', 'Center'"),
        ("CAM", "synthnet MaxBoxAccV2 ResNext", r"there is 'synthnet MaxBoxAccV2 ResNet', .*'Total Mean'"),
        ("CAM", "ResNet", r"fit 2 cells; choose one of --row 'CAM' --column 'synthnet MaxBoxAccV2 ResNet'"),
    ],
)
def test_a_wrong_name_gets_a_list_of_the_right_ones(row: str, column: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        trace(Path(TABLE), row, column)


def test_what_was_not_measured_or_has_no_sidecar_is_an_error(checkout: Path) -> None:
    with pytest.raises(DataError, match="status: missing"):
        trace(Path(TABLE), "CAM + Y", COLUMN)
    with pytest.raises(DataError, match=r"tableC\.cells\.csv: no such file"):
        trace(Path("reports/demo/tableC.csv"), "CAM", COLUMN)
    (checkout / "reports/demo/tableB.prov.json").unlink()
    with pytest.raises(DataError, match="no sidecar"):
        trace(Path(TABLE), "CAM", COLUMN)


def test_files_that_changed_since_are_marked(checkout: Path) -> None:
    model = "results/demo/checkpoints/synthnet/resnet50/cam/s0/model.bin"
    (checkout / model).write_text("other weights")
    (checkout / "data/raw/photos.tar").unlink()
    states = {step.path: step.state for step in trace(Path(TABLE), "CAM", COLUMN).chain.walk()}
    assert {path: state for path, state in states.items() if state != "ok"} == {
        model: "changed",
        "raw:photos.tar": "missing",
    }


def test_cli_prints_an_indented_chain(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace_cli.main([TABLE, "--row", "CAM", "--column", COLUMN]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"CAM / {COLUMN} = 60.5 (measured, std 0.5, published 64.2)"
    short = sha256_file(TABLE)[:8]
    assert lines[1] == f"reports: {TABLE}  sha256 {short}  commit none  1 code file"
    order = ["scores: ", "maps: ", "train: ", "parameters: ", "lr=0.01, epochs=4"]
    positions = [next(i for i, line in enumerate(lines) if line.strip().startswith(text)) for text in order]
    assert positions == sorted(positions)
    indents = [len(lines[i]) - len(lines[i].lstrip()) for i in positions]
    assert indents == [2, 4, 6, 8, 10]
    assert lines[-1] == f"  {sha256_file('data/raw/photos.tar')}  raw:photos.tar"
    assert any(line.startswith("environment: ") and "numpy" in line for line in lines)


def test_cli_lists_code_and_the_parts_of_a_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace_cli.main([TABLE, "--row", "CAM", "--column", "Total Mean", "--code"]) == 0
    out = capsys.readouterr().out
    assert f"code {sha256_file('src/toy/work.py')[:8]}  src/toy/work.py" in out
    assert out.count("mean over: ") == 4


def test_cli_json_is_the_whole_chain(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace_cli.main([TABLE, "--row", "CAM", "--column", COLUMN, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert set(value) == {"cell", "parts", "chain", "data"}
    score = next(step for step in value["chain"]["inputs"] if step["layer"] == "scores")
    assert score["sha256"] == sha256_file(score["path"])
    assert score["code"] == {"src/toy/work.py": sha256_file("src/toy/work.py")}
