"""Train one model: a method on a backbone and a data set, with one seed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol.cli.common import add_device, archive_input, environment_input
from wsol.cli.entry import enter
from wsol.config.initial import source_cell, weights_path
from wsol.config.paths import checkpoint_path
from wsol.config.roots import train_roots
from wsol.errors import ParameterError
from wsol.files import atomic_path, read_json
from wsol.progress import ProgressFile
from wsol.provenance.job import Job

if TYPE_CHECKING:
    from wsol.data.manifest import Manifest


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol train", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the cell (JSON)")
    result.add_argument("--train", type=Path, required=True, help="manifest of train-weaksup")
    result.add_argument(
        "--val", type=Path, required=True, help="manifest of train-fullsup: validates every method, trains a few"
    )
    result.add_argument("--classes", type=Path, required=True, help="classes.json of the data set")
    result.add_argument("--seed", type=int, required=True)
    result.add_argument("--out-dir", type=Path, required=True, help="where model, best, last and train.csv go")
    result.add_argument("--state", type=Path, required=True, help="where a killed run finds itself again")
    add_device(result)
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)

    import torch

    from wsol.data.images import ImageSet
    from wsol.data.manifest import read_classes, read_manifest
    from wsol.device import choose_device
    from wsol.methods import load
    from wsol.models import save_model
    from wsol.scoring import GroundTruth
    from wsol.training.dense import MaskedImageSet
    from wsol.training.evaluation import evaluate_model
    from wsol.training.loop import Split, train

    threads = settings["threads"]
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True
    device = choose_device(arguments.device)
    weak, val = read_manifest(arguments.train), read_manifest(arguments.val)
    classes = [entry["name"] for entry in read_classes(arguments.classes)]
    hyper = settings["hyperparameters"]
    method = load(settings["method"]).Method(hyper["options"], hyper["label_smoothing"])
    used = _chosen_split(method, settings["method"], (weak, val))
    cell = {key: settings[key] for key in ("scale", "dataset", "backbone", "method")} | {"seed": arguments.seed}
    name = "/".join(str(value) for value in cell.values())
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
    first = source_cell(weights, settings["scale"], settings["backbone"])
    architecture = settings["architecture"] | ({"pretrained": checkpoint_path(first)} if first else {})
    roots = train_roots(settings["dataset"], settings["backbone"], settings["method"], settings["attribution"])
    with Job(
        layer="train",
        cell=cell,
        sidecar=arguments.sidecar,
        inputs=inputs,
        code_roots=roots,
        parameters=settings,
        device=device,
        threads=threads,
    ) as job:
        out = arguments.out_dir
        kind = MaskedImageSet if method.needs_masks else ImageSet
        images = kind(used, settings["resize"], threads=threads, verify=True)
        val_images = ImageSet(val, settings["image_size"], threads=threads, verify=True)
        truth = GroundTruth(val)
        note = {"epoch": 0.0, "localisation": 0.0}
        show = ProgressFile(f"train/{name}")
        what = f"{len(used)} images of {len(classes)} classes"
        print(f"{name}: {used.split}, {what}, {hyper['epochs']} epochs on {device}", flush=True)

        def report(row: dict[str, float]) -> None:
            note.update(epoch=row["epoch"], localisation=row["val_localisation"])
            text = "  ".join(f"{key} {value:.4g}" for key, value in row.items())
            print(text, flush=True)
            job.run.metrics({key: value for key, value in row.items() if key != "epoch"}, step=int(row["epoch"]))

        trained = train(
            method,
            settings | {"architecture": architecture},
            Split(images, used.labels, used.image_ids, classes, used.split),
            lambda model: evaluate_model(model, val_images, truth, settings, device),
            seed=arguments.seed,
            device=device,
            state_path=arguments.state,
            inputs_digest=job.key,
            report=report,
            progress=lambda fraction: show(fraction, f"epoch {int(note['epoch']) + 1} of {hyper['epochs']}"),
        )
        last_epoch = int(trained.history[-1]["epoch"])
        chosen = trained.best_epoch if hyper["checkpoint"] == "best" else last_epoch
        extra = {"cell": cell, "image_size": settings["image_size"], "classes": classes}
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
        _write_history(job.output_path(out / "train.csv"), trained.history)
        scores = {key: value for key, value in trained.history[chosen].items() if key.startswith("val_")}
        job.run.summary({"epoch": chosen, **scores})
        job.run.artifact(out / "train.csv")
        print(f"wrote {out}/model.safetensors: epoch {chosen} of {last_epoch}; best epoch {trained.best_epoch}")
    arguments.state.unlink(missing_ok=True)
    return 0


def _chosen_split(method: Any, name: str, manifests: Sequence[Manifest]) -> Manifest:
    by_split = {manifest.split: manifest for manifest in manifests}
    if method.training_split not in by_split:
        raise ParameterError(
            f"src/wsol/methods/{name}.py: training_split is {method.training_split!r}; use one of {', '.join(by_split)}"
        )
    return by_split[method.training_split]


def _write_history(path: Path, history: list[dict[str, Any]]) -> None:
    columns = ["epoch", "learning_rate", "loss", "train_accuracy", "val_accuracy", "val_localisation"]
    lines = [",".join(columns)]
    lines += [",".join(_number(row.get(column)) for column in columns) for row in history]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


if __name__ == "__main__":
    enter(main)
