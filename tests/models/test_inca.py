"""What InCA's training pass does to the features, what it leaves behind, and that nothing stays."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from wsol.losses.inca import Thresholds, keep_mask
from wsol.models.inca import all_kept, attended

THRESHOLDS = Thresholds(0.1, 0.4, 0.8)


class Head(nn.Module):
    attended_layers = ("one", "two")

    def __init__(self) -> None:
        super().__init__()
        # Blocks that are not the identity, so that attention and features differ.
        self.attention = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)])


class Toy(nn.Module):
    """Two layers; the second halves the resolution."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.head = nn.Identity(), nn.AvgPool2d(2), Head()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.two(self.one(images))


def images() -> torch.Tensor:
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_a_pixel_is_kept_if_all_that_it_stands_for_is() -> None:
    kept = torch.ones(1, 4, 4).bool()
    kept[0, 0, 3] = False
    assert all_kept(kept, (2, 2)).tolist() == [[[True, False], [True, True]]]
    assert torch.equal(all_kept(kept, (4, 4)), kept)
    assert torch.equal(all_kept(kept, (8, 8)), kept.repeat_interleave(2, 1).repeat_interleave(2, 2))


@pytest.mark.parametrize("drops", [(False, False), (True, False), (False, True), (True, True)])
def test_the_pass_written_out(drops: tuple[bool, bool]) -> None:
    model, x = Toy(), images()
    with attended(model, drops, THRESHOLDS) as views:
        found = model(x)
        found = model(x)  # a further pass replaces what was seen
    assert len(views) == 2
    counted = torch.ones(2, 8, 8).bool()
    for view, drop, block, layer in zip(views, drops, model.head.attention, (model.one, model.two), strict=True):
        x = layer(x)
        seen = block(x)
        attention = seen.mean(1)
        counted = all_kept(counted, (attention.shape[1], attention.shape[2]))
        assert torch.allclose(view.features, seen) and torch.allclose(view.attention, attention)
        assert torch.equal(view.counted, counted)
        mask = keep_mask(attention, THRESHOLDS)
        assert mask.any() and not mask.all()
        x = x * (mask.float() if drop else attention.sigmoid())[:, None]
        counted = counted & mask if drop else counted
    assert torch.allclose(found, x)
    assert drops[0] == (not views[1].counted.all()), "only what was dropped does not count"


def test_blocks_learn_from_the_importance_and_not_from_the_mask() -> None:
    model = Toy()
    with attended(model, (False, True), THRESHOLDS):
        model(images()).sum().backward()
    soft, hard = model.head.attention
    assert soft.weight.grad is not None and soft.weight.grad.any()
    assert hard.weight.grad is None


def test_nothing_stays_behind_even_after_an_error() -> None:
    model = Toy()
    with pytest.raises(RuntimeError, match="stop"), attended(model, (True, False), THRESHOLDS):
        raise RuntimeError("stop")
    with pytest.raises(ValueError), attended(model, (True,), THRESHOLDS):
        pass
    assert not any(module._forward_hooks for module in model.modules())
    x = images()
    assert torch.equal(model(x), nn.functional.avg_pool2d(x, 2))


def test_half_precision_is_attended_to_in_single() -> None:
    model: Any = Toy().to(torch.bfloat16)
    for drops in ((False, False), (True, True)):
        with attended(model, drops, THRESHOLDS) as views:
            result = model(images().to(torch.bfloat16))
        assert result.dtype == torch.bfloat16 and all(view.attention.dtype == torch.float32 for view in views)
