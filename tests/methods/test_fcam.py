"""F-CAM's method: its options, what its terms add up to, and a decoder that does better than the CAM it learns from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from wsol.attribution import attribute, score_maps
from wsol.config.method import load_method
from wsol.config.names import all_scales, available_methods
from wsol.config.resolve import hyperparameters
from wsol.config.scale import load_scale
from wsol.errors import ParameterError
from wsol.losses.partial_cross_entropy import partial_cross_entropy
from wsol.losses.sampling_regions import draw_labels, sampling_regions
from wsol.losses.size_constraint import size_loss
from wsol.methods import load
from wsol.methods.fcam import SEEDS, Method, seed_maps
from wsol.metrics.masks import pixel_average_precision
from wsol.models import build, save_model
from wsol.provenance.closure import code_closure
from wsol.testing import small_training as small

OPTIONS = {
    "seeds": "cam",
    "background": 0.3,
    "pixels": 1,
    "erosion": 3,
    "dilation": 3,
    "seed_weight": 1.0,
    "crf_weight": 0.0,
    "size_weight": 0.1,
    "crf_kernel": "exact",
    "crf_sigma_rgb": 15.0,
    "crf_sigma_xy": 43.0,
    "crf_scale": 0.5,
    "barrier_first": 1.0,
    "barrier_factor": 1.01,
    "barrier_most": 10.0,
}
SIDE, SQUARE = 32, 12


def squares(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images of noise with one bright square each, labels, and masks (count, side, side) uint8 of the squares."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.5 * torch.randn(count, 3, SIDE, SIDE, generator=generator)
    labels = torch.arange(count) % small.COLOURS
    masks = torch.zeros(count, SIDE, SIDE, dtype=torch.uint8)
    for image, label, mask in zip(images, labels, masks, strict=True):
        y, x = torch.randint(0, SIDE - SQUARE + 1, (2,), generator=generator).tolist()
        image[label, y : y + SQUARE, x : x + SQUARE] += 3
        mask[y : y + SQUARE, x : x + SQUARE] = 1
    return images, labels, masks


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slim classifier of the squares, trained for a moment."""
    torch.manual_seed(0)
    model = build("resnet50", num_classes=small.COLOURS, width=0.125, map_stride=8).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    for step in range(40):
        images, labels, _ = squares(18, seed=step)
        optimiser.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimiser.step()
    path = tmp_path_factory.mktemp("classifier") / "model.safetensors"
    save_model(path, model.eval())
    return path


def made(checkpoint: Path, **options: Any) -> tuple[Method, Any]:
    method = Method(OPTIONS | options)
    torch.manual_seed(0)
    return method, method.build("resnet50", small.COLOURS, {"classifier": str(checkpoint)}).train()


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- the loss -----------------------------------------------------------------------------------------------------


def test_the_terms_add_up_and_only_the_decoder_learns(checkpoint: Path) -> None:
    method, model = made(checkpoint)
    method.start_epoch(3, 5)
    images, labels, _ = squares(6, seed=0)
    loss, logits = method.loss(model, images, labels, stream(4))
    assert torch.equal(logits, model.classifier(images)) and not logits.requires_grad
    with torch.no_grad():
        scores, features = model.decode(images)
        cams = model.class_maps(features)[torch.arange(6), labels]
        drawn = draw_labels(sampling_regions(cams, (SIDE, SIDE), 0.3, 3), 1, 3, stream(4))
        expected = partial_cross_entropy(scores, drawn) + 0.1 * size_loss(scores.softmax(1), 1.01**2)
    torch.testing.assert_close(loss.detach(), expected)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None and parameter.grad.any()) == name.startswith("decoder."), name


def test_a_classifier_that_says_nothing_costs_nothing(checkpoint: Path) -> None:
    """Constant maps: no pixel is drawn, the loss is 0 and finite, and so is every gradient."""
    method, model = made(checkpoint, size_weight=0.0)
    scores, _ = model.decode(squares(3, seed=0)[0])
    loss = method.alignment(scores, torch.ones(3, 4, 4), torch.zeros(3, 3, SIDE, SIDE), stream())
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(not parameter.grad.any() for parameter in model.decoder.parameters())


def test_crf_is_asked_for_the_images_as_they_were(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    asked: dict[str, Any] = {}
    module = ModuleType("wsol.losses.crf")

    def crf_loss(probabilities: torch.Tensor, images: torch.Tensor, **options: Any) -> torch.Tensor:
        asked.update(probabilities=probabilities, images=images, **options)
        return probabilities[:, 1].sum()

    module.crf_loss = crf_loss  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wsol.losses.crf", module)
    method, model = made(checkpoint, seed_weight=0.0, size_weight=0.0, crf_weight=0.25, crf_kernel="lattice")
    colours = torch.randint(0, 256, (3, SIDE, SIDE, 3), generator=stream(), dtype=torch.uint8)
    from wsol.data.transforms import normalise

    loss, _ = method.loss(model, normalise(colours), torch.tensor([0, 1, 2]), stream())
    probabilities = asked["probabilities"].detach()
    assert float(loss.detach()) == pytest.approx(0.25 * float(probabilities[:, 1].sum()), rel=1e-6)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(3, SIDE, SIDE))
    assert torch.equal(asked["images"], colours.permute(0, 3, 1, 2).float())
    assert [asked[name] for name in ("sigma_rgb", "sigma_xy", "scale", "kernel")] == [15.0, 43.0, 0.5, "lattice"]


