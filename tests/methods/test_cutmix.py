"""CutMix: boxes, shares and the mixed loss, each against what can be read off the mixed images themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wsol.config.method import load_method
from wsol.errors import ParameterError
from wsol.methods.cutmix import Box, Method, draw_box, draw_share, mixed_loss, paste, visible_share
from wsol.testing import small_training as small


def mixing(beta: float, probability: float) -> Method:
    return Method({"beta": beta, "mix_probability": probability, "odd_sides": "kept"})


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("box", [Box(0, 3, 2, 6), Box(4, 9, 0, 7), Box(3, 3, 2, 5), Box(0, 9, 0, 7)])
def test_the_box_of_the_partner_is_pasted(box: Box) -> None:
    images = torch.randn(4, 3, 9, 7, generator=seeded(0))
    partners = torch.tensor([2, 1, 3, 0])
    expected = images.clone()
    for index in range(4):
        for row in range(box.top, box.bottom):
            for column in range(box.left, box.right):
                expected[index, :, row, column] = images[int(partners[index]), :, row, column]
    before = images.clone()
    assert torch.equal(paste(images, partners, box), expected)
    assert torch.equal(images, before), "the batch itself stays as it was"
    inside = (box.bottom - box.top) * (box.right - box.left)
    assert visible_share(box, 9, 7) == pytest.approx(1 - inside / 63)


def test_a_box_has_the_drawn_sides_and_its_centre_anywhere() -> None:
    share, height, width = 0.75, 20, 40
    centres = []
    for seed in range(2000):
        box = draw_box(height, width, share, seeded(seed))
        assert 0 <= box.top < box.bottom <= height and 0 <= box.left < box.right <= width
        tall, wide = box.bottom - box.top, box.right - box.left
        assert tall <= 10 and wide <= 20
        if box.top > 0 and box.bottom < height:
            assert tall == 10
            centres.append(box.top + 5)
        if box.left > 0 and box.right < width:
            assert wide == 20
    # Uniform over rows: those that keep the box off the border have centres 6 … 14, nine of the twenty.
    assert set(centres) == set(range(6, 15))
    assert len(centres) / 2000 == pytest.approx(9 / 20, abs=4 * (0.45 * 0.55 / 2000) ** 0.5)


@pytest.mark.parametrize("seed", range(40))
def test_odd_sides_are_kept_or_as_released(seed: int) -> None:
    """The released code spans [centre - side // 2, centre + side // 2), cut off at the border."""
    height, width, share = 21, 30, 0.75
    kept = draw_box(height, width, share, seeded(seed))
    found = draw_box(height, width, share, seeded(seed), "shorter")
    again = seeded(seed)
    row, column = (int(torch.randint(size, (), generator=again)) for size in (height, width))
    # Half of 21 is 10, which is even, and half of 30 is 15.
    assert found == Box(max(0, row - 5), min(21, row + 5), max(0, column - 7), min(30, column + 7))
    assert kept == Box(found.top, found.bottom, found.left, min(30, column - 7 + 15))


def test_extreme_shares_give_no_box_or_all_that_the_centre_allows() -> None:
    for seed in range(50):
        nothing = draw_box(8, 8, 1.0, seeded(seed))
        assert visible_share(nothing, 8, 8) == 1
        whole = draw_box(8, 8, 0.0, seeded(seed))
        assert 0 <= visible_share(whole, 8, 8) <= 0.75, "at least a quarter is covered, wherever the centre is"


@pytest.mark.parametrize("beta", [0.04, 0.85, 1.0, 1.35, 50.0])
def test_the_share_has_the_moments_of_the_beta_distribution(beta: float) -> None:
    shares = torch.tensor([draw_share(beta, seeded(seed)) for seed in range(3000)], dtype=torch.float64)
    assert shares.isfinite().all() and shares.min() >= 0 and shares.max() <= 1
    variance = 1 / (4 * (2 * beta + 1))
    assert float(shares.mean()) == pytest.approx(0.5, abs=4 * (variance / 3000) ** 0.5)
    assert float(shares.var()) == pytest.approx(variance, rel=0.12)
    assert draw_share(1e-6, seeded(0)) in (0.0, 1.0)


def test_the_loss_of_a_hand_made_batch() -> None:
    # softmax of (ln 3, 0) is (3/4, 1/4).
    logits = torch.tensor([[3.0, 1.0], [1.0, 1.0]]).log()
    own, other = torch.tensor([0, 1]), torch.tensor([1, 0])
    first = -0.7 * torch.tensor(0.75).log() - 0.3 * torch.tensor(0.25).log()
    second = torch.tensor(2.0).log()
    assert float(mixed_loss(logits, own, other, 0.7)) == pytest.approx(float((first + second) / 2), rel=1e-6)
    assert mixed_loss(logits.to(torch.bfloat16), own, other, 0.7).dtype == torch.float32
    plain = torch.nn.functional.cross_entropy(logits, own, label_smoothing=0.1)
    assert torch.allclose(mixed_loss(logits, own, other, 1.0, 0.1), plain)


def test_the_loss_is_linear_in_mixed_targets() -> None:
    logits = torch.randn(5, 4, generator=seeded(0), dtype=torch.float32)
    own, other = torch.tensor([0, 1, 2, 3, 0]), torch.tensor([3, 1, 0, 2, 2])
    targets = 0.4 * torch.eye(4)[own] + 0.6 * torch.eye(4)[other]
    for smoothing in (0.0, 0.2):
        expected = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
        assert torch.allclose(mixed_loss(logits, own, other, 0.4, smoothing), expected)


class Recorder(torch.nn.Module):
    """Logits that depend on the images, which it keeps."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.images = images
        means = images.mean((1, 2, 3))
        return torch.stack([means, -means, means**2], 1)


IMAGES = torch.arange(1.0, 7.0)[:, None, None, None].expand(6, 3, 12, 10)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def test_labels_are_mixed_by_what_is_seen_of_each_image() -> None:
    """Image i is filled with i + 1: partner and share are read off the mixed image."""
    method, model, mixed_batches = mixing(1.0, 1.0), Recorder(), 0
    for seed in range(60):
        loss, logits = method.loss(model, IMAGES, LABELS, seeded(seed))
        log_probabilities = logits.double().log_softmax(1)
        expected = 0.0
        shares = set()
        for index, image in enumerate(model.images):
            values = image[0].flatten().tolist()
            own = values.count(index + 1.0) / len(values)
            strangers = {value for value in values if value != index + 1.0}
            assert len(strangers) <= 1 and torch.equal(image, image[:1].expand(3, -1, -1))
            other = int(LABELS[int(strangers.pop()) - 1]) if strangers else int(LABELS[index])
            shares |= {own} - {1.0}
            expected -= own * float(log_probabilities[index, LABELS[index]])
            expected -= (1 - own) * float(log_probabilities[index, other])
        assert len(shares) <= 1, "one box for the whole batch"
        mixed_batches += len(shares)
        assert float(loss) == pytest.approx(expected / 6, rel=1e-5)
        assert torch.equal(logits, model(model.images)), "accuracy is counted on the mixed images"
    assert mixed_batches > 50


def test_partners_are_a_permutation_and_draws_repeat() -> None:
    method, model = mixing(50.0, 1.0), Recorder()
    first, _ = method.loss(model, IMAGES, LABELS, seeded(3))
    mixed = model.images
    again, _ = method.loss(model, IMAGES, LABELS, seeded(3))
    assert torch.equal(first, again) and torch.equal(mixed, model.images)
    changed = (mixed != IMAGES)[0, 0] | (mixed != IMAGES)[1, 0] | (mixed != IMAGES)[2, 0]
    row, column = changed.nonzero()[0].tolist()
    assert sorted(mixed[:, 0, row, column].tolist()) == [1, 2, 3, 4, 5, 6]


def test_batches_are_mixed_with_the_given_probability() -> None:
    model = Recorder()
    never = mixing(1.0, 0)
    for seed in range(20):
        loss, _ = never.loss(model, IMAGES, LABELS, seeded(seed))
        assert model.images is IMAGES
        assert torch.equal(loss, torch.nn.functional.cross_entropy(model(IMAGES), LABELS))
    sometimes, untouched = mixing(1.0, 0.3), 0
    for seed in range(600):
        sometimes.loss(model, IMAGES, LABELS, seeded(seed))
        untouched += model.images is IMAGES
    assert untouched / 600 == pytest.approx(0.7, abs=4 * (0.21 / 600) ** 0.5)


def test_gradients_reach_what_is_seen_and_nothing_else() -> None:
    images = torch.randn(2, 3, 8, 8, generator=seeded(0)).requires_grad_()
    paste(images, torch.tensor([1, 0]), Box(2, 6, 0, 4))[0].sum().backward()
    assert images.grad is not None
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:6, 0:4] = True
    assert torch.equal(images.grad[0, 0] == 0, inside)
    assert torch.equal(images.grad[1, 0] == 0, ~inside)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1}, "cutmix.yaml: option 'alpha'"),
        ({"beta": 0}, "'beta' is 0; give a number above 0"),
        ({"beta": float("inf")}, "'beta' is inf"),
        ({"beta": True}, "'beta' is True"),
        ({"mix_probability": -0.1}, "-0.1"),
        ({"odd_sides": "longer"}, "'odd_sides' is 'longer'; choose one of kept, shorter"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Method({"beta": 1.0, "mix_probability": 1.0, "odd_sides": "kept"} | options)


def test_a_missing_option_is_named() -> None:
    with pytest.raises(ParameterError, match=r"cutmix.yaml: option 'mix_probability' is missing"):
        Method({"beta": 1.0, "odd_sides": "kept"})


def test_the_published_settings_are_those_of_the_sheet() -> None:
    cells = dict(small.every_cell("cutmix"))
    found = {
        backbone: (cells[f"paper/CUB/{backbone}"]["learning_rate"], *cells[f"paper/CUB/{backbone}"]["options"].values())
        for backbone in ("vgg16", "inceptionv3", "resnet50")
    }
    assert found == {
        "vgg16": (3.220934e-5, 0.85, 0.79, "kept"),
        "inceptionv3": (2.25171726e-3, 0.04, 0.30, "kept"),
        "resnet50": (3.333722e-4, 1.35, 0.24, "kept"),
    }
    assert cells["paper/OpenImages30k/vgg16"]["options"] == {"beta": 1.0, "mix_probability": 1.0, "odd_sides": "kept"}
    assert list(load_method("cutmix")["attributions"]) == ["cam"]


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("backbone", ["vgg16", "resnet50", "inceptionv3"])
def test_a_step_on_each_backbone(backbone: str, stride: int) -> None:
    small.one_step(mixing(1.0, 1.0), backbone, stride)


@pytest.mark.system
def test_a_short_training_beats_chance() -> None:
    assert small.accuracy_after_training(mixing(1.0, 0.5)) > 0.6
