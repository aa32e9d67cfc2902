"""FSL: its loss by hand, where its gradients go, and a short training on squares whose masks are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from wsol.attribution import attribute, score_maps
from wsol.errors import ParameterError
from wsol.methods.center import center_gaussian
from wsol.methods.fsl import Method, saliency_loss
from wsol.metrics.masks import pixel_average_precision
from wsol.provenance.closure import code_closure
from wsol.testing import small_training as small

SIDE, SQUARE = 32, 12


def batch(count: int, seed: int, side: int = SIDE) -> tuple[torch.Tensor, torch.Tensor]:
    """(count, 4, side, side): noise with a bright square of the label's colour and its mask; and labels."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.5 * torch.randn(count, 4, side, side, generator=generator)
    images[:, 3] = 0
    labels = torch.arange(count) % small.COLOURS
    for image, label in zip(images, labels, strict=True):
        y, x = torch.randint(0, side - SQUARE + 1, (2,), generator=generator).tolist()
        image[label, y : y + SQUARE, x : x + SQUARE] += 3
        image[3, y : y + SQUARE, x : x + SQUARE] = 1
    return images, labels


def step(method: Method, model: Any, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return method.loss(model, images, labels, torch.Generator().manual_seed(0))


# --- the loss -----------------------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_over_labelled_pixels() -> None:
    """Maps as large as the masks, so nothing is resized: log(1 + e^-z) of an object, log(1 + e^z) of background."""
    saliency = torch.tensor([[[0.0, 2.0], [-1.0, 50.0]], [[3.0, -4.0], [0.5, 1.0]]], requires_grad=True)
    masks = torch.tensor([[[1, 0], [1, 255]], [[255, 0], [255, 1]]], dtype=torch.uint8)
    terms = [math.log(2), math.log1p(math.exp(2)), math.log1p(math.e), math.log1p(math.exp(-4)), math.log1p(1 / math.e)]
    loss = saliency_loss(saliency, masks)
    assert float(loss.detach()) == pytest.approx(sum(terms) / 5)
    loss.backward()
    assert saliency.grad is not None
    expected = (torch.sigmoid(saliency.detach()) - (masks == 1).float()) / 5
    torch.testing.assert_close(saliency.grad, expected.masked_fill(masks == 255, 0.0))


def test_a_map_is_resized_bilinearly_to_the_masks() -> None:
    """Half-pixel centres: from (a, b) to four columns come a, ¾a + ¼b, ¼a + ¾b, b."""
    saliency = torch.tensor([[[4.0, -4.0]]])
    masks = torch.tensor([[[1, 1, 0, 0]]], dtype=torch.uint8)
    expected = (2 * math.log1p(math.exp(-4)) + 2 * math.log1p(math.exp(-2))) / 4
    assert float(saliency_loss(saliency, masks)) == pytest.approx(expected)


def test_a_batch_without_a_labelled_pixel_is_worth_nothing() -> None:
    saliency = torch.randn(2, 4, 4, requires_grad=True)
    loss = saliency_loss(saliency, torch.full((2, 16, 16), 255, dtype=torch.uint8))
    assert float(loss.detach()) == 0
    loss.backward()
    assert saliency.grad is not None and not saliency.grad.any()


def test_the_loss_is_that_of_the_map_and_of_the_probe_together() -> None:
    method = Method({}, label_smoothing=0.1)
    model = small.build(method, "resnet50").eval()
    torch.nn.init.normal_(model.head.foreground.weight)
    images, labels = batch(6, 0)
    loss, logits = step(method, model, images, labels)
    features = model.features(images[:, :3])
    torch.testing.assert_close(logits, model.logits(features))
    maps = torch.nn.functional.interpolate(model.head.foreground(features), size=SIDE, mode="bilinear")[:, 0]
    log_p, log_q = maps.sigmoid().log(), (-maps).sigmoid().log()
    of_map = -torch.where(images[:, 3] == 1, log_p, log_q).mean()
    log_classes = logits.log_softmax(1)
    of_labels = -(0.9 * log_classes[range(6), labels] + 0.1 * log_classes.mean(1)).mean()
    torch.testing.assert_close(loss, of_map + of_labels)


# --- gradients ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backbone", ["resnet50", "vgg16", "inceptionv3"])
@pytest.mark.parametrize("stride", [8, 16])
def test_the_probe_and_the_map_do_not_reach_each_others_parameters(backbone: str, stride: int) -> None:
    method = Method({})
    model = small.build(method, backbone, stride)
    for name, parameter in model.named_parameters():
        if name.endswith("bn3.weight"):  # zero at first, so that nothing would reach the layers before
            torch.nn.init.ones_(parameter)
    images, labels = batch(4, 1, side=64)
    torch.manual_seed(5)
    loss, logits = step(method, model, images, labels)
    assert loss.isfinite() and loss.dtype == torch.float32 and logits.shape == (4, small.COLOURS)
    loss.backward()
    both = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    assert all(gradient.isfinite().all() and gradient.any() for gradient in both.values())

    # Other labels: the same gradients but for the probe's, to the last bit.
    model.zero_grad()
    torch.manual_seed(5)
    step(method, model, images, (labels + 1) % small.COLOURS)[0].backward()
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter.grad, both[name])}
    assert changed == {"head.probe.weight", "head.probe.bias"}

    # Nothing labelled: only the probe learns.
    model.zero_grad()
    step(method, model, torch.cat([images[:, :3], torch.full_like(images[:, 3:], 255)], 1), labels)[0].backward()
    moving = {
        name for name, parameter in model.named_parameters() if parameter.grad is not None and parameter.grad.any()
    }
    assert moving == {"head.probe.weight", "head.probe.bias"}


