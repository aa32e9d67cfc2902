"""The graph of every table at every scale can be built; what stands in the way is said so that a user can act on it."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.system

SCALES = ("smoke", "demo", "small", "full")


@pytest.fixture(scope="module")
def planned(source: Any, duplicate: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A clean clone in which nothing is made but dry runs."""
    folder = tmp_path_factory.mktemp("planned")
    yield duplicate(source, folder / "project")
    shutil.rmtree(folder, ignore_errors=True)


def defined_tables(root: Path) -> list[str]:
    """Ids of the definitions of tables in params/papers: those with rows and columns."""
    contents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in root.glob("params/papers/*/*.yaml")]
    return [content["id"] for content in contents if "rows" in content and "columns" in content]


@pytest.mark.parametrize("scale", SCALES)
def test_every_table_has_a_graph_at_every_synthetic_scale(planned: Any, scale: str) -> None:
    tables = [f"reports/{scale}/{table}.csv" for table in defined_tables(planned.root)]
    assert tables
    plan = planned.plan(*tables)
    rules = {job.split()[0] for job in plan.jobs}
    expected = {
        "render_images",
        "write_manifests",
        "map_supersets",
        "train_model",
        "extract_maps",
        "repeat_still_map",
        "score_maps",
        "make_table",
    }
    assert rules == expected
    assert set(tables) <= plan.outputs


def test_one_methods_rows_need_its_own_trainings_alone(planned: Any) -> None:
    plan = planned.plan("reports/small/rows/tableB.has.csv")
    trained = {job for job in plan.jobs if job.startswith("train_model")}
    assert {job.split("/")[2] for job in trained} == {"has", "pretraining"}
    assert len(trained) == 3 * 3 + 3, "three data sets and the common start, on three backbones"
    assert {path for path in plan.outputs if path.startswith("reports/")} == {
        f"reports/small/rows/tableB.has.{suffix}" for suffix in ("csv", "cells.csv", "md", "tex", "prov.json")
    }
    said = planned.snakemake("-n", "reports/smoke/rows/tableB.has.csv", ok=False)
    assert "table tableB has no row of method 'has' at scale smoke" in said.stdout + said.stderr


def test_photographs_have_a_graph(planned: Any) -> None:
    from_environment = Path(planned.environment["WSOL_DATA"])
    if not any(from_environment.glob("*tiny*")):
        pytest.skip("set WSOL_DATA to the folder with Tiny ImageNet (docs/data.md)")
    plan = planned.plan("reports/photos/tableB.csv")
    assert "train_model tinyimagenet/resnet50/cam/0" in plan.jobs
    assert not any(job.startswith("render_images") for job in plan.jobs)


def test_several_files_can_be_asked_for_in_a_clean_checkout(fresh: Any) -> None:
    """Their resolved settings are written while the graph is built, after Snakemake looked into the folders."""
    assert not (fresh.root / "results").exists()
    targets = [f"data/smoke/{dataset}/test.parquet" for dataset in ("synthbirds", "synthnet")]
    assert fresh.plan(*targets).jobs == {
        f"{rule} {dataset}" for rule in ("render_images", "write_manifests") for dataset in ("synthbirds", "synthnet")
    }


@pytest.mark.parametrize("scale", ["photos", "paper"])
def test_missing_data_are_named_with_what_to_do(planned: Any, tmp_path: Path, scale: str) -> None:
    bare = planned.having(WSOL_DATA=str(tmp_path))
    said = bare.snakemake("-n", f"reports/{scale}/tableB.csv", ok=False)
    text = said.stdout + said.stderr
    assert "WSOL_DATA" in text
    assert (
        "tiny" in text.lower() if scale == "photos" else any(name in text for name in ("CUB", "ILSVRC", "OpenImages"))
    )


def test_an_unknown_key_is_named_with_its_file_and_the_nearest_known_one(fresh: Any) -> None:
    path = fresh.root / "params/scales/smoke.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "imagesize: 64\n", encoding="utf-8")
    said = fresh.snakemake("-n", "reports/smoke/tableB.csv", ok=False)
    text = said.stdout + said.stderr
    assert "params/scales/smoke.yaml" in text
    assert "unknown key 'imagesize'" in text
    assert "did you mean 'image_size'?" in text


