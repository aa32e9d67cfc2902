"""Learning-rate schedules against closed forms and torch's own schedulers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.training.schedule import rate_factor


def chosen(**changes: object) -> dict[str, object]:
    return {
        "schedule": "step",
        "epochs": 10,
        "warmup_epochs": 0,
        "decay_every_epochs": 3,
        "decay_factor": 0.1,
        **changes,
    }


def test_step_drops_where_the_epoch_number_reaches_a_multiple_of_the_period() -> None:
    # Released evaluation code: epoch 1…: base, 3…: ×0.1, 6…: ×0.01, 9…: ×0.001 for ILSVRC (10 epochs, every 3).
    expected = [1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001]
    for step in (0, 3, 6):
        got = [rate_factor(chosen(), epoch, step, 7) for epoch in range(1, 11)]
        assert got == pytest.approx(expected, rel=1e-12)


def test_the_first_drop_is_one_epoch_earlier_than_torchs_step_scheduler() -> None:
    import torch

    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimiser, step_size=15, gamma=0.1)
    theirs = {}
    for epoch in range(1, 51):
        theirs[epoch] = scheduler.get_last_lr()[0]
        optimiser.step()
        scheduler.step()
    cub = chosen(epochs=50, decay_every_epochs=15)
    ours = {epoch: rate_factor(cub, epoch, 0, 4) for epoch in range(1, 51)}
    assert [epoch for epoch in ours if ours[epoch] != pytest.approx(theirs[epoch])] == [15, 30, 45]
    assert all(ours[epoch] == pytest.approx(theirs[epoch + 1]) for epoch in range(1, 50))


def test_cosine_starts_at_one_and_ends_at_zero() -> None:
    cosine = chosen(schedule="cosine", epochs=4)
    steps = 5
    factors = [rate_factor(cosine, epoch, step, steps) for epoch in range(1, 5) for step in range(steps)]
    assert factors[0] == 1.0
    expected = [0.5 * (1 + math.cos(math.pi * index / 20)) for index in range(20)]
    assert factors == pytest.approx(expected, abs=1e-12)
    assert rate_factor(cosine, 5, 0, steps) == pytest.approx(0, abs=1e-12)
    assert rate_factor(cosine, 9, 3, steps) == pytest.approx(0, abs=1e-12), "it never rises again"


@pytest.mark.parametrize("schedule", ["step", "cosine"])
def test_warm_up_rises_linearly_from_one_steps_share_and_reaches_one(schedule: str) -> None:
    rising = chosen(schedule=schedule, warmup_epochs=2, decay_every_epochs=100)
    factors = [rate_factor(rising, epoch, step, 4) for epoch in (1, 2) for step in range(4)]
    assert factors == pytest.approx([(index + 1) / 8 for index in range(8)], abs=1e-12)
    assert rate_factor(rising, 3, 0, 4) == pytest.approx(1, abs=1e-12)


def test_cosine_after_a_warm_up_covers_what_is_left() -> None:
    cosine = chosen(schedule="cosine", epochs=6, warmup_epochs=2)
    for index in range(16):
        epoch, step = 3 + index // 4, index % 4
        assert rate_factor(cosine, epoch, step, 4) == pytest.approx(0.5 * (1 + math.cos(math.pi * index / 16)))
    assert rate_factor(cosine, 7, 0, 4) == pytest.approx(0, abs=1e-12)


def test_a_warm_up_as_long_as_the_training_divides_by_nothing() -> None:
    cosine = chosen(schedule="cosine", epochs=1, warmup_epochs=1)
    assert [rate_factor(cosine, 1, step, 4) for step in range(4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_a_fractional_warm_up() -> None:
    rising = chosen(warmup_epochs=0.5, decay_every_epochs=100)
    assert [rate_factor(rising, 1, step, 4) for step in range(4)] == pytest.approx([0.5, 1, 1, 1])


@given(
    schedule=st.sampled_from(["step", "cosine"]),
    epochs=st.integers(1, 60),
    warmup=st.floats(0, 5),
    every=st.integers(1, 20),
    factor=st.floats(0.01, 0.99),
    steps=st.integers(1, 40),
    data=st.data(),
)
@settings(deadline=None, max_examples=60)
def test_factors_stay_in_the_unit_interval_and_fall_after_the_warm_up(
    schedule: str, epochs: int, warmup: float, every: int, factor: float, steps: int, data: st.DataObject
) -> None:
    options = chosen(
        schedule=schedule, epochs=epochs, warmup_epochs=warmup, decay_every_epochs=every, decay_factor=factor
    )
    first = data.draw(st.integers(0, epochs * steps - 1))
    second = data.draw(st.integers(first, epochs * steps - 1))
    values = [rate_factor(options, 1 + index // steps, index % steps, steps) for index in (first, second)]
    assert all(0 <= value <= 1 for value in values)
    assert values[0] > 0, "no step is wasted"
    if first >= math.ceil(warmup * steps):
        assert values[1] <= values[0] + 1e-12
