"""What a finished run leaves: measured tables, explained files, nothing more to do, a log of every job in MLflow."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from wsol.warm import launch
from wsol.warm.server import READY

pytestmark = pytest.mark.system

DATASETS = {"synthbirds", "synthobjects", "synthnet"}
BACKBONES = {"vgg16", "resnet50"}
# Table B's methods of the scale, with the attributions that have a row.
ROWS = {"cam": {"cam", "cam+superset"}, "calm_em": {"calm", "calm+superset"}, "fsl": {"fsl"}}
# Jobs by layer: see the rules. 4 data sets; 3 × 3 × 2 models, and the 2 that they start from; 5 maps on each place and
# the centre's; a table, 3 + 1 pages, the curves.
JOBS = {"data": 8, "supersets": 3, "train": 20, "maps": 33, "scores": 33, "reports": 6}


def cells(root: Path) -> list[dict[str, str]]:
    with (root / "reports/tableB.cells.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_table_measures_every_method_that_exists(built: Any) -> None:
    measured = [cell for cell in cells(built.root) if cell["status"] == "measured" and cell["dataset"] in DATASETS]
    found = {(cell["method"], cell["attribution"], cell["dataset"], cell["backbone"]) for cell in measured}
    everywhere = {
        (method, attribution, dataset, backbone)
        for method, attributions in ROWS.items()
        for attribution in attributions
        for dataset in DATASETS
        for backbone in BACKBONES
    }
    assert {key for key in found if key[0] != "center"} == everywhere
    assert {dataset for method, _, dataset, _ in found if method == "center"} == DATASETS
    assert all(0 <= float(cell["value"]) <= 100 for cell in measured)
    assert all(int(cell["n_seeds"]) == 1 for cell in measured)


def test_what_is_not_measured_says_why(built: Any) -> None:
    every = cells(built.root)
    assert {cell["status"] for cell in every} <= {"measured", "published-only", "missing", "not-in-scale"}
    assert any(cell["status"] == "missing" for cell in every)
    assert {cell["status"] for cell in every if cell["backbone"] == "inceptionv3"} == {"not-in-scale"}
    assert all(cell["value"] == "" for cell in every if cell["status"] != "measured")
    assert "missing" in (built.root / "reports/tableB.csv").read_text(encoding="utf-8")
    for suffix in ("md", "tex"):
        assert (built.root / f"reports/tableB.{suffix}").stat().st_size > 0


def test_every_artefact_is_explained_and_verified(built: Any) -> None:
    report = built.verify()
    assert report["problems"] == []
    assert report["jobs"] >= sum(JOBS.values())
    assert built.wsol("verify", "data/smoke", "results/smoke", "reports").returncode == 0
    assert built.wsol("verify", "--scale", "smoke").returncode == 0
    assert built.leftovers() == []


def test_no_file_of_a_layer_is_unknown_to_the_workflow(built: Any) -> None:
    done = built.snakemake("--list-untracked", "all_reports", "pictures", "--config", "scale=smoke")
    listed = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    layers = ("data/smoke/", "results/smoke/", "reports/smoke/", "reports/curves/")
    assert [line for line in listed if line.startswith(layers) and not line.startswith("results/smoke/params/")] == []


def test_nothing_that_is_generated_is_published(tracked_but_ignored: list[str]) -> None:
    """A sidecar in git would call its report stale on every clone, once any of its code was edited."""
    assert tracked_but_ignored == []


def test_a_second_run_has_nothing_to_do(built: Any) -> None:
    before = built.digests()
    assert built.plan().jobs == set()
    assert "up to date" in built.build().stdout
    assert built.digests() == before


def test_the_jobs_forked_from_a_process_that_has_torch(built: Any) -> None:
    assert (built.root / launch.LOG).read_text() == f"{READY}\n"


def test_every_job_left_a_log_and_a_benchmark(built: Any) -> None:
    logs = {path.with_suffix("") for path in (built.root / "logs").rglob("*.log")} - {built.root / "logs/run"}
    benchmarks = {path.with_suffix("") for path in (built.root / "logs").rglob("*.tsv")}
    assert logs == benchmarks
    assert len(logs) == sum(JOBS.values())


def test_the_overhead_benchmark_reads_a_finished_run(built: Any) -> None:
    # A run with nothing to do, such as the second one above, leaves no time in logs/run.log.
    done = built.call("python", "benchmarks/overhead.py", "--wall", "600", ok=None)
    assert done.returncode in (0, 1), done.stderr
    shares = {line.split()[0] for line in done.stdout.splitlines()}
    assert {"train", "maps", "scores", "data", "reports"} <= shares
    assert "share outside training, mapping and scoring" in done.stdout


def test_mlflow_has_one_current_run_for_every_job(built: Any) -> None:
    from mlflow import MlflowClient

    built.wsol("track", "sync")
    client = MlflowClient(f"sqlite:///{built.root}/mlflow/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.superseded = 'false'", max_results=1000)
    assert Counter(run.data.tags["layer"] for run in runs) == JOBS
    assert len({run.data.tags["repro.key"] for run in runs}) == len(runs)
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        assert run.data.params or run.data.tags["layer"] == "reports"
        assert run.data.tags["git.commit"]
    for run in runs:
        if run.data.tags["layer"] == "train":
            assert float(run.data.params["hyperparameters.learning_rate"]) > 0
            curve = client.get_metric_history(run.info.run_id, "loss")
            assert len({point.step for point in curve}) == int(run.data.params["hyperparameters.epochs"])
        if run.data.tags["layer"] == "scores":
            assert run.data.metrics


def test_a_job_run_again_marks_its_older_run(spoilt: Any) -> None:
    from mlflow import MlflowClient

    spoilt.snakemake("--cores", "2", "reports/tableB.csv", "--force", "--config", "scale=smoke")
    spoilt.wsol("track", "sync")
    client = MlflowClient(f"sqlite:///{spoilt.root}/mlflow/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.table = 'tableB'", max_results=100)
    assert sorted(run.data.tags["superseded"] for run in runs) == ["false", "true"]


def test_one_methods_rows_are_those_of_the_whole_table(spoilt: Any) -> None:
    target = "reports/rows/tableB.cam.csv"
    assert spoilt.plan(target).jobs == {"make_rows_of_method_at_configured_scale cam/tableB"}
    spoilt.build(target)
    whole, alone = ((spoilt.root / path).read_text(encoding="utf-8") for path in ("reports/tableB.csv", target))
    header, *rows = whole.splitlines()
    assert alone.splitlines() == [header, *(row for row in rows if row.split(",")[1] in ("CAM", "CAM + Y"))]
    assert len(alone.splitlines()) == 3
    assert spoilt.verify()["problems"] == []


def test_training_leaves_the_sum_of_cams_class_weights_as_it_was(built: Any) -> None:
    done = built.call("python", "studies/superset_of_all_classes.py", "smoke", "synthbirds", "resnet50")
    found = json.loads(done.stdout)
    assert found["cosine of the weights' sum, before and after"] == 1.0
    assert 0.9 < found["length of the sum, after / before"] < 1, "weight decay"
    assert found["cosine of one class's weights, mean"] < 0.9999
    expected = found["contrast, label"] + 5 * found["contrast, other classes"]
    assert found["contrast, sum of all"] == pytest.approx(expected, abs=1e-3)


def test_tracking_can_be_deleted_without_loss(spoilt: Any) -> None:
    shutil.rmtree(spoilt.root / "mlflow")
    assert spoilt.plan().jobs == set()
    assert spoilt.verify()["problems"] == []


def test_the_report_is_built_offline_and_stands_alone(built: Any, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    offline = built.having(http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9", no_proxy="")
    offline.snakemake("reports/tableB.csv", "pictures", "--report", str(page), "--config", "scale=smoke")
    text = page.read_text(encoding="utf-8")
    for attribute in ("src=", "href="):
        for quote in "\"'":
            for scheme in ("http", "//"):
                assert f"<script {attribute}{quote}{scheme}" not in text
                assert f"<link {attribute}{quote}{scheme}" not in text
                assert f"<img {attribute}{quote}{scheme}" not in text
    assert "tableB" in text


def test_the_headline_numbers_are_those_of_the_table(built: Any) -> None:
    numbers = json.dumps(json.loads((built.root / "reports/metrics.json").read_text(encoding="utf-8")))
    assert "CAM" in numbers or "cam" in numbers