def test_an_unknown_hyperparameter_is_named(fresh: Any) -> None:
    path = fresh.root / "params/methods/cam.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("batch_size:", "batchsize:", 1), encoding="utf-8")
    said = fresh.snakemake("-n", "reports/smoke/tableB.csv", ok=False)
    text = said.stdout + said.stderr
    assert "params/methods/cam.yaml" in text
    assert "batchsize" in text


def test_an_unknown_configuration_key_is_rejected(planned: Any) -> None:
    said = planned.snakemake("-n", "reports/tableB.csv", "--config", "typo=1", ok=False)
    text = said.stdout + said.stderr
    assert "typo" in text
    assert "known: device, scale" in text
    assert "Traceback" not in text


def test_an_unknown_scale_is_named_with_those_there_are(planned: Any) -> None:
    said = planned.snakemake("-n", "reports/tableB.csv", "--config", "scale=huge", ok=False)
    text = said.stdout + said.stderr
    assert "params/scales/huge.yaml" in text
    assert "smoke" in text


def test_a_corrupt_image_is_named_in_the_log_of_its_job(spoilt: Any) -> None:
    archive = spoilt.root / "data/smoke/synthbirds/images.zip"
    with zipfile.ZipFile(archive) as reader:
        members = [(info, reader.read(info)) for info in reader.infolist()]
    images = [number for number, (info, _) in enumerate(members) if "/images/" in info.filename]
    broken = members[images[3]][0].filename
    members[images[3]] = (members[images[3]][0], b"not an image")
    with zipfile.ZipFile(archive, "w") as writer:
        for info, content in members:
            writer.writestr(info, content)
    said = spoilt.snakemake("--cores", "2", "data/smoke/synthbirds/test.parquet", ok=False)
    log = (spoilt.root / "logs/smoke/data/synthbirds.manifests.log").read_text(encoding="utf-8")
    assert broken in log
    assert broken in said.stdout + said.stderr, "Snakemake does not show the log of a job that failed"
    assert "Traceback" not in log


def test_the_linter_has_nothing_to_say(planned: Any) -> None:
    said = planned.wsol("lint_workflow").stdout
    assert "0 to mend" in said


def test_the_linter_fails_on_a_rule_without_a_log(fresh: Any) -> None:
    path = fresh.root / "Snakefile"
    rule = '\n\nrule careless:\n    output:\n        "results/careless.txt",\n    shell:\n        "touch {output}"\n'
    path.write_text(path.read_text(encoding="utf-8") + rule, encoding="utf-8")
    said = fresh.wsol("lint_workflow", ok=False).stdout
    assert "rule careless (line" in said
    assert "No log directive defined" in said
    assert str(fresh.root) not in said


def test_figures_of_maps_of_f_cam_are_drawn_from_what_their_methods_and_baselines_gave(planned: Any) -> None:
    names = ["3", "4", "c1", *(f"f{number}" for number in range(10, 16))]
    targets = [f"reports/figures/fcam_fig_{name}.{kind}" for name in names for kind in ("png", "pdf")]
    plan = planned.plan(*targets, scale="demo")
    assert set(targets) <= plan.outputs
    drawn = {job for job in plan.jobs if job.startswith("draw_figure")}
    assert drawn == {f"draw_figure_of_configured_scale fcam_fig_{name}" for name in names}
    # Six decoders and the classifier that they stand on, on each of two data sets, after one pretraining.
    trained = {job for job in plan.jobs if job.startswith("train_model")}
    maps = ("cam", "gradcam", "gradcam_pp", "layercam", "smooth_gradcam_pp", "xgradcam")
    methods = ["cam", *(f"fcam_{name}" for name in maps)]
    assert trained == {
        "train_model synthmix/resnet50/pretraining/0",
        *(f"train_model {data}/resnet50/{method}/0" for data in ("synthbirds", "synthobjects") for method in methods),
    }
