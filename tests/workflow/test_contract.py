"""Change one file of each kind: exactly its dependents run again, and `wsol verify` names it whatever its date is."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system

DATASETS = ("synthbirds", "synthobjects", "synthnet")
BACKBONES = ("resnet50", "vgg16")
# The trained methods that built tables and pictures show, with their maps there.
METHODS = {"cam": ("cam", "cam+superset"), "calm_em": ("calm", "calm+superset"), "fsl": ("fsl",)}
SUPERSETS = {method: [name for name in names if "+" in name] for method, names in METHODS.items()}
TABLE = {"make_table_of_configured_scale tableB", "summarise_runs"}
LONG_AGO = 1_000_000_000


def training(
    datasets: Iterable[str], backbones: Iterable[str] = BACKBONES, methods: Iterable[str] = METHODS
) -> set[str]:
    return {f"train_model {d}/{b}/{m}/0" for d in datasets for b in backbones for m in methods}


def measuring(
    datasets: Iterable[str],
    backbones: Iterable[str] = BACKBONES,
    maps: Mapping[str, Iterable[str]] = METHODS,
) -> set[str]:
    """Jobs that make maps and score them."""
    cells = {f"{d}/{b}/{m}/0/{a}" for d in datasets for b in backbones for m in maps for a in maps[m]}
    return {f"{rule} {cell}" for rule in ("extract_maps", "score_maps") for cell in cells}


def center_scores(*datasets: str) -> set[str]:
    return {f"score_maps {dataset}/none/center/0/center" for dataset in datasets}


def pictures(*datasets: str) -> set[str]:
    return {"index_pictures smoke", *(f"draw_pictures {dataset}" for dataset in datasets)}


def append_comment(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")


def repaint_image(archive: Path) -> None:
    """Write the archive again with one image in the place of another."""
    with zipfile.ZipFile(archive) as reader:
        members = [(info, reader.read(info)) for info in reader.infolist()]
    images = [number for number, (info, _) in enumerate(members) if "/images/" in info.filename]
    assert members[images[0]][1] != members[images[1]][1]
    members[images[0]] = (members[images[0]][0], members[images[1]][1])
    with zipfile.ZipFile(archive, "w") as writer:
        for info, content in members:
            writer.writestr(info, content)


def change_hyperparameter(name: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        layer = f'  - source: "a test"\n    when: {{scale: smoke, dataset: synthbirds}}\n    set: {{{name}: 0.011}}\n'
        path.write_text(path.read_text(encoding="utf-8").rstrip("\n") + "\n" + layer, encoding="utf-8")

    return change


def change_title(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("title:")]
    path.write_text(text.replace(line, "title: Another title"), encoding="utf-8")


def change_weights(path: Path) -> None:
    from wsol.files import load_tensors, save_tensors

    tensors, metadata = load_tensors(path)
    name = sorted(name for name, tensor in tensors.items() if tensor.dtype.kind == "f")[0]
    tensors[name] = tensors[name] + 1
    save_tensors(path, tensors, metadata)


@dataclass(frozen=True)
class Case:
    """A file, what is done to it, the jobs that must run again, and how `wsol verify` names the file."""

    file: str
    edit: Callable[[Path], None]
    jobs: set[str]
    kind: str
    named: str = ""

    @property
    def cause(self) -> tuple[str, str]:
        return self.kind, self.named or self.file


CHECKPOINTS = "results/smoke/checkpoints"
CASES = {
    "image": Case(
        "data/smoke/synthbirds/images.zip",
        repaint_image,
        {"write_manifests synthbirds", "map_supersets synthbirds", "repeat_still_map synthbirds/center/center"}
        | training(["synthbirds"])
        | measuring(["synthbirds"])
        | center_scores("synthbirds")
        | pictures("synthbirds")
        | TABLE,
        "changed-output",
    ),
    "module of an attribution": Case(
        "src/wsol/attribution/superset.py",
        append_comment,
        measuring(DATASETS, maps=SUPERSETS) | pictures(*DATASETS) | TABLE,
        "stale-code",
    ),
    "module of a method": Case(
        "src/wsol/methods/fsl.py",
        append_comment,
        training(DATASETS, methods=["fsl"])
        | measuring(DATASETS, maps={"fsl": METHODS["fsl"]})
        | pictures(*DATASETS)
        | TABLE,
        "stale-code",
    ),
    # Training selects an epoch with the data set's own metric, so it depends on that metric's code.
    "module of a metric": Case(
        "src/wsol/metrics/masks.py",
        append_comment,
        training(["synthobjects"])
        | measuring(["synthobjects"])
        | center_scores("synthobjects")
        | pictures("synthobjects")
        | TABLE,
        "stale-code",
    ),
    "module of a report": Case("src/wsol/reports/markdown.py", append_comment, TABLE, "stale-code"),
    "hyperparameter": Case(
        "params/methods/fsl.yaml",
        change_hyperparameter("learning_rate"),
        training(["synthbirds"], methods=["fsl"])
        | measuring(["synthbirds"], maps={"fsl": METHODS["fsl"]})
        | pictures("synthbirds")
        | TABLE,
        "stale-parameters",
        "results/smoke/params/train/synthbirds/",
    ),
    # Not the learning rate, of which each method has its own.
    "hyperparameter that others inherit": Case(
        "params/methods/cam.yaml",
        change_hyperparameter("weight_decay"),
        training(["synthbirds"]) | measuring(["synthbirds"]) | pictures("synthbirds") | TABLE,
        "stale-parameters",
        "results/smoke/params/train/synthbirds/",
    ),
    "table definition": Case("params/papers/calm/table_b.yaml", change_title, TABLE, "stale-input"),
    # Pictures show the first backbone alone.
    "weights": Case(
        f"{CHECKPOINTS}/synthnet/vgg16/cam/s0/model.safetensors",
        change_weights,
        measuring(["synthnet"], ["vgg16"], {"cam": METHODS["cam"]}) | TABLE,
        "changed-output",
    ),
    "weights that others start from": Case(
        f"{CHECKPOINTS}/synthmix/vgg16/pretraining/s0/model.safetensors",
        change_weights,
        training(DATASETS, ["vgg16"]) | measuring(DATASETS, ["vgg16"]) | TABLE,
        "changed-output",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_changed_file_makes_exactly_its_dependents_run_again(spoilt: Any, name: str) -> None:
    case, path = CASES[name], spoilt.root / CASES[name].file
    case.edit(path)

    os.utime(path, (LONG_AGO, LONG_AGO))
    report = spoilt.verify()
    causes = {(problem["kind"], problem["file"]) for problem in report["problems"] if problem["via"] is None}
    stale = {problem["artefact"] for problem in report["problems"]} - {case.file}
    assert not report["ok"]
    assert any(kind == case.kind and file.startswith(case.cause[1]) for kind, file in causes)
    assert {file for _, file in causes if not file.startswith(case.cause[1])} == set(), "blamed on another file"

    os.utime(path)
    plan = spoilt.plan()
    assert plan.jobs == case.jobs
    assert stale == {file for file in plan.outputs if not file.endswith(".prov.json")}


def test_a_rerun_mends_what_verify_found(spoilt: Any) -> None:
    case = CASES["table definition"]
    case.edit(spoilt.root / case.file)
    before = (spoilt.root / "reports/tableB.md").read_text(encoding="utf-8")
    said = spoilt.wsol("verify", "reports", ok=False).stdout
    assert "params/papers/calm/table_b.yaml" in said
    assert "reports/tableB.csv" in said
    spoilt.build()
    assert (spoilt.root / "reports/tableB.md").read_text(encoding="utf-8") != before
    assert spoilt.plan().jobs == set()
    assert spoilt.verify()["problems"] == []


def test_a_job_that_fails_publishes_nothing_and_its_log_says_why(spoilt: Any) -> None:
    module = spoilt.root / "src/wsol/reports/markdown.py"
    module.write_text("raise RuntimeError('broken on purpose')\n", encoding="utf-8")
    spoilt.snakemake("--cores", "2", "reports/tableB.csv", "--config", "scale=smoke", ok=False)
    assert "broken on purpose" in (spoilt.root / "logs/reports/tableB.log").read_text(encoding="utf-8")
    assert not (spoilt.root / "reports/tableB.prov.json").exists()
    assert spoilt.leftovers() == []
