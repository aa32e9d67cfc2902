"""A program of a frozen trace gives the model's scores: joined convolutions, sums, what is changed in place."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wsol.inference.convolution import Convolution
from wsol.inference.graph import Program, UnsuitableTraceError

WIDE = 32


def program_of(model: nn.Module, images: Tensor) -> Program:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return Program(torch.jit.freeze(torch.jit.trace(model.eval(), images, check_trace=False)))


def images_of(count: int, side: int = 20) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(2))


def convolutions(program: Program) -> list[Convolution]:
    return [step.run for step in program.steps if isinstance(step.run, Convolution)]


class Net(nn.Module):
    """A stem, a 3 × 3 convolution that takes Winograd's algorithm, then `between` the maps and the head."""

    def __init__(self, between: Callable[[Net, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, WIDE, 3, 2, 1), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(WIDE, WIDE, 3, 1, 1, bias=False), nn.BatchNorm2d(WIDE), nn.ReLU(True))
        self.one, self.two = (nn.Conv2d(WIDE, WIDE, 1) for _ in range(2))
        self.norm = nn.BatchNorm2d(WIDE)
        self.three = nn.Conv2d(WIDE, WIDE, 3, 1, 1)
        self.head = nn.Linear(WIDE, 5)
        self._between = between
        for norm in (self.body[1], self.norm):
            for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                nn.init.uniform_(value, 0.2, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self._between(self, self.body(self.stem(images))).mean((2, 3)))


def residual(net: Net, x: Tensor) -> Tensor:
    return (net.norm(net.two(net.one(x).relu())) + x).relu()


def residual_in_place(net: Net, x: Tensor) -> Tensor:
    out = net.norm(net.two(torch.relu_(net.one(x))))
    out += x
    return torch.relu_(out)


def both_terms_are_convolutions(net: Net, x: Tensor) -> Tensor:
    return (net.two(net.one(x).relu()) + net.norm(net.one(x))).relu()


def read_again_after_the_sum(net: Net, x: Tensor) -> Tensor:
    return (net.one(x) + x).relu() + 2 * x


def convolved_after_the_sum(net: Net, x: Tensor) -> Tensor:
    return (net.one(x) + x).relu() * net.two(x)


def a_view_lives_on(net: Net, x: Tensor) -> Tensor:
    view = x[:, :, 1:]
    return (net.one(x) + x).relu()[:, :, 1:] + view


def changed_in_place_between(net: Net, x: Tensor) -> Tensor:
    x = x.clone()
    out = net.one(x)
    torch.sigmoid_(x)
    return (out + x).relu()


def with_a_factor(net: Net, x: Tensor) -> Tensor:
    return torch.add(net.one(x), x, alpha=3).relu()


def doubled(net: Net, x: Tensor) -> Tensor:
    out = net.one(x)
    return (out + out).relu()


def sum_without_relu(net: Net, x: Tensor) -> Tensor:
    return net.one(x) + x


def sum_behind_winograd(net: Net, x: Tensor) -> Tensor:
    return (net.three(x) + x).relu()


def two_readers(net: Net, x: Tensor) -> Tensor:
    out = net.one(x)
    return out.relu() + out


def two_sums_at_once(net: Net, x: Tensor) -> Tensor:
    a, b = net.one(x), net.two(x)
    first = (a + x).relu()
    return (b + x).relu() * first


def its_own_input(net: Net, x: Tensor) -> Tensor:
    return (net.one(x) + x).relu()


def joined_maps(net: Net, x: Tensor) -> Tensor:
    parts = torch.cat([net.one(x).relu(), nn.functional.avg_pool2d(x, 3, 1, 1)], 1)
    return parts[:, :WIDE] + parts[:, WIDE:]


WAYS = [
    residual,
    residual_in_place,
    both_terms_are_convolutions,
    read_again_after_the_sum,
    convolved_after_the_sum,
    a_view_lives_on,
    changed_in_place_between,
    with_a_factor,
    doubled,
    sum_without_relu,
    sum_behind_winograd,
    two_readers,
    two_sums_at_once,
    its_own_input,
    joined_maps,
]


@pytest.mark.parametrize("between", WAYS, ids=lambda way: way.__name__)
@torch.no_grad()
def test_the_program_is_the_model(between: Callable[[Net, Tensor], Tensor]) -> None:
    model = Net(between).eval()
    program = program_of(model, images_of(2))
    assert any(one.by_winograd for one in convolutions(program))
    for images in (images_of(1), images_of(3), images_of(2, 25)):
        before = images.clone()
        torch.testing.assert_close(program(images), model(images), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(program(images), model(images), rtol=1e-4, atol=1e-5)
        assert torch.equal(images, before)


@pytest.mark.parametrize(
    ("between", "overwrites"),
    [
        (residual, [True]),
        (residual_in_place, [True]),
        (both_terms_are_convolutions, [True]),
        (read_again_after_the_sum, [False]),
        (convolved_after_the_sum, [False]),
        (a_view_lives_on, [False]),
        (two_sums_at_once, [False, False]),
        (its_own_input, [False]),
        (with_a_factor, []),
        (changed_in_place_between, []),
    ],
)
def test_sums_are_joined_and_overwrite_only_what_is_not_read_again(
    between: Callable[[Net, Tensor], Tensor], overwrites: list[bool]
) -> None:
    steps = program_of(Net(between), images_of(2)).steps
    sums = [step.run for step in steps if isinstance(step.run, Convolution) and len(step.inputs) == 2]
    assert [one.overwrites for one in sums] == overwrites and all(one.relu for one in sums)


def test_batch_normalisation_and_activations_are_no_steps_of_their_own() -> None:
    program = program_of(Net(residual), images_of(2))
    assert len(convolutions(program)) == 4
    assert len(program.steps) == 4 + 2, "beside them the means and the head"


def test_memory_is_given_back_as_soon_as_nothing_reads_it() -> None:
    program = program_of(Net(residual), images_of(2))
    freed = [number for step in program.steps for number in step.done]
    assert len(freed) == len(set(freed)) and len(freed) >= len(program.steps) - 1


class Loops(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return self.run(images)

    def __init__(self) -> None:
        super().__init__()
        self.net = Net(residual)

        def run(images: Tensor) -> Tensor:
            total = images
            for _ in range(int(images.shape[0])):
                total = total + 1
            return total

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TorchScript's age
            self.script = torch.jit.script(run)

    def run(self, images: Tensor) -> Tensor:
        return self.net(self.script(images))


def test_a_trace_with_branches_or_loops_is_refused() -> None:
    with pytest.raises(UnsuitableTraceError, match="branches"):
        program_of(Loops(), images_of(2))


def test_a_trace_without_a_convolution_for_winograd_is_refused() -> None:
    with pytest.raises(UnsuitableTraceError, match="faster"):
        program_of(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 18 * 18, 4)), images_of(2))


@torch.no_grad()
def test_named_outputs_and_tuples_are_built() -> None:
    class Named(nn.Module):
        def __init__(self, kind: str) -> None:
            super().__init__()
            self.net, self.kind = Net(residual), kind

        def forward(self, images: Tensor) -> Any:
            scores = self.net(images)
            return {"logits": scores} if self.kind == "dict" else (scores, scores + 1)

    images = images_of(2)
    for kind, key in (("dict", "logits"), ("tuple", 0)):
        model = Named(kind).eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frozen = torch.jit.freeze(torch.jit.trace(model, images, check_trace=False, strict=False))
        torch.testing.assert_close(Program(frozen)(images)[key], model(images)[key], rtol=1e-4, atol=1e-5)
