"""Score-CAM, SS-CAM and IS-CAM against slow loops over channels and pixels; variants, chunks, noise, all classes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from wsol.attribution import attribute, iscam, load, masking, scorecam, sscam
from wsol.attribution.gradients import image_seeds
from wsol.errors import ParameterError
from wsol.testing.classifiers import CLASSES, Flattened, Pooled, made, some_images

TARGETS = torch.tensor([2, 0, 3])
FAMILY: list[tuple[str, dict[str, Any]]] = [("scorecam", {}), ("sscam", {"samples": 3}), ("iscam", {"samples": 4})]


def network(kind: Any = Flattened, dead: bool = True) -> Any:
    """One channel is dead and one is constant on every image."""
    model = made(kind, seed=2).eval()
    if dead:
        with torch.no_grad():
            for channel, value in ((1, -1.0), (4, 0.5)):
                model.body[0].weight[channel] = 0
                model.body[0].bias[channel] = value
    return model


@torch.no_grad()
def slow(model: Any, image: Tensor, target: int, variant: str, scales: tuple[float, ...] = (1.0,)) -> Tensor:
    """One image and class, channel by channel; every score by its own forward pass."""
    a = model.maps(image[None])[0]
    size = image.shape[1:]

    def upsampled(plane: Tensor) -> Tensor:
        corners = variant == "pytorch-grad-cam"
        return interpolate(plane[None, None], size, mode="bilinear", align_corners=corners)[0, 0]

    def unit(plane: Tensor) -> Tensor:
        extent = plane.max() - plane.min()
        return (plane - plane.min()) / (extent + 1e-12) if extent > 0 else torch.zeros_like(plane)

    early = variant in ("torch-cam", "f-cam")
    probability = variant in ("official", "f-cam")
    scores = []
    for plane in a:
        # A resized constant is constant but for rounding, which no mask shall be made of.
        empty = bool(plane.max() == plane.min())
        mask = torch.zeros(size) if empty else upsampled(unit(plane)) if early else unit(upsampled(plane))
        outputs = torch.stack([model((image * (scale * mask))[None])[0] for scale in scales])
        values = outputs.softmax(1) if probability else outputs
        scores.append(values[:, target].mean())
    weights = torch.stack(scores)
    if probability:
        varying = a.flatten(1).amax(1) > a.flatten(1).amin(1)
        weights = weights * varying
    else:
        weights = weights.softmax(0)
    result = torch.zeros(size if variant == "official" else a.shape[1:])
    for weight, plane in zip(weights, a, strict=True):
        shown = upsampled(plane) if variant == "official" else unit(plane) if variant == "f-cam" else plane
        result += weight * shown
    return result.relu()


@pytest.mark.parametrize("variant", list(scorecam.VARIANTS))
@pytest.mark.parametrize("kind", [Flattened, Pooled])
def test_scorecam_is_the_loop_over_channels(kind: Any, variant: str) -> None:
    model, images = network(kind), some_images()
    found = attribute(model, images, TARGETS, "scorecam", layer="body", variant=variant)
    for index, target in enumerate(TARGETS.tolist()):
        expected = slow(model, images[index], target, variant)
        torch.testing.assert_close(found[index], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("variant", list(iscam.VARIANTS))
def test_iscam_is_the_loop_over_strengths(variant: str) -> None:
    model, images = network(), some_images()
    # As printed: Σ_{j<i} j / N for i = 1 … N.
    scales = tuple(sum(j / 4 for j in range(i)) for i in range(1, 5))
    later = tuple(sum(j / 4 for j in range(i + 1)) for i in range(1, 5))
    default = scales if variant == "paper" else later
    for schedule, taken in ((None, default), ("paper", scales), ("torch-cam", later)):
        found = attribute(model, images, TARGETS, "iscam", layer="body", variant=variant, samples=4, schedule=schedule)
        for index, target in enumerate(TARGETS.tolist()):
            expected = slow(model, images[index], target, variant, taken)
            torch.testing.assert_close(found[index], expected, rtol=1e-4, atol=1e-6)


def test_the_schedules_of_iscam() -> None:
    printed = [sum(j / 10 for j in range(i)) for i in range(1, 11)]
    assert iscam.strengths("paper", 10) == pytest.approx(printed) and printed[-1] == pytest.approx(4.5)
    accumulated = [sum((j + 1) / 10 for j in range(i + 1)) for i in range(10)]
    assert iscam.strengths("torch-cam", 10) == pytest.approx(accumulated) and accumulated[-1] == pytest.approx(5.5)
    assert iscam.strengths("path", 4) == [0.25, 0.5, 0.75, 1.0]


def test_sscam_is_the_loop_over_noisy_masks() -> None:
    """Of a network without dead channels: the softmax is over all."""
    model, images = network(dead=False), some_images()
    with torch.no_grad():
        model.body[0].bias.fill_(1.0)
        activation = model.maps(images)
    assert (activation.flatten(2).amax(2) > 0).all()
    found = attribute(model, images, TARGETS, "sscam", layer="body", samples=3, sigma=0.5, seed=7)
    seeds = image_seeds(images, 7)
    for index, target in enumerate(TARGETS.tolist()):
        stream = torch.Generator().manual_seed(seeds[index])
        scores = []
        for plane in activation[index]:
            mask = interpolate(plane[None, None], (12, 12), mode="bilinear", align_corners=False)[0, 0]
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            noise = torch.randn(3, 12, 12, generator=stream)
            with torch.no_grad():
                scores.append(model(images[index] * (mask + 0.5 * noise)[:, None])[:, target].mean())
        weights = torch.stack(scores).softmax(0)
        expected = (weights[:, None, None] * activation[index]).sum(0).relu()
        torch.testing.assert_close(found[index], expected, rtol=1e-4, atol=1e-6)


def test_without_noise_and_at_full_strength_both_are_scorecam() -> None:
    model, images = network(dead=False), some_images()
    with torch.no_grad():
        model.body[0].bias.fill_(1.0)
    plain = attribute(model, images, None, "scorecam", layer="body")
    torch.testing.assert_close(attribute(model, images, None, "sscam", layer="body", samples=2, sigma=0.0), plain)
    # A quarter of the strength in the mask is a quarter of it in a linear score; here only that 1 is the mask itself.
    once = masking.explain(model, images, None, "body", masking.Recipe(), iscam.Scaled([1.0]), None)[0][0]
    torch.testing.assert_close(once, plain)


def test_dead_channels_cost_one_pass_together_and_change_nothing() -> None:
    model, images = network(), some_images(1)
    seen: list[int] = []
    model.register_forward_hook(lambda m, inputs, output: seen.append(len(inputs[0])))
    attribute(model, images, [2], "scorecam", layer="body")
    assert seen == [1, 4, 1], "the image, four channels that vary, and the empty image for two"
    seen.clear()
    attribute(model, images, [2], "scorecam", layer="body", variant="official")
    assert seen == [1, 4]
    seen.clear()
    attribute(model, images, [2], "sscam", layer="body", samples=2)
    assert sum(seen) == 1 + 2 * 5, "noise makes the constant channel's mask, and only the dead one is left out"
    seen.clear()
    attribute(model, images, None, "iscam", layer="body", samples=3)
    assert sum(seen) == 1 + 4 * 2 + 1, "strength 0 is the empty image"


def test_an_image_without_any_activation_has_an_empty_map() -> None:
    model, images = network(dead=False), some_images()
    with torch.no_grad():
        model.body[0].weight.zero_()
        model.body[0].bias.fill_(-1.0)
    for name, options in FAMILY:
        found = attribute(model, images, None, name, layer="body", **options)
        assert found.shape == (3, CLASSES, 6, 6) and not found.any()


def test_large_images_go_through_the_network_a_few_at_a_time() -> None:
    sides = {1: 32, 64: 32, 112: 32, 224: 8, 448: 2, 1000: 1}
    assert {side: masking.at_once(torch.empty(1, 3, side, side, device="meta")) for side in sides} == sides
    images = torch.empty(1, 3, 224, 224, device="meta")
    assert [masking.at_once(images, threads) for threads in (1, 2, 8, 9, 16, 64, 128)] == [8, 8, 8, 7, 4, 1, 1]


@pytest.mark.parametrize(("name", "options"), FAMILY)
def test_batches_chunks_and_classes_do_not_meet(name: str, options: dict[str, Any]) -> None:
    model, images = network(), some_images()
    every, scores = load(name).class_maps(model, images, layer="body", **options)
    torch.testing.assert_close(scores, model(images).detach())
    assert every.amax() > 0
    several = torch.tensor([[1, 3], [0, 0], [2, 1]])
    found = attribute(model, images, several, name, layer="body", **options)
    torch.testing.assert_close(found, every[torch.arange(3)[:, None], several])
    for chunk in (1, 5):
        for index in range(3):
            picked = images[index : index + 1], TARGETS[index : index + 1]
            alone = attribute(model, *picked, name, layer="body", chunk=chunk, **options)
            torch.testing.assert_close(alone[0], every[index, TARGETS[index]])
    early, late = attribute(model, images, TARGETS, name, layer=["stem", "body"], **options)
    assert early.shape == (3, 12, 12)
    if name != "sscam":
        torch.testing.assert_close(late, every[torch.arange(3), TARGETS])


def test_the_noise_of_sscam_is_named_by_seed_and_image() -> None:
    model, images = network(), some_images()

    def maps(**options: Any) -> Tensor:
        return attribute(model, images, TARGETS, "sscam", layer="body", samples=3, **options)

    first = maps(seed=1)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert torch.equal(maps(seed=1), first) and not torch.allclose(maps(seed=2), first)
    assert torch.equal(torch.get_rng_state(), before), "the global stream is not drawn from"
    shared = sscam.Noisy(2, 1.0, 0, colours=3)
    stream = shared.streams(images)[0]
    added = shared.spread(torch.zeros(5, 4, 4), stream)
    assert added.shape == (5, 2, 3, 4, 4)
    assert torch.equal(added[0], added[2]) and not torch.equal(added[:, 0], added[:, 1])
    assert not torch.equal(added[:, :, 0], added[:, :, 1])
    assert torch.equal(shared.spread(torch.zeros(5, 4, 4), stream), added)


@torch.no_grad()
def test_sscam_as_in_the_code_of_f_cam_is_a_loop() -> None:
    """Each copy adds one noise (3, H, W) to the masks of all channels; the weight is the mean probability."""
    model, images = network(), some_images()
    found = attribute(model, images, TARGETS, "sscam", layer="body", variant="f-cam", samples=3, sigma=0.5, seed=7)
    for index, target in enumerate(TARGETS.tolist()):
        stream = torch.Generator().manual_seed(image_seeds(images, 7)[index])
        noise = 0.5 * torch.randn(3, 3, *images.shape[2:], generator=stream)
        expected = torch.zeros(found.shape[1:])
        for plane in model.maps(images)[index]:
            extent = plane.max() - plane.min()
            if not extent:
                continue
            unit = (plane - plane.min()) / (extent + 1e-12)
            mask = interpolate(unit[None, None], images.shape[2:], mode="bilinear")[0]
            scores = [model((images[index] * (mask + copy))[None]).softmax(1)[0, target] for copy in noise]
            expected += torch.stack(scores).mean() * unit
        torch.testing.assert_close(found[index], expected.relu(), rtol=1e-4, atol=1e-6)


def test_a_softmax_over_channels_knows_no_baseline_and_raw_scores_do() -> None:
    model, images = network(), some_images()

    def maps(**options: Any) -> Tensor:
        return attribute(model, images, TARGETS, "scorecam", layer="body", **options)

    for baseline in ("zero", "image"):
        assert torch.equal(maps(baseline=baseline), maps())
    with torch.no_grad():
        activation, scores = model.maps(images), model(images)
    raw = {baseline: maps(weights="raw", baseline=baseline) for baseline in ("none", "zero", "image")}
    unshifted = raw["none"]
    for baseline, taken in (("zero", model(torch.zeros_like(images)).detach()), ("image", scores)):
        shift = taken[torch.arange(3), TARGETS][:, None, None] * activation.sum(1)
        positive = (unshifted > 0) & (raw[baseline] > 0)
        torch.testing.assert_close((unshifted - shift)[positive], raw[baseline][positive], rtol=1e-4, atol=1e-5)
        assert positive.any() or not raw[baseline].any()


def test_what_cannot_be_meant_is_refused() -> None:
    model, images = network(), some_images()
    for name, options, text in (
        ("scorecam", {"variant": "papre"}, "choose one of paper, official"),
        ("scorecam", {"score": "logits"}, "score 'logits' is not one of logit, probability"),
        ("scorecam", {"samples": 3}, "option 'samples' is not known"),
        ("scorecam", {"chunk": 0}, "chunk 0"),
        ("sscam", {"samples": 0}, "samples 0 must be at least 1"),
        ("sscam", {"sigma": -1.0}, "not negative"),
        ("sscam", {"variant": "official"}, "choose one of paper, torch-cam"),
        ("iscam", {"schedule": "linear"}, "choose one of paper, torch-cam, path"),
        ("iscam", {"samples": 1}, "at least 2"),
    ):
        with pytest.raises(ParameterError, match=text):
            attribute(model, images, TARGETS, name, layer="body", **options)
