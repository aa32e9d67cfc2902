"""A convolution with the activation or the sum behind it, by oneDNN or, where it pays, by Winograd's algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wsol.inference.winograd import Scratch, Winograd, multiplications, suits

GAIN = 0.4
"""Multiplications left over, as a share, up to which Winograd's transforms are repaid (output sides of 6 are not)."""


@dataclass
class Convolution:
    """conv(x), relu(conv(x)) or, given something to add, relu(conv(x) + other); two of them by Winograd too."""

    weight: Tensor
    bias: Tensor | None
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int
    relu: bool
    scratch: Scratch
    overwrites: bool = False
    """What is added to is not read again, so its memory is the output's: fresh memory costs as much as the sum."""

    def __post_init__(self) -> None:
        self._winograd = None
        if suits(self.weight, self.stride, self.padding, self.dilation, self.groups):
            self._winograd = Winograd(self.weight, self.bias, self.padding[0], self.relu, self.scratch)
        self._packed: dict[tuple[int, int], Tensor] = {}

    @property
    def by_winograd(self) -> bool:
        return self._winograd is not None

    def __call__(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        if self._winograd is not None:
            height, width = (side + 2 * self.padding[0] - 2 for side in x.shape[2:])
            if multiplications(height, width) <= GAIN:
                return self._winograd(x)
        shape = self.padding, self.stride, self.dilation, self.groups
        packed = self._packed_for(x)
        if other is None:
            kind = "relu" if self.relu else "none"
            return torch.ops.mkldnn._convolution_pointwise(x, packed, self.bias, *shape, kind, [], "")
        last: tuple[Any, ...] = ("add", 1.0, "relu", [], "")
        if self.overwrites:
            return torch.ops.mkldnn._convolution_pointwise_.binary(other, x, packed, self.bias, *shape, *last)
        return torch.ops.mkldnn._convolution_pointwise.binary(x, other, packed, self.bias, *shape, *last)

    def _packed_for(self, x: Tensor) -> Tensor:
        """The weights in the order that oneDNN prefers for maps of this size; in another it can take twice as long."""
        size = (x.shape[2], x.shape[3])
        if size not in self._packed:
            self._packed[size] = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, self.padding, self.stride, self.dilation, self.groups, list(x.shape)
            )
        return self._packed[size]
