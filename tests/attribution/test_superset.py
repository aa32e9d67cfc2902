"""Maps added over a superset, against a slow loop and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.attribution import score_maps
from wsol.attribution.superset import aggregate


def members_of(*supersets: list[int], classes: int) -> torch.Tensor:
    members = torch.zeros(len(supersets), classes, dtype=torch.bool)
    for row, superset in enumerate(supersets):
        members[row, superset] = True
    return members


def test_closed_form() -> None:
    maps = torch.tensor([[[[0.0, 2.0], [4.0, 8.0]], [[-3.0, -1.0], [1.0, 5.0]], [[9.0, 9.0], [9.0, 9.0]]]])
    # Class 0 becomes 0, ¼, ½, 1 and class 1 becomes 0, ¼, ½, 1; class 2 is constant and counts as zero.
    whole = torch.tensor([[[0.0, 0.5], [1.0, 2.0]]], dtype=torch.float64)
    assert torch.equal(aggregate(maps, members_of([0, 1, 2], classes=3)), whole)
    assert torch.equal(aggregate(maps, members_of([0, 1], classes=3)), whole)
    assert torch.equal(aggregate(maps, members_of([1], classes=3)), whole / 2)
    assert torch.equal(aggregate(maps, members_of([2], classes=3)), torch.zeros(1, 2, 2, dtype=torch.float64))
    raw = aggregate(maps, members_of([0, 2], classes=3), normalise=False)
    assert torch.equal(raw, torch.tensor([[[9.0, 11.0], [13.0, 17.0]]], dtype=torch.float64))


@given(seed=st.integers(0, 10**6), batch=st.integers(1, 4), classes=st.integers(1, 6), side=st.integers(1, 5))
@settings(deadline=None, max_examples=40)
def test_against_a_slow_loop(seed: int, batch: int, classes: int, side: int) -> None:
    generator = np.random.default_rng(seed)
    maps = generator.normal(0, 10.0 ** generator.integers(-6, 6), (batch, classes, side, side)).astype(np.float32)
    constant = generator.random((batch, classes)) < 0.2
    maps[constant] = 3.25
    members = generator.random((batch, classes)) < 0.5
    expected = np.zeros((batch, side, side))
    for image in range(batch):
        for label in range(classes):
            one = maps[image, label].astype(np.float64)
            if members[image, label] and one.max() > one.min():
                expected[image] += (one - one.min()) / (one.max() - one.min())
    got = aggregate(torch.from_numpy(maps), torch.from_numpy(members)).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_a_class_alone_gives_the_score_map_of_its_own_map() -> None:
    maps = torch.randn(6, 4, 7, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(6) % 4
    alone = aggregate(maps, torch.eye(4, dtype=torch.bool)[labels])
    own = maps[torch.arange(6), labels]
    np.testing.assert_allclose(score_maps(alone.numpy(), 28), score_maps(own.numpy(), 28), atol=1e-6)


def test_no_class_has_more_say_than_another() -> None:
    maps = torch.randn(1, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    members = members_of([0, 1, 2], classes=3)
    stretched = maps * torch.tensor([1.0, 1000.0, 0.001]).view(1, 3, 1, 1) + torch.tensor([5.0, -7.0, 0]).view(
        1, 3, 1, 1
    )
    torch.testing.assert_close(aggregate(stretched, members), aggregate(maps, members), rtol=1e-3, atol=1e-3)


def test_a_map_of_rounding_alone_counts_as_constant() -> None:
    noise = torch.rand(1, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    flat = 0.1 + 1e-8 * noise
    assert flat.dtype == torch.float32 and (flat.amax((2, 3)) > flat.amin((2, 3))).all()
    both = torch.ones(1, 2, dtype=torch.bool)
    assert not aggregate(flat, both).any()
    assert aggregate(0.1 + 1e-8 * noise.double(), both).amax() > 1, "in float64 it is more than rounding"
    assert aggregate(0.1 + 1e-5 * noise, both).amax() > 1


@pytest.mark.parametrize("normalise", [True, False])
def test_what_is_not_finite_shows_if_it_is_of_a_member(normalise: bool) -> None:
    maps = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    maps[0, 1, 2, 2] = torch.nan
    members = torch.tensor([[True, True, False], [True, False, True]])
    found = aggregate(maps, members, normalise)
    assert found[0].isnan().any() and found[1].isfinite().all()
    assert aggregate(maps, torch.tensor([[True, False, True]] * 2), normalise).isfinite().all()


def test_a_map_with_nan_does_not_silence_another_image() -> None:
    maps = torch.rand(2, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    clean = aggregate(maps, torch.ones(2, 2, dtype=torch.bool))
    maps[0, 0, 1, 1] = torch.nan
    assert torch.equal(aggregate(maps, torch.ones(2, 2, dtype=torch.bool))[1], clean[1])
