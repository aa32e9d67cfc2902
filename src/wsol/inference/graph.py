"""A frozen trace run step by step: convolutions with the activation or the sum behind them, by Winograd where it pays.

The trace (`torch.jit.freeze`) has batch normalisation folded into the convolutions and everything else as it was. What
is no convolution is run as the operator that it is; a trace with anything that is none (branches, loops) is refused.
Maps are kept channels last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from wsol.inference.convolution import Convolution
from wsol.inference.winograd import Scratch

RELU, SUM = ("aten::relu", "aten::relu_"), ("aten::add", "aten::add_")


class UnsuitableTraceError(ValueError):
    """A trace that this module does not run, or not faster."""


@dataclass
class Step:
    """One operation: values by their numbers in, one out; `done` are not read by any later step."""

    run: Callable[..., Any]
    inputs: list[int]
    output: int
    done: list[int] = field(default_factory=list)


class Program:
    """A function from images (B, 3, H, W) to what the traced classifier returns. Threads may share one."""

    def __init__(self, frozen: Any) -> None:
        """Of a `torch.jit.freeze`d trace of one tensor. Raises UnsuitableTraceError."""
        read = _Reader(frozen.inlined_graph)
        self._image, self._output, self._constants = read.image, read.output, read.constants
        self.steps, self._count = read.steps, read.count
        if not any(isinstance(step.run, Convolution) and step.run.by_winograd for step in self.steps):
            raise UnsuitableTraceError("the trace has no convolution that would be faster here")
        _note_last_uses(self.steps, {*self._constants, self._output})

    def __call__(self, images: Tensor) -> Any:
        values: list[Any] = [None] * self._count
        for number, constant in self._constants.items():
            values[number] = constant
        values[self._image] = images.contiguous(memory_format=torch.channels_last)
        for step in self.steps:
            values[step.output] = step.run(*[values[number] for number in step.inputs])
            for number in step.done:
                values[number] = None
        return values[self._output]


def _note_last_uses(steps: list[Step], kept: set[int]) -> None:
    seen = set(kept)
    for step in reversed(steps):
        touched = dict.fromkeys([*step.inputs, step.output])
        step.done = [number for number in touched if number not in seen]
        seen.update(touched)


class _Reader:
    """The steps of a graph of TorchScript, in its order; values are numbered."""

    def __init__(self, graph: Any) -> None:
        inputs, outputs = list(graph.inputs()), list(graph.outputs())
        if len(inputs) != 2 or len(outputs) != 1:
            raise UnsuitableTraceError("the trace is not from one tensor to one value")
        self._numbers: dict[int, int] = {}
        self._scratch = Scratch()
        self._nodes = list(graph.nodes())
        self._waiting: dict[int, tuple[Convolution, Step]] = {}
        """Convolutions that wait for the sum behind them, by the sum's number."""
        self._joined: set[int] = set()
        """Numbers of values that are the output of a convolution's step."""
        self.constants: dict[int, Any] = {}
        self.steps: list[Step] = []
        self.image = self._number(inputs[1])
        for position, node in enumerate(self._nodes):
            self._read(position, node)
        self.output = self._number(outputs[0])
        self.count = len(self._numbers)

    def _number(self, value: Any) -> int:
        return self._numbers.setdefault(value.unique(), len(self._numbers))

    def _read(self, position: int, node: Any) -> None:
        if node.outputsSize() != 1 or list(node.blocks()):
            raise UnsuitableTraceError(f"{node.kind()} has branches, or not one output")
        number = self._number(node.output())
        if number in self._joined:
            return
        if number in self._waiting:
            convolution, step = self._waiting.pop(number)
            convolution.overwrites = self._is_spare(node, step.inputs[1])
            self.steps.append(step)
        elif node.kind() == "prim::Constant":
            self.constants[number] = node.output().toIValue()
        elif node.kind() != "aten::_convolution" or not self._convolution(position, node):
            inputs = [self._number(value) for value in node.inputs()]
            self.steps.append(Step(_operator(node), inputs, number))

    def _convolution(self, position: int, node: Any) -> bool:
        """Adds the convolution, with what is joined to it; False if it is left to its operator."""
        x, *parameters = node.inputs()
        given: list[Any] = [self.constants.get(self._number(value)) for value in parameters]
        weight, bias, stride, padding, dilation, transposed, _, groups = given[:8]
        if not isinstance(weight, Tensor) or weight.ndim != 4 or weight.dtype != torch.float32 or transposed:
            return False

        def made(relu: bool) -> Convolution:
            return Convolution(weight, bias, stride, padding, dilation, groups, relu, self._scratch)

        inputs = [self._number(x)]
        relu = _only_user(node, RELU)
        if relu is not None:
            self._add(made(True), inputs, relu)
            return True
        plain = made(False)
        total = _only_user(node, SUM)
        relu = None if total is None else _only_user(total, RELU)
        # Winograd's transforms do not add, and a sum without ReLU behind it gains little.
        if total is None or relu is None or plain.by_winograd or not self._may_wait(position, total):
            self._add(plain, inputs, node)
            return True
        (other,) = (value for value in list(total.inputs())[:2] if value.unique() != node.output().unique())
        convolution, number = made(True), self._number(relu.output())
        step = Step(convolution, [*inputs, self._number(other)], number)
        self._joined.add(number)
        self._waiting[self._number(total.output())] = convolution, step
        return True

    def _add(self, convolution: Convolution, inputs: list[int], last: Any) -> None:
        number = self._number(last.output())
        self._joined.add(number)
        self.steps.append(Step(convolution, inputs, number))

    def _may_wait(self, position: int, total: Any) -> bool:
        """Whether a convolution gives the same in the sum's place: nothing between is changed in place."""
        first, second, factor = total.inputs()
        if self._number(total.output()) in self._waiting or first.unique() == second.unique():
            return False
        if self.constants.get(self._number(factor)) != 1:
            return False
        end = self._nodes.index(total, position)
        return not any(node.kind().endswith("_") for node in self._nodes[position + 1 : end])

    def _is_spare(self, total: Any, number: int) -> bool:
        """Whether a value was made by a convolution and, but for this sum, is read by earlier convolutions only.

        The sum's own convolution is not among these: it must not overwrite what it reads.
        """
        convolutions = [step for step in self.steps if isinstance(step.run, Convolution)]
        (value,) = (value for value in list(total.inputs())[:2] if self._number(value) == number)
        reads = sum(step.inputs.count(number) for step in convolutions)
        return any(step.output == number for step in convolutions) and reads + 1 == len(value.uses())


