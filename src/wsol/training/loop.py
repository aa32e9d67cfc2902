"""Training of one model: resumable at any moment, the same bytes on a CPU whether it was interrupted or not."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wsol.errors import DivergedError, TrainingError
from wsol.files import canonical_json
from wsol.training.batches import steps_per_epoch, training_batches
from wsol.training.schedule import rate_factor
from wsol.training.seeds import stream_seed
from wsol.training.state import load_state, save_state

SECONDS_BETWEEN_SAVES = 30.0


@dataclass
class Split:
    """Images in memory or on disk with `batch(indices) -> (n, R, R, 3) uint8`, labels (N,), ids and class names.

    For a method that needs masks the images have them as a fourth channel. `name` is the split's, for messages.
    """

    images: Any
    labels: np.ndarray
    image_ids: list[str]
    class_names: list[str]
    name: str = "train-weaksup"


@dataclass
class Trained:
    """State dicts of the last and the best epoch, and one row an epoch (epoch 0 is the untrained network)."""

    model: Any
    last: dict[str, Any]
    best: dict[str, Any]
    best_epoch: int
    history: list[dict[str, float]] = field(default_factory=list)


def train(
    method: Any,
    settings: dict[str, Any],
    split: Split,
    validate: Callable[[Any], dict[str, float]],
    *,
    seed: int,
    device: str = "cpu",
    state_path: Path | None = None,
    inputs_digest: str = "",
    report: Callable[[dict[str, float]], None] = lambda row: None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Trained:
    """Train `method` on `split` under `settings` (`wsol.config.resolve.train_settings`).

    validate(model) -> {"accuracy", "localisation"} in per cent on train-fullsup; the best epoch is the earliest with
    the highest localisation, the untrained network included, as in the released evaluation code. `state_path` is where
    a killed run finds itself again; a state made from other inputs (`inputs_digest`, settings, seed) is dropped.

    Raises TrainingError for an empty class, and its subclass DivergedError for a loss that is not finite, naming epoch,
    step, rate and images.
    """
    import torch

    _check_classes(split)
    hyper = settings["hyperparameters"]
    place = torch.device(device)
    torch.manual_seed(stream_seed(seed, "initialisation"))
    model = method.build(settings["backbone"], len(split.class_names), settings["architecture"]).to(place)
    if hyper["channels_last"]:
        model = model.to(memory_format=torch.channels_last)
    optimiser = _optimiser(model, settings)
    base_rates = [group["lr"] for group in optimiser.param_groups]
    precision, scaler = _precision(hyper["precision"], place)

    fingerprint = hashlib.sha256(canonical_json([settings, seed, inputs_digest]).encode()).hexdigest()
    run = _Progress(best=_copy_of(model))
    saved = load_state(state_path, fingerprint) if state_path else None
    if saved:
        run = _Progress(**saved["run"])
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        scaler.load_state_dict(saved["scaler"])
        for row in run.history:  # a resumed job is a new run to whoever watches, and its curves begin at the beginning
            report(row)
    if not run.history:
        _record(run, model, {"epoch": 0}, validate(model), report)

    steps = steps_per_epoch(len(split.labels), hyper["batch_size"])
    last_save = time.monotonic()

    def save() -> None:
        nonlocal last_save
        if state_path:
            state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "scaler": scaler.state_dict()}
            save_state(state_path, {"fingerprint": fingerprint, "run": vars(run), **state})
        last_save = time.monotonic()

    for epoch in range(run.epoch, hyper["epochs"] + 1):
        model.train()
        method.start_epoch(epoch, hyper["epochs"])
        for step, chosen, images, labels in training_batches(
            split.images, split.labels, settings, seed, epoch, run.step, place
        ):
            factor = rate_factor(hyper, epoch, step, steps)
            for group, rate in zip(optimiser.param_groups, base_rates, strict=True):
                group["lr"] = rate * factor
            # Dropout and the method draw from streams of this step, so no generator state needs to be kept.
            torch.manual_seed(stream_seed(seed, "dropout", epoch, step))
            generator = torch.Generator().manual_seed(stream_seed(seed, "method", epoch, step))
            method.start_step((epoch - 1 + step / steps) / hyper["epochs"])
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(place.type, dtype=precision or torch.bfloat16, enabled=precision is not None):
                loss, logits = method.loss(model, images, labels, generator)
            value = float(loss.detach())
            if not math.isfinite(value):
                names = ", ".join(split.image_ids[index] for index in chosen[:4])
                raise DivergedError(
                    f"loss is {value} in epoch {epoch}, step {step + 1} of {steps}, at learning rate "
                    f"{optimiser.param_groups[0]['lr']:.3g} (batch starts with {names}); lower learning_rate, add "
                    "warmup_epochs, or look at these images"
                )
            scaler.scale(loss).backward()
            if hyper["max_gradient_norm"] is not None:
                scaler.unscale_(optimiser)
                torch.nn.utils.clip_grad_norm_(model.parameters(), hyper["max_gradient_norm"])
            scaler.step(optimiser)
            scaler.update()
            run.loss_sum += value * len(chosen)
            run.correct += int((logits.detach().argmax(1) == labels).sum())
            run.step = step + 1
            progress((epoch - 1 + run.step / steps) / hyper["epochs"])
            if time.monotonic() - last_save > SECONDS_BETWEEN_SAVES:
                save()
        count = len(split.labels)
        row = {
            "epoch": epoch,
            "learning_rate": optimiser.param_groups[0]["lr"],
            "loss": run.loss_sum / count,
            "train_accuracy": 100 * run.correct / count,
        }
        run.epoch, run.step, run.loss_sum, run.correct = epoch + 1, 0, 0.0, 0
        _record(run, model, row, validate(model), report)
        save()
    return Trained(model, _copy_of(model), run.best, run.best_epoch, run.history)


@dataclass
class _Progress:
    best: dict[str, Any]
    epoch: int = 1
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def _record(
    run: _Progress,
    model: Any,
    row: dict[str, float],
    scores: dict[str, float],
    report: Callable[[dict[str, float]], None],
) -> None:
    row |= {"val_accuracy": scores["accuracy"], "val_localisation": scores["localisation"]}
    if not run.history or scores["localisation"] > max(past["val_localisation"] for past in run.history):
        run.best, run.best_epoch = _copy_of(model), int(row["epoch"])
    run.history.append(row)
    report(row)


def _copy_of(model: Any) -> dict[str, Any]:
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}


def _optimiser(model: Any, settings: dict[str, Any]) -> Any:
    from wsol.models import parameter_groups
    from wsol.training.sgd import SGD

    hyper = settings["hyperparameters"]
    groups = parameter_groups(model, settings["backbone"], hyper["learning_rate"], hyper["head_learning_rate_ratio"])
    return SGD(
        groups,
        lr=hyper["learning_rate"],
        momentum=hyper["momentum"],
        nesterov=hyper["nesterov"],
        weight_decay=hyper["weight_decay"],
    )


def _precision(choice: str, device: Any) -> tuple[Any, Any]:
    """The autocast type (None: plain float32) and a gradient scaler, which is at work for float16 alone.

    auto: bfloat16 on a GPU that has it, float16 on an older one; float32 on a CPU, where bfloat16 gains little for slim
    networks and loses much when another process shares the cores.
    """
    import torch

    if choice == "auto":
        on_gpu = "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float16"
        choice = on_gpu if device.type == "cuda" else "float32"
    dtype = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[choice]
    return dtype, torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)


def _check_classes(split: Split) -> None:
    counts = np.bincount(split.labels, minlength=len(split.class_names))
    empty = [name for name, count in zip(split.class_names, counts, strict=True) if count == 0]
    if empty:
        raise TrainingError(
            f"class {empty[0]!r} has no training image ({len(empty)} of {len(split.class_names)} classes are empty); "
            f"check the {split.name} manifest against classes.json"
        )