def test_gradient_clipping_is_off_wherever_it_would_tie_the_map_to_the_probe() -> None:
    """The norm that is clipped is that of all parameters, so the probe's gradient would shorten the map's steps."""
    cells = dict(small.every_cell("fsl"))
    assert {"smoke/synthbirds/vgg16", "paper/CUB/resnet50"} <= cells.keys()
    assert {name for name, settings in cells.items() if settings["max_gradient_norm"] is not None} == set()


# --- training -----------------------------------------------------------------------------------------------------


@pytest.mark.system
def test_a_short_training_beats_a_constant_map_and_the_centre() -> None:
    method = Method({})
    model = small.build(method, "resnet50")
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    few, labels = batch(24, seed=0)
    for number in range(40):
        chosen = torch.arange(24).roll(number * 12)[:12]
        loss, _ = step(method, model, few[chosen], labels[chosen])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    images, labels = batch(60, seed=1000)
    masks = images[:, 3].numpy().astype(np.uint8)
    with torch.no_grad():
        model.eval()
        raw = attribute(model, images[:, :3], labels, "fsl")
        accuracy = float((model(images[:, :3]).argmax(1) == labels).float().mean())
    assert (raw.amax((1, 2)) > raw.amin((1, 2))).all()

    def ap(maps: np.ndarray) -> float:
        return pixel_average_precision(maps, masks).ap

    base_rate = float(masks.mean())
    assert base_rate == pytest.approx((SQUARE / SIDE) ** 2)
    centre = ap(np.broadcast_to(center_gaussian(SIDE), masks.shape).astype(np.float32))
    ours = ap(score_maps(raw.numpy(), SIDE))
    assert ours > 0.6 > centre + 0.2 and centre > base_rate - 0.02
    assert accuracy > 0.6, "the probe reads the classes from features that were never taught them; chance is a third"


def test_options_are_checked_and_masks_are_asked_for() -> None:
    assert Method.training_split == "train-fullsup" and Method.needs_masks
    with pytest.raises(ParameterError, match=r"params/methods/fsl\.yaml: option 'weight' is unknown"):
        Method({"weight": 1.0})
    method = Method({})
    with pytest.raises(ParameterError, match="has no mask as a fourth channel"):
        step(method, small.build(method, "resnet50"), batch(2, 0)[0][:, :3], torch.tensor([0, 1]))


def test_an_edit_of_head_or_loss_counts_as_an_edit_of_the_method() -> None:
    closure = set(code_closure("wsol.methods.fsl"))
    assert {"src/wsol/models/heads/fsl.py", "src/wsol/losses/pseudo_masks.py", "src/wsol/data/masks.py"} <= closure
