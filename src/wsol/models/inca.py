"""The training pass of InCA (Ki et al., ACCV 2020): inner layers are attended to, and masked by their own attention.

At evaluation nothing of this is there, and the network is the plain classifier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsol.losses.inca import Thresholds, keep_mask


class View(NamedTuple):
    """What was seen of one layer, before it was masked itself."""

    features: Tensor
    """Output of the non-local block (B, C, h, w)."""
    attention: Tensor
    """Mean of it over channels (B, h, w), at least float32; any sign, any range."""
    counted: Tensor
    """(B, h, w) bool: no part of the pixel was dropped at a layer before. What was dropped says nothing here."""


def all_kept(kept: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask (B, h, w) bool at another size: a pixel stays true if all that it stands for is."""
    return functional.adaptive_avg_pool2d(kept.float()[:, None], size)[:, 0] == 1


@contextmanager
def attended(model: nn.Module, drops: Sequence[bool], thresholds: Thresholds) -> Iterator[list[View]]:
    """A forward pass of `model` (head `inca`) within leaves one View for each attended layer, in order, in the list.

    drops[i] says what the i-th layer does to its features: with it the most discriminative part and the background
    go (`wsol.losses.inca.keep_mask`, no gradient through the mask); without, features are multiplied with the
    sigmoid of the attention, through which gradients reach the block. A further pass replaces what the list holds.
    The hooks are gone afterwards, also after an error.
    """
    head: Any = model.head
    views: list[View] = []
    kept: list[Tensor] = []

    def hook(block: nn.Module, first: bool, drop: bool) -> Any:
        def replace(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
            if first:
                views.clear()
                kept.clear()
            seen = block(output)
            attention = seen.mean(1, dtype=torch.promote_types(seen.dtype, torch.float32))
            counted = (
                all_kept(kept[-1], (attention.shape[1], attention.shape[2]))
                if kept
                else torch.ones_like(attention).bool()
            )
            views.append(View(seen, attention, counted))
            mask = keep_mask(attention, thresholds) if drop else torch.ones_like(counted)
            kept.append(counted & mask)
            factor = mask if drop else torch.sigmoid(attention)
            return output * factor[:, None].to(output.dtype)

        return replace

    with ExitStack() as stack:
        for index, (name, block, drop) in enumerate(zip(head.attended_layers, head.attention, drops, strict=True)):
            handle = model.get_submodule(name).register_forward_hook(hook(block, index == 0, drop))
            stack.callback(handle.remove)
        yield views
