"""Training against a slow oracle, and the same bytes however often it is interrupted."""

from __future__ import annotations

import copy
import importlib.util
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from wsol.errors import TrainingError
from wsol.training import loop
from wsol.training.batches import steps_per_epoch, training_batches
from wsol.training.loop import Trained
from wsol.training.schedule import rate_factor
from wsol.training.seeds import stream_seed


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOY = Path(__file__).with_name("toy_training.py")
toy = _load(TOY)
STEPS = steps_per_epoch(toy.COUNT, 5)


class Interrupted(Exception):
    pass


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Any:
    """Sums over another number of threads have other roundings, and what ran before may have set any."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def unbroken(one_thread: None) -> Trained:
    return toy.run()


def assert_same_state(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype == right[name].dtype
        assert torch.equal(left[name], right[name]), name


def assert_same(left: Trained, right: Trained) -> None:
    assert_same_state(left.last, right.last)
    assert_same_state(left.best, right.best)
    assert_same_state(left.last, left.model.state_dict())
    assert left.best_epoch == right.best_epoch
    assert left.history == right.history


def stop_after(calls: int) -> Callable[..., None]:
    left = calls

    def callback(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Interrupted

    return callback


# --- what a training computes -------------------------------------------------------------------------------------


def oracle(chosen: dict[str, Any], seed: int) -> tuple[dict[str, torch.Tensor], list[float]]:
    """SGD with Nesterov momentum written out, and the loss of each epoch."""
    hyper = chosen["hyperparameters"]
    data = toy.split()
    torch.manual_seed(stream_seed(seed, "initialisation"))
    model, method = toy.Net(toy.CLASSES), toy.Method(hyper["label_smoothing"])
    velocity: dict[str, torch.Tensor] = {}
    losses = []
    for epoch in range(1, hyper["epochs"] + 1):
        total = 0.0
        for step, indices, images, labels in training_batches(
            data.images, data.labels, chosen, seed, epoch, 0, torch.device("cpu")
        ):
            torch.manual_seed(stream_seed(seed, "dropout", epoch, step))
            generator = torch.Generator().manual_seed(stream_seed(seed, "method", epoch, step))
            loss, _ = method.loss(model, images, labels, generator)
            parameters = dict(model.named_parameters())
            gradients = dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))
            norm = torch.stack([gradient.pow(2).sum() for gradient in gradients.values()]).sum().sqrt()
            shrink = min(1.0, hyper["max_gradient_norm"] / (float(norm) + 1e-6))
            rate = hyper["learning_rate"] * rate_factor(hyper, epoch, step, STEPS)
            with torch.no_grad():
                for name, parameter in parameters.items():
                    gradient = gradients[name] * shrink + hyper["weight_decay"] * parameter
                    velocity[name] = hyper["momentum"] * velocity.get(name, 0) + gradient
                    fast = hyper["head_learning_rate_ratio"] if name.startswith("head") else 1
                    parameter -= rate * fast * (gradient + hyper["momentum"] * velocity[name])
            total += float(loss.detach()) * len(indices)
        losses.append(total / toy.COUNT)
    return model.state_dict(), losses


@pytest.mark.parametrize("changes", [{}, {"schedule": "step", "warmup_epochs": 0, "max_gradient_norm": 0.05}])
def test_training_is_what_its_formulas_say(changes: dict[str, Any]) -> None:
    chosen = toy.settings(**changes)
    trained = toy.run(settings=chosen, seed=7)
    expected, losses = oracle(chosen, seed=7)
    torch.testing.assert_close(trained.last, dict(expected), rtol=2e-4, atol=2e-5)
    assert [row["loss"] for row in trained.history[1:]] == pytest.approx(losses, rel=1e-4)


def test_training_learns_what_can_be_learned() -> None:
    data = toy.split()
    for label in range(toy.CLASSES):
        data.images.pixels[data.labels == label, ..., label] //= 4
    trained = toy.run(split=data, method=toy.Method(), settings=toy.settings(epochs=20))
    assert trained.history[-1]["train_accuracy"] > 95
    assert trained.history[-1]["loss"] < 0.3 < 0.7 < trained.history[1]["loss"]


def test_the_table_has_a_row_an_epoch_and_the_untrained_network_first(unbroken: Trained) -> None:
    assert [row["epoch"] for row in unbroken.history] == [0, 1, 2, 3]
    assert set(unbroken.history[0]) == {"epoch", "val_accuracy", "val_localisation"}
    hyper = toy.settings()["hyperparameters"]
    for row in unbroken.history[1:]:
        assert set(row) == {"epoch", "learning_rate", "loss", "train_accuracy", "val_accuracy", "val_localisation"}
        last = 0.05 * rate_factor(hyper, int(row["epoch"]), STEPS - 1, STEPS)
        assert row["learning_rate"] == pytest.approx(last), "the trunk's rate at the epoch's last step"
        correct = row["train_accuracy"] * toy.COUNT / 100
        assert correct == pytest.approx(round(correct), abs=1e-9), "a share of all images, the short batch included"


def test_the_seed_decides_and_the_state_of_the_process_does_not(unbroken: Trained) -> None:
    torch.manual_seed(999)
    np.random.seed(1)  # noqa: NPY002
    random.seed(2)
    assert_same(toy.run(), unbroken)
    other = toy.run(seed=1)
    assert not torch.equal(other.last["trunk.weight"], unbroken.last["trunk.weight"])
    assert other.history[0] != unbroken.history[0], "the initialisation depends on the seed"


def test_channels_last_is_a_layout_and_no_other_result(unbroken: Trained) -> None:
    plain = toy.run(settings=toy.settings(channels_last=False))
    assert unbroken.model.trunk.weight.is_contiguous(memory_format=torch.channels_last)
    for name, tensor in plain.last.items():
        torch.testing.assert_close(unbroken.last[name], tensor, rtol=1e-3, atol=1e-4)
        assert unbroken.last[name].is_contiguous()


@pytest.mark.parametrize("precision", ["auto", "bfloat16", "float16"])
def test_other_precisions_train_too_and_keep_weights_in_float32(precision: str, unbroken: Trained) -> None:
    trained = toy.run(settings=toy.settings(precision=precision))
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in trained.last.values())
    if precision == "auto":
        assert_same_state(trained.last, unbroken.last)
    else:
        assert [row["loss"] for row in trained.history[1:]] == pytest.approx(
            [row["loss"] for row in unbroken.history[1:]], abs=0.1
        )


def test_the_learning_rate_is_that_of_the_step_and_the_head_has_its_own() -> None:
    flat = {"schedule": "step", "warmup_epochs": 0, "decay_every_epochs": 100, "max_gradient_norm": None}
    still = toy.run(settings=toy.settings(**flat, epochs=1, learning_rate=1e-30))
    torch.manual_seed(stream_seed(0, "initialisation"))
    initial = toy.Net(toy.CLASSES).state_dict()
    for name in ("trunk.weight", "head.weight"):
        assert torch.equal(still.last[name], initial[name])
    one = {**flat, "epochs": 1, "batch_size": toy.COUNT, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    slow, fast = (toy.run(settings=toy.settings(**one, head_learning_rate_ratio=ratio)) for ratio in (4, 8))
    assert torch.equal(slow.last["trunk.weight"], fast.last["trunk.weight"])
    torch.testing.assert_close(
        fast.last["head.weight"] - initial["head.weight"],
        2 * (slow.last["head.weight"] - initial["head.weight"]),
        rtol=1e-3,
        atol=1e-6,
    )


def test_progress_rises_to_one_and_every_epoch_is_announced() -> None:
    fractions: list[float] = []
    method = toy.Method()
    rows: list[dict[str, float]] = []
    trained = toy.run(method=method, progress=fractions.append, report=rows.append)
    assert fractions == pytest.approx([index / (3 * STEPS) for index in range(1, 3 * STEPS + 1)])
    assert method.epochs_started == [(1, 3), (2, 3), (3, 3)]
    assert method.steps_started == pytest.approx([index / (3 * STEPS) for index in range(3 * STEPS)])
    assert rows == trained.history


# --- the best epoch -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("localisation", "best"),
    [([1, 5, 3, 5], 1), ([5, 5, 5, 5], 0), ([9, 1, 2, 3], 0), ([0, 1, 2, 3], 3), ([-1, -3, -2, -0.5], 3)],
)
def test_the_best_epoch_is_the_earliest_with_the_highest_localisation(localisation: list[float], best: int) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def scripted(model: Any) -> dict[str, float]:
        seen.append(copy.deepcopy(model.state_dict()))
        return {"accuracy": 100.0 - len(seen), "localisation": float(localisation[len(seen) - 1])}

    trained = toy.run(validate=scripted)
    assert trained.best_epoch == best
    assert_same_state(trained.best, seen[best])
    assert_same_state(trained.last, seen[3])
    assert [row["val_localisation"] for row in trained.history] == localisation
    assert [row["val_accuracy"] for row in trained.history] == [99.0, 98.0, 97.0, 96.0]


# --- errors -------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_is_told_with_epoch_step_rate_and_images(tmp_path: Path) -> None:
    class Broken(toy.Method):
        calls = 0

        def loss(self, model: Any, images: Any, labels: Any, generator: Any) -> Any:
            self.calls += 1
            loss, logits = super().loss(model, images, labels, generator)
            return (loss * float("nan") if self.calls == STEPS + 2 else loss), logits

    from wsol.training.batches import epoch_order

    first = epoch_order(0, 2, toy.COUNT)[5]
    rate = 0.05 * rate_factor(toy.settings()["hyperparameters"], 2, 1, STEPS)
    with pytest.raises(TrainingError) as caught:
        toy.run(tmp_path / "state.pt", method=Broken(0.1))
    message = str(caught.value)
    assert f"loss is nan in epoch 2, step 2 of {STEPS}" in message
    assert f"{rate:.3g}" in message and f"starts with toy/{first:03d}, " in message
    assert "learning_rate" in message
    # What was finished before is not lost, and is not poisoned.
    assert_same(toy.run(tmp_path / "state.pt"), toy.run())


@pytest.mark.filterwarnings("ignore:overflow")
def test_an_exploding_training_stops() -> None:
    wild = toy.settings(learning_rate=1e18, max_gradient_norm=None, warmup_epochs=0, epochs=20)
    with pytest.raises(TrainingError, match=r"loss is (nan|inf) in epoch \d+, step \d+ of 5, at learning rate"):
        toy.run(settings=wild)


def test_an_empty_class_is_named() -> None:
    data = toy.split()
    data.labels[data.labels == 1] = 0
    with pytest.raises(TrainingError, match=r"class 'bee' has no training image \(1 of 3 classes are empty\)"):
        toy.run(split=data)


# --- interruptions ------------------------------------------------------------------------------------------------


def test_default_saves_are_rare_enough_not_to_cost_and_often_enough_to_help() -> None:
    assert 5 <= loop.SECONDS_BETWEEN_SAVES <= 120


@pytest.mark.parametrize("every_step", [True, False])
@pytest.mark.parametrize("steps", [0, 1, STEPS - 1, STEPS, STEPS + 2, 2 * STEPS, 3 * STEPS - 1])
def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: Trained, steps: int, every_step: bool
) -> None:
    if every_step:
        monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
    state = tmp_path / "deep/state.pt"
    with pytest.raises(Interrupted):
        toy.run(state, progress=stop_after(steps))
    fractions: list[float] = []
    method = toy.Method(0.1)
    resumed = toy.run(state, method=method, progress=fractions.append)
    assert_same(resumed, unbroken)
    done = steps if every_step else steps // STEPS * STEPS
    assert len(fractions) == 3 * STEPS - done, "nothing that was saved is computed again"
    assert method.epochs_started[0] == (1 + done // STEPS, 3) or done % STEPS == 0
    assert method.steps_started == pytest.approx([index / (3 * STEPS) for index in range(done, 3 * STEPS)])


@pytest.mark.parametrize("where", ["validate", "report"])
@pytest.mark.parametrize("epoch", [0, 1, 2, 3])
def test_a_training_that_was_stopped_between_epochs_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: Trained, where: str, epoch: int
) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
    state = tmp_path / "state.pt"
    stop = stop_after(epoch)

    def stopping_validate(model: Any) -> dict[str, float]:
        stop()
        return toy.validate(model)

    options = {"validate": stopping_validate} if where == "validate" else {"report": stop}
    with pytest.raises(Interrupted):
        toy.run(state, **options)
    assert_same(toy.run(state), unbroken)


class Loud(toy.Method):
    """Gradients that overflow in float16 until the scaler has learned a smaller scale."""

    def loss(self, model: Any, images: Any, labels: Any, generator: Any) -> Any:
        loss, logits = super().loss(model, images, labels, generator)
        return loss * 3000, logits


def test_a_scaled_gradient_training_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
    chosen = toy.settings(precision="float16", learning_rate=1e-5)
    state = tmp_path / "state.pt"
    with pytest.raises(Interrupted):
        toy.run(state, method=Loud(), settings=chosen, progress=stop_after(2 * STEPS + 2))
    scale = torch.load(state, weights_only=True)["scaler"]["scale"]
    assert scale < 2**16, "the example overflows"
    assert_same(toy.run(state, method=Loud(), settings=chosen), toy.run(method=Loud(), settings=chosen))


def test_a_training_that_is_stopped_again_and_again_ends_in_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: Trained
) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
    interruptions = 0
    while interruptions < 100:
        try:
            trained = toy.run(tmp_path / "state.pt", progress=stop_after(2))
            break
        except Interrupted:
            interruptions += 1
    assert 5 < interruptions < 100
    assert_same(trained, unbroken)


def test_a_resumed_training_reports_what_went_before(tmp_path: Path, unbroken: Trained) -> None:
    with pytest.raises(Interrupted):
        toy.run(tmp_path / "state.pt", progress=stop_after(2 * STEPS + 1))
    rows: list[dict[str, float]] = []
    toy.run(tmp_path / "state.pt", report=rows.append)
    assert rows == unbroken.history, "whoever watches sees one whole curve"


def test_a_finished_training_is_not_trained_again(tmp_path: Path, unbroken: Trained) -> None:
    first = toy.run(tmp_path / "state.pt")
    again = toy.run(tmp_path / "state.pt", progress=stop_after(0))
    assert_same(first, unbroken)
    assert_same(again, unbroken)


@pytest.mark.parametrize("change", ["inputs", "settings", "seed"])
def test_a_state_of_other_inputs_is_dropped(tmp_path: Path, unbroken: Trained, change: str) -> None:
    state = tmp_path / "state.pt"
    options: dict[str, Any] = {
        "inputs": {"inputs_digest": "of other images"},
        "settings": {"settings": toy.settings(learning_rate=0.04)},
        "seed": {"seed": 5},
    }[change]
    with pytest.raises(Interrupted):
        toy.run(state, **options, progress=stop_after(2 * STEPS + 1))
    assert state.is_file()
    fractions: list[float] = []
    assert_same(toy.run(state, progress=fractions.append), unbroken)
    assert len(fractions) == 3 * STEPS


class _Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "code", "no mapping", "no fingerprint"])
def test_a_state_that_cannot_be_read_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: Trained, damage: str
) -> None:
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "state.pt"
    with pytest.raises(Interrupted):
        toy.run(state, progress=stop_after(STEPS + 1))
    content = state.read_bytes()
    if damage == "code":
        torch.save({"fingerprint": _Evil()}, state)
    elif damage == "no mapping":
        torch.save([1, 2], state)
    elif damage == "no fingerprint":
        torch.save({"run": {}}, state)
    else:
        state.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "garbage": b"\x80\x02" * 999}[damage])
    assert_same(toy.run(state), unbroken)
    assert not (tmp_path / "executed").exists()


def test_a_killed_process_leaves_a_state_that_goes_on_to_the_same_bytes(tmp_path: Path, unbroken: Trained) -> None:
    state = tmp_path / "state.pt"
    program = (
        "import importlib.util, sys, time, torch\n"
        "torch.set_num_threads(1)\n"
        "spec = importlib.util.spec_from_file_location('toy', sys.argv[1])\n"
        "toy = importlib.util.module_from_spec(spec); spec.loader.exec_module(toy)\n"
        "from pathlib import Path\n"
        "from wsol.training import loop\n"
        "loop.SECONDS_BETWEEN_SAVES = -1.0\n"
        "toy.run(Path(sys.argv[2]), progress=lambda fraction: time.sleep(0.03))\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(TOY), str(state)]) as process:
        deadline = time.monotonic() + 60
        while not state.is_file() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.002)
        assert process.poll() is None and state.is_file()
        time.sleep(random.random() * 0.5)
        process.send_signal(signal.SIGKILL)
    fractions: list[float] = []
    assert_same(toy.run(state, progress=fractions.append), unbroken)
    assert len(fractions) < 3 * STEPS


@pytest.mark.parametrize("backbone", ["resnet50", "vgg16"])
def test_a_real_network_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: str
) -> None:
    from wsol.methods import load

    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
    data = toy.split()
    data.images.pixels = np.random.default_rng(1).integers(0, 256, (9, 40, 40, 3), dtype=np.uint8)
    data.labels, data.image_ids = np.arange(9) % 3, [str(index) for index in range(9)]
    chosen = toy.settings(epochs=2, batch_size=4) | {
        "backbone": backbone,
        "architecture": {"width": 0.125, "map_stride": 16, "pretrained": None},
        "image_size": 32,
    }

    def validate(model: Any) -> dict[str, float]:
        model.eval()
        with torch.no_grad():
            value = float(model(torch.ones(1, 3, 32, 32)).abs().sum())
        return {"accuracy": 0.0, "localisation": value}

    def run(state: Path | None, progress: Callable[[float], None] = lambda fraction: None) -> Trained:
        method = load("cam").Method({}, 0.0)
        return toy.run(state, settings=chosen, split=data, method=method, validate=validate, progress=progress)

    with pytest.raises(Interrupted):
        run(tmp_path / "state.pt", stop_after(4))
    assert_same(run(tmp_path / "state.pt"), run(None))
