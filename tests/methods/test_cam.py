"""The plain classifier, and how methods are found."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import wsol.methods
from wsol.errors import DataError, ParameterError
from wsol.methods import load
from wsol.methods.base import TrainingMethod, located
from wsol.models import save_model


class Net(torch.nn.Module):
    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.values = torch.nn.Parameter(logits)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.values[: len(images)]


LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]])
LABELS = torch.tensor([2, 1])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_cross_entropy_of_the_image_labels(smoothing: float) -> None:
    method = load("cam").Method({}, smoothing)
    loss, logits = method.loss(Net(LOGITS), torch.zeros(2, 3, 4, 4), LABELS, torch.Generator())
    log_probabilities = LOGITS.double() - LOGITS.double().exp().sum(1, keepdim=True).log()
    targets = torch.full((2, 3), smoothing / 3, dtype=torch.float64)
    targets[[0, 1], LABELS] += 1 - smoothing
    assert float(loss.detach()) == pytest.approx(float(-(targets * log_probabilities).sum(1).mean()), rel=1e-6)
    assert torch.equal(logits, LOGITS)
    loss.backward()


def test_a_half_precision_network_has_its_loss_in_float32() -> None:
    loss, _ = (
        load("cam").Method({}).loss(Net(LOGITS.to(torch.bfloat16)), torch.zeros(2, 3, 4, 4), LABELS, torch.Generator())
    )
    assert loss.dtype == torch.float32


def test_the_network_is_the_backbone_with_a_cam_head() -> None:
    architecture = {"width": 0.125, "map_stride": 8, "pretrained": None}
    model = load("cam").Method({}).build("resnet50", 4, architecture)
    assert model.build_args == {
        "backbone": "resnet50",
        "head": "cam",
        "num_classes": 4,
        "width": 0.125,
        "map_stride": 8,
    }
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 4)


def test_pretrained_weights_lie_below_the_raw_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSOL_DATA", str(tmp_path))
    architecture = {"width": 0.125, "map_stride": 8, "pretrained": None}
    torch.manual_seed(1)
    method = load("cam").Method({})
    trained = method.build("resnet50", 4, architecture)
    save_model(tmp_path / "weights/own.safetensors", trained)
    chosen = {**architecture, "pretrained": "raw:weights/own.safetensors"}
    assert located(chosen) == {**architecture, "pretrained": tmp_path / "weights/own.safetensors"}
    assert chosen["pretrained"] == "raw:weights/own.safetensors", "settings are not changed"
    torch.manual_seed(2)
    again = method.build("resnet50", 4, chosen)
    for name, tensor in trained.state_dict().items():
        # The classes of another data set are others, though there be as many.
        assert torch.equal(tensor, again.state_dict()[name]) == (name != "head.classifier.weight"), name
    with pytest.raises(DataError, match=r"nothing\.safetensors: no such file"):
        method.build("resnet50", 4, {**architecture, "pretrained": "raw:weights/nothing.safetensors"})


def test_every_method_with_parameters_has_code_that_the_loop_can_call() -> None:
    from wsol.config.method import load_method
    from wsol.models.registry import head_names

    assert "cam" in head_names()
    folder = Path(__file__).resolve().parents[2] / "params/methods"
    for path in folder.glob("*.yaml"):
        module = load(load_method(path.stem)["code"])
        trains = hasattr(module, "Method")
        assert trains != hasattr(module, "image_free_map"), path.stem
        if trains:
            assert issubclass(module.Method, TrainingMethod)


def test_a_method_without_code_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"method 'cma' has no code: src/wsol/methods/cma\.py does not exist"):
        load("cma")
    (tmp_path / "broken.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.setattr(wsol.methods, "__path__", [str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
        load("broken")
