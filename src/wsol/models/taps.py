"""Activations from inside a trunk, for heads with branches that begin before its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def tapped(trunk: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Within the context, a forward pass of `trunk` leaves the output of each named submodule in the mapping given.

    Names are those of `trunk.named_modules()`. The outputs carry gradients; a later pass replaces them. The hooks are
    gone afterwards, also after an error. Raises AttributeError for a name that the trunk lacks.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            outputs[name] = output

        return hook

    handles = []
    try:
        for name in names:
            handles.append(trunk.get_submodule(name).register_forward_hook(keep(name)))
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