@pytest.mark.system
def test_a_short_training_beats_the_maps_that_it_learns_from(checkpoint: Path) -> None:
    method, model = made(checkpoint, background=0.6, pixels=4)
    optimiser = torch.optim.SGD(model.decoder.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    for step in range(40):
        images, labels, _ = squares(12, seed=100 + step)
        loss, _ = method.loss(model, images, labels, stream(step))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    images, labels, masks = squares(30, seed=1000)
    model.eval()
    with torch.no_grad():
        cam = score_maps(attribute(model, images, labels, "cam"), SIDE).numpy()
        learnt = score_maps(attribute(model, images, labels, "fcam"), SIDE, "as-is").numpy()
    before, after = (pixel_average_precision(maps, masks.numpy()).ap for maps in (cam, learnt))
    assert after > before + 0.05, f"PxAP {before:.3f} of CAM, {after:.3f} of the decoder"


# --- options and files --------------------------------------------------------------------------------------------


def test_every_method_of_the_family_is_one_module(checkpoint: Path) -> None:
    family = [name for name in available_methods() if name.startswith("fcam_")]
    seeds = set()
    for name in family:
        settings = load_method(name)
        assert (settings["code"], list(settings["attributions"])) == ("fcam", ["fcam"])
        classifier = load_method(settings["classifier"])
        for hyper in settings_of_every_cell(name):
            load("fcam").Method(hyper["options"], hyper["label_smoothing"])
            assert hyper["checkpoint"] == "best" and hyper["head_learning_rate_ratio"] == 1
            seeds.add(hyper["options"]["seeds"])
            assert hyper["options"]["seeds"] in classifier["attributions"], "its epoch is chosen by the seeds' maps"
            # The weight belongs to the kernel.
            if hyper["options"]["crf_weight"] and hyper["options"]["crf_kernel"] == "lattice":
                assert hyper["options"]["crf_weight"] == 2e-9
    assert seeds == set(SEEDS)


def settings_of_every_cell(name: str) -> Iterator[dict[str, Any]]:
    for scale in all_scales():
        for cell in load_scale(scale).cells(name) if name in load_scale(scale).methods else ():
            yield hyperparameters(name, scale, cell.dataset, cell.backbone)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": "scorecam"}, "'seeds' is 'scorecam'"),
        ({"background": 1.5}, r"'background' is 1.5; give a number in \[0, 1\]"),
        ({"erosion": 4}, "'erosion' is 4; give a positive odd number"),
        ({"pixels": 0}, "'pixels' is 0; give a positive whole number"),
        ({"crf_weight": -1}, "'crf_weight' is -1"),
        ({"crf_kernel": "fast"}, "choose one of exact, lattice"),
        ({"crf_scale": 0}, "'crf_scale' is 0; give a positive number"),
        ({"alpha": 1}, "option 'alpha' is unknown"),
    ],
)
def test_what_it_cannot_do_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Method(OPTIONS | change)


def test_a_classifier_of_another_cell_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ParameterError, match="3 classes on resnet50, but the cell has 3 on vgg16"):
        Method(OPTIONS).build("vgg16", 3, {"classifier": str(checkpoint)})
    with pytest.raises(ParameterError, match="no classifier; name the method"):
        Method(OPTIONS).build("resnet50", 3, {"pretrained": None})


@pytest.mark.parametrize("seeds", SEEDS)
def test_seeds_are_the_maps_of_their_method(checkpoint: Path, seeds: str) -> None:
    _, model = made(checkpoint)
    images, labels, _ = squares(4, seed=0)
    with torch.no_grad():
        found = seed_maps(seeds, model.classifier, model.features(images), labels)
    assert found.shape == (4, 4, 4) and found.isfinite().all() and not found.requires_grad
    torch.testing.assert_close(found, attribute(model.classifier, images, labels, seeds).detach())
    with torch.no_grad():
        features = model.features(images)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = seed_maps(seeds, model.classifier, features, labels)
    assert mixed.dtype == torch.float32, "in mixed precision too"
    torch.testing.assert_close(mixed, found)


def test_an_edit_of_any_part_trains_again() -> None:
    files = set(code_closure("wsol.methods.fcam"))
    parts = (
        "models/decoder",
        "models/families/fcam",
        "models/heads/cam",
        "losses/sampling_regions",
        "losses/size_constraint",
    )
    assert {f"src/wsol/{part}.py" for part in (*parts, "losses/partial_cross_entropy")} <= files
