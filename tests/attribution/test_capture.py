"""The model is left as it was, whatever happens, and the call works wherever it stands."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from torch import nn

from wsol.attribution import attribute
from wsol.attribution.capture import capturing, scores_of
from wsol.attribution.layers import cam_layer, chosen_layers
from wsol.errors import ParameterError
from wsol.testing.classifiers import Broken, ConvThenPool, Flattened, Pooled, RectifiedConv, made, some_images

METHODS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ("gradcam", "gradcam_pp", "xgradcam", "layercam", "scorecam")),
    ("smooth_gradcam_pp", {"samples": 2}),
    ("sscam", {"samples": 2}),
    ("iscam", {"samples": 3}),
]
TARGETS = torch.tensor([2, 0, 3])


def state(model: nn.Module) -> list[Any]:
    """All that a call could leave behind."""
    hooks = [
        (len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks), id(module))
        for module in model.modules()
    ]
    parameters = [(p.requires_grad, None if p.grad is None else p.grad.clone(), p.clone()) for p in model.parameters()]
    buffers = [buffer.clone() for buffer in model.buffers()]
    modes = [module.training for module in model.modules()]
    torch_state = (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.is_autocast_cache_enabled(),
    )
    return [hooks, modes, torch_state, parameters, buffers]


def assert_same(before: list[Any], after: list[Any]) -> None:
    assert before[:3] == after[:3]
    for (needed, gradient, value), (needs, now, new) in zip(before[3], after[3], strict=True):
        assert needed == needs and torch.equal(value, new)
        assert (gradient is None) == (now is None) and (gradient is None or torch.equal(gradient, now))
    assert all(map(torch.equal, before[4], after[4]))


def used_model(kind: Any, **options: bool) -> nn.Module:
    """In training, partly frozen, partly in evaluation mode, with gradients of a step and a hook of its owner."""
    model = made(kind, **options).train()
    model.stem.eval()
    model(some_images(seed=9)).sum().backward() if kind is not Broken else None
    model.body[0].bias.requires_grad_(False)
    model.body.register_forward_hook(lambda *a: None)
    return model


@pytest.mark.parametrize(("name", "options"), METHODS)
@pytest.mark.parametrize("kind", [Pooled, Flattened])
def test_the_model_is_left_as_it_was(kind: Any, name: str, options: dict[str, Any]) -> None:
    model, images = used_model(kind, inplace=True), some_images()
    before, pixels = state(model), images.clone()
    maps = attribute(model, images, TARGETS, name, layer="body", **options)
    assert_same(before, state(model))
    assert torch.equal(images, pixels) and not maps.requires_grad and not images.requires_grad


@pytest.mark.parametrize(("name", "options"), METHODS)
def test_also_after_an_error(name: str, options: dict[str, Any]) -> None:
    images = some_images()
    for model, targets, layer, error in (
        (used_model(Broken), TARGETS, "body", RuntimeError),
        (used_model(Flattened), [0, 1, 9], "body", ParameterError),
        (used_model(Pooled), TARGETS, "classifier", ParameterError),
        (used_model(Pooled), TARGETS, "nowhere", ParameterError),
    ):
        for around in (contextlib.nullcontext, torch.no_grad):
            with around():
                before = state(model)
                with pytest.raises(error):
                    attribute(model, images, targets, name, layer=layer, **options)
                assert_same(before, state(model))


@pytest.mark.parametrize(("name", "options"), METHODS)
@pytest.mark.parametrize("kind", [Pooled, Flattened])
def test_maps_do_not_depend_on_what_is_around(kind: Any, name: str, options: dict[str, Any]) -> None:
    images = some_images()
    expected = attribute(made(kind), images, TARGETS, name, layer="body", **options)
    frozen = made(kind).requires_grad_(False)
    torch.testing.assert_close(attribute(frozen, images, TARGETS, name, layer="body", **options), expected)
    with torch.no_grad():
        torch.testing.assert_close(attribute(made(kind), images, TARGETS, name, layer="body", **options), expected)
    model = made(kind)
    with torch.inference_mode():
        found = attribute(model, images.clone(), TARGETS, name, layer="body", **options)
        torch.testing.assert_close(found, expected)
    inplace = attribute(made(kind, inplace=True), images, TARGETS, name, layer="body", **options)
    torch.testing.assert_close(inplace, expected)
    strided = made(kind).to(memory_format=torch.channels_last)
    found = attribute(strided, images.contiguous(memory_format=torch.channels_last), TARGETS, name, "body", **options)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5 * float(expected.max()))


@pytest.mark.parametrize("name", ["gradcam", "layercam", "gradcam_pp", "xgradcam", "scorecam"])
@pytest.mark.parametrize("kind", [Pooled, Flattened])
@pytest.mark.parametrize("around", [contextlib.nullcontext, torch.no_grad])
def test_mixed_precision(kind: Any, name: str, around: Any) -> None:
    model, images = made(kind), some_images()
    exact = attribute(model, images, TARGETS, name, layer="body")
    with around(), torch.autocast("cpu", dtype=torch.bfloat16):
        rough = attribute(model, images, TARGETS, name, layer="body")
        with torch.enable_grad():
            loss = model(images).float().sum()
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0.06 * float(exact.max()))
    loss.backward()  # a cache of weights cast without a graph would cut them off
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.body.parameters())


def test_autograd_starts_at_the_layer() -> None:
    model, images = made(Flattened), some_images()
    seen: list[tuple[bool, bool]] = []
    model.stem.register_forward_hook(lambda m, i, output: seen.append((torch.is_grad_enabled(), output.requires_grad)))
    with capturing(model, {"body": model.body}, graph=True) as capture:
        scores = capture.forward(lambda: model(images))
        (activation,) = capture.activations
    assert seen == [(False, False)] and activation.is_leaf and scores.requires_grad
    assert torch.is_grad_enabled()


def test_a_layer_before_an_in_place_relu_is_seen_before_it() -> None:
    model, images = made(Flattened, inplace=True), some_images()
    for graph in (False, True):
        with capturing(model, {"body.0": model.body[0]}, graph=graph) as capture:
            capture.forward(lambda: model(images))
            assert (capture.activations[0] < 0).any()


def test_a_module_that_runs_twice_gives_its_last_output() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.relu, self.last = nn.Conv2d(3, 3, 3), nn.ReLU(True), nn.Linear(3 * 64, 4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            once = self.relu(self.convolution(images))
            return self.last(self.relu(self.convolution(once)).tanh().flatten(1))

    torch.manual_seed(3)
    model, images = Twice(), some_images()
    activation = model.relu(model.convolution(model.relu(model.convolution(images)))).detach().requires_grad_()
    scores = model.last(activation.tanh().flatten(1))
    (g,) = torch.autograd.grad(scores[torch.arange(3), TARGETS].sum(), activation)
    expected = (activation * g.mean((2, 3), keepdim=True)).sum(1).relu().detach()
    torch.testing.assert_close(attribute(model, images, TARGETS, "gradcam", layer="relu"), expected)


def test_a_trunk_without_gradients_of_its_own() -> None:
    class Frozen(Pooled):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                maps = self.maps(images)
            return self.classifier(torch.tanh(maps).mean((2, 3)))

    model, images = made(Frozen), some_images()
    activation = model.eval().maps(images).detach().requires_grad_()
    scores = model.classifier(torch.tanh(activation).mean((2, 3)))
    (g,) = torch.autograd.grad(scores[torch.arange(3), TARGETS].sum(), activation)
    expected = (activation * g.mean((2, 3), keepdim=True)).sum(1).relu().detach()
    torch.testing.assert_close(attribute(model, images, TARGETS, "gradcam", layer="body"), expected)


def test_a_layer_that_the_scores_do_not_depend_on_is_refused() -> None:
    class Aside(Pooled):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.maps(images)
            return self.classifier(torch.tanh(images.mean((2, 3))).repeat(1, 2))

    model, images = made(Aside), some_images()
    with pytest.raises(ParameterError, match="scores do not depend on"):
        attribute(model, images, TARGETS, "gradcam", layer="body")
    with pytest.raises(ParameterError, match="no gradient reaches the layer"):
        attribute(model.requires_grad_(False), images, TARGETS, "gradcam", layer="body")


def test_layers_by_structure() -> None:
    images = some_images()
    for kind in (Pooled, ConvThenPool):
        assert cam_layer(made(kind, inplace=True), images) == "body"
    for kind in (Flattened, RectifiedConv):
        with pytest.raises(ParameterError, match=r"no layer before global average pooling.* such as .*body"):
            attribute(made(kind, inplace=True), images, TARGETS, "gradcam")


def test_layers_by_name_or_module_or_an_error_that_helps() -> None:
    model, images = made(Pooled), some_images()
    assert list(chosen_layers(model, ["stem", model.body[0]], images)) == ["stem", "body.0"]
    for layer, text in (
        ("bdoy", "layer 'bdoy' is not in Pooled; did you mean body"),
        ("", "layer '' is not in Pooled"),
        (nn.Conv2d(3, 3, 1), "layer Conv2d is no part of Pooled"),
        ([], "the list is empty"),
        (3, "neither a name nor a module"),
        ([3], "neither a name nor a module"),
        ("classifier", r"layer 'classifier' gives shape \(3, 4\), not maps"),
    ):
        with pytest.raises(ParameterError, match=text):
            attribute(model, images, TARGETS, "gradcam", layer=layer)
    model.unused = nn.Conv2d(3, 3, 1)
    with pytest.raises(ParameterError, match="layer 'unused' takes no part"):
        attribute(model, images, TARGETS, "gradcam", layer="unused")


def test_scores_are_found_in_what_classifiers_return() -> None:
    scores = torch.zeros(2, 3)

    class Output:
        logits = scores

    for output in (scores, Output(), {"logits": scores}, (scores, None)):
        assert scores_of(output) is scores
    for output, text in ((torch.zeros(2), r"shape \(2,\)"), (None, "NoneType"), ({"x": scores}, "dict")):
        with pytest.raises(ParameterError, match=text):
            scores_of(output)