def _only_user(node: Any, kinds: tuple[str, ...]) -> Any:
    """The node that alone reads this one's output, if it is of one of the kinds, else None."""
    uses = node.output().uses()
    return uses[0].user if len(uses) == 1 and uses[0].user.kind() in kinds else None


_BUILT: dict[str, Callable[..., Any]] = {
    "prim::ListConstruct": lambda *values: list(values),
    "prim::TupleConstruct": lambda *values: values,
    "prim::DictConstruct": lambda *values: dict(zip(values[::2], values[1::2], strict=True)),
}


def _operator(node: Any) -> Callable[..., Any]:
    """The node's operation as a function of all its inputs in order."""
    if node.kind() in _BUILT:
        return _BUILT[node.kind()]
    space, _, name = node.kind().partition("::")
    if space != "aten":
        raise UnsuitableTraceError(f"{node.kind()} is not an operator on tensors")
    schema = torch._C.parse_schema(node.schema())
    operator: Any = getattr(getattr(torch.ops.aten, name), schema.overload_name or "default")
    keywords = [argument.name for argument in schema.arguments if argument.kwarg_only]
    plain = len(schema.arguments) - len(keywords)
    if not keywords:
        return operator
    return lambda *values: operator(*values[:plain], **dict(zip(keywords, values[plain:], strict=True)))
