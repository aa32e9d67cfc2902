"""The gradient family against slow loops, the identities of linear heads, batches, several classes and layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from wsol.attribution import attribute, family, gradcam_pp, layercam, load, smooth_gradcam_pp, xgradcam
from wsol.attribution.gradients import with_noise
from wsol.attribution.layers import cam_layer
from wsol.errors import ParameterError
from wsol.models import build
from wsol.testing.classifiers import CLASSES, ConvThenPool, Flattened, Pooled, RectifiedConv, made, some_images

GRADIENT = ("gradcam", "gradcam_pp", "smooth_gradcam_pp", "xgradcam", "layercam")
LAYERS = ("stem.0", "stem", "body.0", "body")
TARGETS = torch.tensor([2, 0, 3])


def slow(model: Any, image: Tensor, target: int, layer: str) -> tuple[Any, Any]:
    """A and ∂ score / ∂A in float64 of one image, as nested lists, by finite means of autograd on the whole network."""
    model = model.double().eval()
    kept: list[Tensor] = []

    def hook(module: Any, inputs: Any, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()

    handle = model.get_submodule(layer).register_forward_hook(hook)
    score = model(image[None].double())[0, target]
    handle.remove()
    (gradient,) = torch.autograd.grad(score, kept[0])
    model.float()
    return kept[0][0].detach(), gradient[0]


def slow_map(name: str, a: Tensor, g: Tensor) -> Tensor:
    """The definitions, place by place."""
    channels, height, width = a.shape
    places = [(i, j) for i in range(height) for j in range(width)]
    result = torch.zeros(height, width, dtype=a.dtype)
    for k in range(channels):
        total = sum(float(a[k, i, j]) for i, j in places)
        if name == "gradcam":
            weight = sum(float(g[k, i, j]) for i, j in places) / len(places)
        elif name == "xgradcam":
            weight = sum(float(g[k, i, j] * a[k, i, j]) for i, j in places) / total if total else 0.0
        else:
            weight = 0.0
            for i, j in places:
                d = float(g[k, i, j])
                if d > 0:
                    weight += d**2 / (2 * d**2 + total * d**3) * d
        for i, j in places:
            result[i, j] += (max(float(g[k, i, j]), 0) if name == "layercam" else weight) * a[k, i, j]
    return result.clamp(min=0)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", ["gradcam", "gradcam_pp", "xgradcam", "layercam"])
@pytest.mark.parametrize("kind", [Flattened, Pooled])
def test_maps_are_those_of_the_definition(kind: Any, name: str, layer: str) -> None:
    model, images = made(kind, inplace=True), some_images()
    found = attribute(model, images, TARGETS, name, layer=layer)
    for index, target in enumerate(TARGETS.tolist()):
        expected = slow_map(name, *slow(model, images[index], target, layer))
        torch.testing.assert_close(found[index].double(), expected, rtol=1e-3, atol=1e-5 * float(expected.max() + 1))
    assert (found >= 0).all() and found.amax() > 0


@pytest.mark.parametrize("layer", ["stem", "body"])
def test_smooth_gradcam_pp_averages_the_derivatives_of_noisy_copies(layer: str) -> None:
    model, images = made(Flattened), some_images()
    found = attribute(model, images, TARGETS, "smooth_gradcam_pp", layer=layer, samples=3, sigma=0.2, seed=4)
    copies = list(with_noise(images, 3, 0.2, 4))
    for index, target in enumerate(TARGETS.tolist()):
        clean, _ = slow(model, images[index], target, layer)
        each = [slow(model, copy[index], target, layer)[1] for copy in copies]
        first, second, third = (sum(g**p for g in each) / 3 for p in (1, 2, 3))
        expected = torch.zeros_like(clean[0])
        for k in range(len(clean)):
            weight = 0.0
            for above, under, d in zip(second[k].flatten(), third[k].flatten(), first[k].flatten(), strict=True):
                denominator = 2 * float(above) + float(clean[k].sum()) * float(under)
                weight += float(above) / denominator * max(float(d), 0) if denominator else 0.0
            expected += weight * clean[k]
        expected = expected.clamp(min=0)
        torch.testing.assert_close(found[index].double(), expected, rtol=2e-3, atol=1e-4 * float(expected.max() + 1))


def test_without_noise_smooth_gradcam_pp_is_gradcam_pp() -> None:
    model, images = made(Flattened), some_images()
    smooth = attribute(model, images, TARGETS, "smooth_gradcam_pp", layer="body", sigma=0.0)
    plain = attribute(model, images, TARGETS, "gradcam_pp", layer="body")
    torch.testing.assert_close(smooth, plain, rtol=1e-3, atol=1e-6)


def test_without_an_epsilon_a_channel_with_0_over_0_counts_as_nothing() -> None:
    activation = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])
    gradient = torch.tensor([[[0.5, 0.0]], [[0.5, 0.25]]])
    activation[0, 0, 0] = 0.0  # Σ A · G³ of the first channel is 0, and so is G at its second place
    given = (activation, gradient, gradient**2, gradient**3)
    found = smooth_gradcam_pp.torchcam_coefficients(*given, smooth_gradcam_pp.EPS["f-cam"])
    mixed = 3 * 0.5**3 + 4 * 0.25**3
    expected = sum(g**2 / (2 * g**2 + mixed) * g for g in (0.5, 0.25))
    torch.testing.assert_close(found.flatten(), torch.tensor([0.0, expected]))
    guarded = smooth_gradcam_pp.torchcam_coefficients(*given, smooth_gradcam_pp.EPS["torch-cam"])
    assert guarded.flatten()[0] == pytest.approx(0.25), "torch-cam's ε keeps the channel"


@pytest.mark.parametrize(("variant", "eps"), [("torch-cam", 1e-8), ("f-cam", 0.0)])
def test_smooth_variants_differ_as_named(variant: str, eps: float) -> None:
    model, images = made(Flattened), some_images()
    options: dict[str, Any] = {"layer": "body", "samples": 2, "sigma": 0.3, "seed": 1}
    found = attribute(model, images, TARGETS, "smooth_gradcam_pp", variant=variant, **options)
    copies = list(with_noise(images, 2, 0.3, 1))
    for index, target in enumerate(TARGETS.tolist()):
        clean, _ = slow(model, images[index], target, "body")
        noisy, last = slow(model, copies[-1][index], target, "body")
        each = [slow(model, copy[index], target, "body")[1] for copy in copies]
        second, third = (sum(g**p for g in each) / 2 for p in (2, 3))
        alpha = second / (2 * second + (third * clean).sum((1, 2), keepdim=True) + eps)
        expected = ((alpha * last.relu()).sum((1, 2), keepdim=True).nan_to_num(nan=0.0) * noisy).sum(0).relu()
        torch.testing.assert_close(found[index].double(), expected, rtol=1e-3, atol=1e-5)
    # As printed: the first derivative above the line. In float64 from the pure function.
    a, g = slow(model, images[0], 2, "body")
    printed = smooth_gradcam_pp.smooth_coefficients(a, g, g**2, g**3, numerator="first")
    total = a.sum((1, 2), keepdim=True)
    denominator = 2 * g**2 + total * g**3
    expected = torch.where(denominator == 0, 0, g / denominator).mul(g.relu()).sum((1, 2), keepdim=True)
    torch.testing.assert_close(printed, expected)
    second = smooth_gradcam_pp.smooth_coefficients(a, g, g**2, g**3)
    torch.testing.assert_close(second, gradcam_pp.coefficients(a, g))


@pytest.mark.parametrize("kind", [Pooled, ConvThenPool])
def test_with_a_linear_head_the_methods_coincide(kind: Any) -> None:
    """CAM, Grad-CAM and XGrad-CAM up to scale and ReLU; closed Grad-CAM++; the official α is LayerCAM."""
    model, images = made(kind).double().eval(), some_images().double()
    activation = model.maps(images).detach()
    n = activation.shape[2] * activation.shape[3]
    weight = model.classifier.weight.detach().flatten(1)
    cam = attribute(model, images, None, "cam")
    torch.testing.assert_close(cam, torch.einsum("kc,bchw->bkhw", weight, activation))
    assert (cam < 0).any()
    for name in ("gradcam", "xgradcam"):
        torch.testing.assert_close(attribute(model, images, None, name), cam.relu() / n)
    positive = weight.relu()
    layer = torch.einsum("kc,bchw->bkhw", positive, activation) / n
    torch.testing.assert_close(attribute(model, images, None, "layercam"), layer)
    torch.testing.assert_close(attribute(model, images, None, "gradcam_pp", variant="official-alpha"), layer)
    shares = positive / (2 + weight * activation.mean((2, 3))[:, None])
    closed = torch.einsum("bkc,bchw->bkhw", shares, activation)
    torch.testing.assert_close(attribute(model, images, None, "gradcam_pp"), closed)
    torch.testing.assert_close(attribute(model, images, None, "smooth_gradcam_pp"), closed)
    undivided = torch.einsum("kc,bchw->bkhw", positive**3 / n**2, activation)
    torch.testing.assert_close(attribute(model, images, None, "gradcam_pp", variant="no-division"), undivided)


METHODS_AND_OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in GRADIENT),
    ("gradcam_pp", {"variant": "official-alpha"}),
    ("gradcam_pp", {"variant": "no-division"}),
    ("smooth_gradcam_pp", {"numerator": "first"}),
]


@pytest.mark.parametrize(("name", "options"), METHODS_AND_OPTIONS)
@pytest.mark.parametrize("kind", [Pooled, ConvThenPool])
def test_the_closed_form_is_the_backward_pass(
    kind: Any, name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, images = made(kind).double(), some_images().double()
    closed = attribute(model, images, None, name, layer="body", **options)
    recorded: list[bool] = []
    capturing = family.capturing
    monkeypatch.setattr(family, "linear_pass", lambda *arguments: None)
    monkeypatch.setattr(
        family, "capturing", lambda *a, graph, **k: (recorded.append(graph), capturing(*a, graph=graph, **k))[1]
    )
    backward = attribute(model, images, None, name, layer="body", **options)
    assert recorded == [True] or name == "smooth_gradcam_pp"
    torch.testing.assert_close(closed, backward, rtol=1e-6, atol=1e-12)


def test_the_closed_form_needs_no_graph_and_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = made(Pooled), some_images()
    passes: list[bool] = []
    model.classifier.register_forward_hook(lambda *a: passes.append(torch.is_grad_enabled()))
    for name in GRADIENT:
        attribute(model, images, TARGETS, name, layer="body")
    assert passes == [False, True] + [False] * (len(GRADIENT) - 1), "once a head one image checks what was recognised"
    monkeypatch.setattr(torch.autograd, "grad", lambda *a, **k: pytest.fail("a backward pass"))
    assert attribute(model, images, None, "smooth_gradcam_pp").shape == (3, CLASSES, 6, 6)


def test_equal_values_are_not_taken_for_a_layer_that_is_read() -> None:
    """Behind a block that adds next to nothing the head reads the values of a layer on which it hardly depends."""

    class Scaled(Pooled):
        def forward(self, images: Tensor) -> Tensor:
            maps = self.maps(images)
            return self.classifier((maps + 1e-9 * self.side(maps)).mean((2, 3)))

    model, images = made(Scaled), some_images()
    model.side = torch.nn.Identity()
    found = attribute(model, images, TARGETS, "gradcam", layer="side")
    torch.testing.assert_close(found, 1e-9 * attribute(model, images, TARGETS, "gradcam", layer="body"))
    assert found.any()


def test_a_classifier_that_is_replaced_is_noticed() -> None:
    model, images = made(Pooled), some_images()
    before = attribute(model, images, TARGETS, "gradcam")
    model.classifier = made(Pooled, seed=8).classifier
    after = attribute(model, images, TARGETS, "gradcam")
    expected = made(Pooled)
    expected.classifier = model.classifier
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, attribute(expected, images, TARGETS, "gradcam"))


@pytest.mark.parametrize(("kind", "layer"), [(Flattened, "body"), (RectifiedConv, "body"), (Pooled, "body.0")])
def test_other_heads_and_layers_are_not_taken_for_linear(kind: Any, layer: str) -> None:
    """Layers before a ReLU, ReLUs behind the class maps and heads on flattened maps, tried and then remembered."""
    model, images = made(kind, inplace=True), some_images()
    passes: list[None] = []
    model.register_forward_hook(lambda *a: passes.append(None))
    for expected in (2, 3):
        attribute(model, images, TARGETS, "gradcam", layer=layer)
        assert len(passes) == expected
    found = attribute(model, images, TARGETS, "layercam", layer=layer)
    oracle = slow_map("layercam", *slow(model, images[1], 0, layer))
    torch.testing.assert_close(found[1].double(), oracle, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", GRADIENT)
@pytest.mark.parametrize("kind", [Pooled, Flattened])
def test_batches_classes_and_layers_do_not_meet(kind: Any, name: str) -> None:
    model, images = made(kind), some_images()
    options: dict[str, Any] = {"samples": 2} if name == "smooth_gradcam_pp" else {}
    every = attribute(model, images, None, name, layer="body", **options)
    assert every.shape == (3, CLASSES, 6, 6)

    def same(found: Tensor, expected: Tensor) -> None:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(every.max()))

    several = torch.tensor([[1, 3], [0, 0], [2, 1]])
    rows = torch.arange(3)[:, None]
    same(attribute(model, images, several, name, layer="body", **options), every[rows, several])
    for target in range(CLASSES):
        single = attribute(model, images, [target] * 3, name, layer="body", **options)
        same(single, every[:, target])
    for index in range(3):
        alone = attribute(model, images[index : index + 1], TARGETS[index : index + 1], name, layer="body", **options)
        same(alone[0], every[index, TARGETS[index]])
    early, late = attribute(model, images, TARGETS, name, layer=["stem", model.body], **options)
    same(late, every[torch.arange(3), TARGETS])
    same(early, attribute(model, images, TARGETS, name, layer="stem", **options))
    maps, scores = load(name).class_maps(model, images, layer="body", **options)
    same(maps, every)
    torch.testing.assert_close(scores, model.eval()(images).detach())


def test_coefficients_are_defined_where_the_formulas_divide_by_nothing() -> None:
    dead, nothing = torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
    slope = torch.linspace(-1, 1, 18).reshape(1, 2, 3, 3)
    for module in (xgradcam, gradcam_pp, layercam):
        for a, g in ((dead, slope), (slope, nothing), (dead, nothing)):
            assert torch.isfinite(module.coefficients(a, g)).all()
    # 2 G² + (Σ A) G³ = 0 for Σ A = -1, G = 2.
    a = torch.full((1, 1, 2, 2), -0.25)
    assert gradcam_pp.coefficients(a, torch.full_like(a, 2.0)).item() == 0
    assert gradcam_pp.linear_coefficients(torch.tensor([[8.0]]), torch.tensor([[-0.25]]), 4).item() == 0


def test_small_gradients_are_divided_exactly() -> None:
    """α of equation 19 does not depend on the scale of G and A together: no ε, no underflow of its cubes."""
    a, g = some_images(2, seed=5, side=4).double().abs(), some_images(2, seed=6, side=4).double()
    reference = gradcam_pp.coefficients(a, g)
    small = gradcam_pp.coefficients((a * 1e15).float(), (g * 1e-15).float())
    torch.testing.assert_close(small.double() * 1e15, reference, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("head", ["cam", "acol", "spg", "fsl", "calm"])
@pytest.mark.parametrize("backbone", ["resnet50", "vgg16", "inceptionv3"])
def test_own_networks_of_every_head(backbone: str, head: str) -> None:
    torch.manual_seed(0)
    model: Any = build(backbone, head=head, num_classes=3, width=0.125, map_stride=16).eval()
    images, targets = some_images(2, side=64), torch.tensor([2, 0])
    with torch.no_grad():
        leaf, expected = model.features(images), model(images)
    leaf = leaf.requires_grad_()
    (g,) = torch.autograd.grad(model.logits(leaf)[torch.arange(2), targets].sum(), leaf)
    a = leaf.detach()
    maps, logits = load("gradcam").target_maps(model, images, targets)
    oracle = (a * g.mean((2, 3), keepdim=True)).sum(1).relu()
    torch.testing.assert_close(maps, oracle, rtol=1e-3, atol=1e-5 * float(oracle.max() + 1e-6))
    torch.testing.assert_close(logits, expected)
    assert attribute(model, images, targets, "cam").shape == attribute(model, images, targets, "gradcam").shape


def test_what_cannot_be_meant_is_refused() -> None:
    model, images = made(Pooled), some_images()
    for targets, text in (
        ([0, 1, CLASSES], "target 4 is no class of a network with 4 classes"),
        ([0, 1], r"targets have shape \(2,\) for 3 images"),
        ([0.5, 1, 2], "class indices"),
        ([[0], [1], [-1]], "target -1 is no class"),
    ):
        for name in ("cam", "gradcam", "smooth_gradcam_pp"):
            with pytest.raises(ParameterError, match=text):
                attribute(model, images, targets, name)
    with pytest.raises(ParameterError, match=r"did you mean 'gradcam'\?"):
        attribute(model, images, TARGETS, "gradcma")
    with pytest.raises(ParameterError, match="'gradcam' has no option 'variant'; it has: layer"):
        attribute(model, images, TARGETS, "gradcam", variant="paper")
    with pytest.raises(ParameterError, match="no option 'layer'"):
        attribute(model, images, TARGETS, "calm", layer="body")
    with pytest.raises(ParameterError, match="official-alpha, no-division"):
        attribute(model, images, TARGETS, "gradcam_pp", variant="papre")
    with pytest.raises(ParameterError, match="samples 0"):
        attribute(model, images, TARGETS, "smooth_gradcam_pp", samples=0)
    with pytest.raises(ParameterError, match="variant 'x', numerator 'second'"):
        attribute(model, images, TARGETS, "smooth_gradcam_pp", variant="x")
    with pytest.raises(ParameterError, match="no option 'sample'"):
        attribute(model, images, TARGETS, "smooth_gradcam_pp", sample=3)
    with pytest.raises(ParameterError, match="body of Flattened is not followed by global average pooling"):
        attribute(made(Flattened), images, TARGETS, "cam", layer="body")
    assert cam_layer(model, images) == "body"
