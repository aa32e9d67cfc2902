"""Hide-and-Seek: which pixels are hidden, and that a network learns behind them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wsol.config.method import load_method
from wsol.errors import ParameterError
from wsol.methods.has import Method, hide_cells, patch_pixels
from wsol.testing import small_training as small


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("height", "width", "side"), [(12, 12, 4), (10, 10, 4), (9, 13, 5), (6, 6, 1), (7, 7, 50)])
def test_cells_are_hidden_as_a_loop_over_them_does(height: int, width: int, side: int) -> None:
    images = torch.randn(5, 3, height, width, generator=seeded(0))
    rate, expected = 0.4, images.clone()
    rows, columns = -(-height // side), -(-width // side)
    draws = torch.rand(5, rows, columns, generator=seeded(3))
    for index in range(5):
        for row in range(rows):
            for column in range(columns):
                if float(draws[index, row, column]) <= rate:
                    cell = (slice(row * side, row * side + side), slice(column * side, column * side + side))
                    expected[(index, slice(None), *cell)] = 0
    before = images.clone()
    assert torch.equal(hide_cells(images, side, rate, seeded(3)), expected)
    assert torch.equal(images, before), "the batch itself stays as it was"


def test_the_share_of_hidden_cells_is_the_drop_rate_and_images_differ() -> None:
    hidden = hide_cells(torch.ones(200, 3, 32, 32), 4, 0.3, seeded(0)) == 0
    assert (hidden == hidden[:, :1]).all(), "all channels alike"
    cells = hidden[:, 0, ::4, ::4].float()
    assert torch.equal(hidden[:, 0].float(), cells.repeat_interleave(4, 1).repeat_interleave(4, 2))
    deviation = (0.3 * 0.7 / cells.numel()) ** 0.5
    assert float(cells.mean()) == pytest.approx(0.3, abs=4 * deviation)
    assert len({tuple(image.flatten().tolist()) for image in cells}) == 200
    # Independence of neighbours: a pair is hidden with rate².
    pairs = cells[:, :, :-1] * cells[:, :, 1:]
    assert float(pairs.mean()) == pytest.approx(0.09, abs=0.01)


def test_a_draw_that_equals_the_rate_hides() -> None:
    rate = float(torch.rand(1, 1, 1, generator=seeded(5)))
    assert not hide_cells(torch.ones(1, 3, 4, 4), 4, rate, seeded(5)).any()
    assert hide_cells(torch.ones(1, 3, 4, 4), 4, rate - 1e-6, seeded(5)).all()


def test_nothing_and_everything_can_be_hidden() -> None:
    images = torch.ones(3, 3, 8, 8)
    generator = seeded(0)
    state = generator.get_state()
    assert hide_cells(images, 0, 0.5, generator) is images
    assert hide_cells(images, 4, 0, generator) is images
    assert torch.equal(generator.get_state(), state)
    assert not hide_cells(images, 4, 1.0, generator).any()


def test_no_gradient_reaches_hidden_pixels_and_the_layout_stays() -> None:
    images = torch.randn(4, 3, 16, 16).contiguous(memory_format=torch.channels_last).requires_grad_()
    result = hide_cells(images, 4, 0.5, seeded(0))
    assert result.is_contiguous(memory_format=torch.channels_last)
    (3 * result).sum().backward()
    assert images.grad is not None
    assert torch.equal(images.grad == 0, result == 0)
    assert (images.grad[result != 0] == 3).all()


@pytest.mark.parametrize(
    ("patch", "side", "pixels"),
    [
        (65, 224, 65),
        (170, 224, 170),
        (4, 224, 4),
        (32, 96, 14),
        (56, 64, 16),
        (0.25, 64, 16),
        (224, 96, 96),
        (0.25, 224, 56),
        (1, 64, 1),
        (1e-9, 64, 1),
        (0, 64, 0),
        (0.5, 9, 5),
    ],
)
def test_a_patch_is_pixels_at_224_or_a_share_of_the_side(patch: float, side: int, pixels: int) -> None:
    assert patch_pixels(patch, side) == pixels


class Recorder(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.images = images
        return torch.stack([images.mean((1, 2, 3)), -images.mean((1, 2, 3))], 1)


def test_the_loss_is_cross_entropy_on_the_hidden_images() -> None:
    images, labels = torch.randn(6, 3, 28, 28, generator=seeded(0)), torch.tensor([0, 1, 0, 1, 1, 0])
    model = Recorder()
    loss, logits = Method({"patch": 56, "drop_rate": 0.5}).loss(model, images, labels, seeded(4))
    hidden = hide_cells(images, 7, 0.5, seeded(4))
    assert torch.equal(model.images, hidden)
    assert torch.equal(logits, model(hidden))
    expected = -(logits.double().log_softmax(1)[torch.arange(6), labels]).mean()
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    again, _ = Method({"patch": 0.25, "drop_rate": 0.5}).loss(model, images, labels, seeded(4))
    assert torch.equal(again, loss), "the same patch as a share, the same draws"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 4}, "has.yaml: option 'drop_rate'"),
        ({"patch": 4, "drop_rate": 0.5, "grid_size": 4}, "has.yaml: option 'grid_size'"),
        ({"patch": 225, "drop_rate": 0.5}, "'patch' is 225; give the pixels of a 224 px image"),
        ({"patch": -1, "drop_rate": 0.5}, "'patch' is -1"),
        ({"patch": float("nan"), "drop_rate": 0.5}, "'patch' is nan"),
        ({"patch": True, "drop_rate": 0.5}, "'patch' is True"),
        ({"patch": "4", "drop_rate": 0.5}, "'patch' is '4'"),
        ({"patch": 4, "drop_rate": 1.1}, "1.1"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Method(options)


def test_the_published_settings_are_those_of_the_sheet() -> None:
    cells = dict(small.every_cell("has"))
    found = {
        backbone: (cells[f"paper/CUB/{backbone}"]["learning_rate"], *cells[f"paper/CUB/{backbone}"]["options"].values())
        for backbone in ("vgg16", "inceptionv3", "resnet50")
    }
    assert found == {
        "vgg16": (1.42891848e-3, 65, 0.47),
        "inceptionv3": (1.400558066e-2, 170, 0.26),
        "resnet50": (3.61996526e-3, 120, 0.66),
    }
    assert cells["paper/ILSVRC/resnet50"]["options"] == {"patch": 4, "drop_rate": 0.5}
    assert list(load_method("has")["attributions"]) == ["cam"]


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("backbone", ["vgg16", "resnet50", "inceptionv3"])
def test_a_step_on_each_backbone(backbone: str, stride: int) -> None:
    small.one_step(Method({"patch": 32, "drop_rate": 0.5}), backbone, stride)


@pytest.mark.system
def test_a_short_training_beats_chance() -> None:
    assert small.accuracy_after_training(Method({"patch": 32, "drop_rate": 0.5})) > 0.6
