"""Train one model: a method on a backbone and a data set, with one seed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol.cli.common import add_device, archive_input, environment_input
from wsol.cli.entry import enter
from wsol.config.initial import classifier_cell, source_cell, weights_path
from wsol.config.paths import checkpoint_path
from wsol.config.roots import train_roots
from wsol.errors import ParameterError
from wsol.files import atomic_path, read_json
from wsol.progress import ProgressFile
from wsol.provenance.job import Job
from wsol.training.kept import kept_epoch

if TYPE_CHECKING:
    from wsol.data.manifest import Manifest
    from wsol.training.loop import Trained


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol train", description=__doc__)
    add_training(result)
    result.add_argument("--seed", type=int, required=True)
    result.add_argument("--out-dir", type=Path, required=True, help="where model, best, last and train.csv go")
    return result


def add_training(parser: argparse.ArgumentParser) -> None:
    """The options of every job that trains."""
    parser.add_argument("--settings", type=Path, required=True, help="resolved settings of the cell (JSON)")
    parser.add_argument("--train", type=Path, required=True, help="manifest of train-weaksup")
    parser.add_argument(
        "--val", type=Path, required=True, help="manifest of train-fullsup: validates every method, trains a few"
    )
    parser.add_argument("--classes", type=Path, required=True, help="classes.json of the data set")
    parser.add_argument("--state", type=Path, required=True, help="where a killed run finds itself again")
    add_device(parser)
    parser.add_argument("--sidecar", type=Path, required=True)


@dataclass(frozen=True)
class Session:
    """What a training reads, opened and checked, and where it runs; `inputs` are the files to hash.

    `classifier` is the checkpoint of the classifier that the method keeps, if it keeps one.
    """

    settings: dict[str, Any]
    weak: Manifest
    val: Manifest
    classes: list[str]
    device: str
    inputs: dict[str, Path]
    classifier: str | None = None


def open_session(arguments: argparse.Namespace, settings: dict[str, Any], seed: int) -> Session:
    """`seed` is that of the classifier which the method keeps, where it keeps one."""
    import torch

    from wsol.data.manifest import read_classes, read_manifest
    from wsol.device import choose_device

    torch.set_num_threads(settings["threads"])
    torch.backends.cudnn.benchmark = True
    weak = read_manifest(arguments.train)
    inputs = {
        "settings": arguments.settings,
        "environment": environment_input(arguments.settings),
        "train": arguments.train,
        "val": arguments.val,
        "classes": arguments.classes,
        **archive_input(weak),
    }
    weights = settings["architecture"]["pretrained"]
    if weights:
        inputs["weights"] = weights_path(weights, settings["scale"], settings["backbone"])
    kept = classifier_cell(settings, seed)
    classifier = None if kept is None else checkpoint_path(kept)
    if classifier is not None:
        inputs["classifier"] = Path(classifier)
    return Session(
        settings=settings,
        weak=weak,
        val=read_manifest(arguments.val),
        classes=[entry["name"] for entry in read_classes(arguments.classes)],
        device=choose_device(arguments.device),
        inputs=inputs,
        classifier=classifier,
    )


def run_training(
    session: Session, job: Job, name: str, *, seed: int, state: Path, report: Callable[[dict[str, float]], None]
) -> Trained:
    """Train under a job, saying how far it is; `report` gets each epoch's row once it was printed and tracked."""
    from wsol.data.images import ImageSet
    from wsol.methods import load
    from wsol.scoring import GroundTruth
    from wsol.training.dense import MaskedImageSet
    from wsol.training.evaluation import evaluate_model
    from wsol.training.loop import Split, train

    settings, threads = session.settings, session.settings["threads"]
    hyper = settings["hyperparameters"]
    method = load(settings["code"]).Method(hyper["options"], hyper["label_smoothing"])
    used = _chosen_split(method, settings["code"], (session.weak, session.val))
    images = (MaskedImageSet if method.needs_masks else ImageSet)(
        used, settings["resize"], threads=threads, verify=True
    )
    val_images = ImageSet(session.val, settings["image_size"], threads=threads, verify=True)
    truth = GroundTruth(session.val)
    done = {"epoch": 0.0}
    show = ProgressFile(name)
    what = f"{used.split}, {len(used)} images of {len(session.classes)} classes"
    print(f"{name.partition('/')[2]}: {what}, {hyper['epochs']} epochs on {session.device}", flush=True)

    def tell(row: dict[str, float]) -> None:
        done["epoch"] = row["epoch"]
        print("  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
        job.run.metrics({key: value for key, value in row.items() if key != "epoch"}, step=int(row["epoch"]))
        report(row)

    return train(
        method,
        settings | {"architecture": _located(session)},
        Split(images, used.labels, used.image_ids, session.classes, used.split),
        lambda model: evaluate_model(model, val_images, truth, settings, session.device),
        seed=seed,
        device=session.device,
        state_path=state,
        inputs_digest=job.key,
        report=tell,
        progress=lambda fraction: show(fraction, f"epoch {int(done['epoch']) + 1} of {hyper['epochs']}"),
    )


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)
    session = open_session(arguments, settings, arguments.seed)

    from wsol.models import save_model

    hyper = settings["hyperparameters"]
    cell = {key: settings[key] for key in ("scale", "dataset", "backbone", "method")} | {"seed": arguments.seed}
    name = "/".join(str(value) for value in cell.values())
    roots = train_roots(settings["dataset"], settings["backbone"], settings["method"], settings["attribution"])
    with Job(
        layer="train",
        cell=cell,
        sidecar=arguments.sidecar,
        inputs=session.inputs,
        code_roots=roots,
        parameters=settings,
        device=session.device,
        threads=settings["threads"],
    ) as job:
        out = arguments.out_dir
        trained = run_training(
            session, job, f"train/{name}", seed=arguments.seed, state=arguments.state, report=lambda row: None
        )
        last_epoch = int(trained.history[-1]["epoch"])
        chosen = kept_epoch(trained.history, hyper["checkpoint"])
        extra = {"cell": cell, "image_size": settings["image_size"], "classes": session.classes}
        for file, weights, epoch in (
            ("best", trained.best, trained.best_epoch),
            ("last", trained.last, last_epoch),
            ("model", trained.best if hyper["checkpoint"] == "best" else trained.last, chosen),
        ):
            trained.model.load_state_dict(weights)
            build_args = trained.model.build_args
            save_model(
                job.output_path(out / f"{file}.safetensors"), trained.model, build_args, {**extra, "epoch": epoch}
            )
        write_history(job.output_path(out / "train.csv"), trained.history)
        scores = {key: value for key, value in trained.history[chosen].items() if key.startswith("val_")}
        job.run.summary({"epoch": chosen, **scores})
        job.run.artifact(out / "train.csv")
        print(f"wrote {out}/model.safetensors: epoch {chosen} of {last_epoch}; best epoch {trained.best_epoch}")
    arguments.state.unlink(missing_ok=True)
    return 0


