"""A copy for many forward passes gives the model's scores, and where none can be made the model itself is run."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wsol.attribution import attribute
from wsol.attribution.capture import scores_of
from wsol.inference import copies, for_many_passes
from wsol.inference.graph import Program
from wsol.models import build

SIDE = 64


@pytest.fixture(autouse=True)
def always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "WORTH", 0)


def images_of(count: int) -> Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


def copy_of(model: nn.Module) -> Any:
    return for_many_passes(model, images_of(1), 100, scores_of)


class Small(nn.Module):
    """A convolution with batch normalisation whose statistics are not the neutral ones."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.head = nn.Linear(8, 5)
        norm = self.body[1]
        for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            nn.init.uniform_(value, 0.2, 2)
        self.eval()

    def forward(self, images: Tensor) -> Any:
        return self.head(self.body(images).mean(dim=(2, 3)))


class CountsImages(Small):
    """A trace of this holds for one number of images."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * float(len(images) if isinstance(len(images), int) else 1)


class Branches(Small):
    def forward(self, images: Tensor) -> Tensor:
        scores = super().forward(images)
        return scores if images.abs().sum() > 0 and len(images) > 2 else scores + 1


class Draws(Small):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + torch.rand(())


class Named(Small):
    def forward(self, images: Tensor) -> Any:
        return {"logits": super().forward(images)}


@pytest.mark.parametrize("backbone", ["resnet50", "vgg16", "inceptionv3"])
@torch.no_grad()
def test_the_copy_of_a_backbone_gives_its_scores_for_any_number_of_images(backbone: str) -> None:
    torch.manual_seed(0)
    model = build(backbone, num_classes=7, width=0.125, map_stride=8)
    model(images_of(4))  # statistics of the images
    model.eval()
    copy = copy_of(model)
    assert isinstance(copy, Program)
    for count in (1, 2, 5):
        torch.testing.assert_close(copy(images_of(count)), model(images_of(count)), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_batch_normalisation_is_folded_and_the_model_left_as_it_was() -> None:
    model = Small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    copy = copy_of(model)
    assert "batch_norm" not in str(copy.inlined_graph)
    torch.testing.assert_close(copy(images_of(3)), model(images_of(3)))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training and all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("kind", [CountsImages, Branches, Draws])
@torch.no_grad()
def test_what_a_trace_does_not_hold_for_is_run_as_it_is(kind: type[Small]) -> None:
    model = kind()
    assert copy_of(model) is model


@torch.no_grad()
def test_a_named_output_is_read_as_the_models() -> None:
    model = Named()
    copy = copy_of(model)
    torch.testing.assert_close(scores_of(copy(images_of(2))), model(images_of(2))["logits"])


@torch.no_grad()
def test_few_passes_hooks_and_autocast_run_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Small()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert copy_of(model) is model
    handle = model.body.register_forward_hook(lambda *_: None)
    assert copy_of(model) is model
    handle.remove()
    assert copy_of(model) is not model
    monkeypatch.undo()
    assert copy_of(model) is model


@torch.no_grad()
def test_a_program_that_fails_or_differs_gives_way_to_the_next_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = build("resnet50", num_classes=7, width=0.25).eval()

    def wrong(program: Program, images: Tensor) -> Tensor:
        return model(images) * 1.001

    def gone(program: Program, images: Tensor) -> Tensor:
        raise AttributeError("no such operator in this version")

    for call in (wrong, gone):
        with monkeypatch.context() as patch:
            patch.setattr(Program, "__call__", call)
            copy = copy_of(model)
            assert not isinstance(copy, Program) and copy is not model
            torch.testing.assert_close(copy(images_of(2)), model(images_of(2)), rtol=1e-4, atol=1e-5)
    assert isinstance(copy_of(model), Program)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("method", ["scorecam", "sscam", "iscam"])
def test_maps_are_the_same_with_and_without_a_copy(method: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = Small(), images_of(2)
    options = {} if method == "scorecam" else {"samples": 2}
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        fast = attribute(model, images, [0, 3], method, layer="body", chunk=3, **options)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    monkeypatch.undo()
    plain = attribute(model, images, [0, 3], method, layer="body", **options)
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-5)
    assert fast.amax() > 0


def test_maps_of_a_backbone_by_program_are_those_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, images = build("resnet50", num_classes=7, width=0.25).eval(), images_of(1)
    assert isinstance(copy_of(model), Program)
    fast = attribute(model, images, [2], "scorecam", layer="trunk.layer1", variant="torch-cam")
    monkeypatch.undo()
    plain = attribute(model, images, [2], "scorecam", layer="trunk.layer1", variant="torch-cam")
    torch.testing.assert_close(fast / fast.amax(), plain / plain.amax(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("copied", [True, False])
def test_a_copys_passes_run_side_by_side_and_a_models_own_in_the_callers_thread(
    copied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = build("resnet50", num_classes=7, width=0.25).eval()
    seen: list[str] = []
    call = Program.__call__
    meet = threading.Barrier(2, timeout=20)

    def noted(program: Program, images: Tensor) -> Any:
        name = threading.current_thread().name
        if name.startswith("wsol-pass") and name not in seen:
            seen.append(name)
            meet.wait()  # both are at work at the same time
        return call(program, images)

    monkeypatch.setattr(Program, "__call__", noted)
    if not copied:
        model.register_forward_hook(lambda *_: seen.append(threading.current_thread().name))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        attribute(model, images_of(1), [2], "scorecam", layer="trunk.layer1")
    finally:
        torch.set_num_threads(before)
    names = set(seen)
    assert len(names) == (2 if copied else 1)
    assert all(name.startswith("wsol-pass") for name in names) == copied