def _located(session: Session) -> dict[str, Any]:
    """The architecture with the paths of the checkpoints that it starts from or keeps, if there are any."""
    settings = session.settings
    architecture: dict[str, Any] = dict(settings["architecture"])
    source = source_cell(architecture["pretrained"], settings["scale"], settings["backbone"])
    if source is not None:
        architecture["pretrained"] = checkpoint_path(source)
    return architecture if session.classifier is None else {**architecture, "classifier": session.classifier}


def _chosen_split(method: Any, name: str, manifests: Sequence[Manifest]) -> Manifest:
    by_split = {manifest.split: manifest for manifest in manifests}
    if method.training_split not in by_split:
        raise ParameterError(
            f"src/wsol/methods/{name}.py: training_split is {method.training_split!r}; use one of {', '.join(by_split)}"
        )
    return by_split[method.training_split]


def write_history(path: Path, history: Sequence[dict[str, float]]) -> None:
    """The epochs as CSV; what an epoch has not, such as the loss of epoch 0, stays empty."""
    columns = ["epoch", "learning_rate", "loss", "train_accuracy", "val_accuracy", "val_localisation"]
    lines = [",".join(columns)]
    lines += [",".join(_number(row.get(column)) for column in columns) for row in history]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


if __name__ == "__main__":
    enter(main)
