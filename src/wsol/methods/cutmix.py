"""CutMix (Yun et al., ICCV 2019): a box of each training image is replaced by that of another, and so is its label."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from wsol.errors import ParameterError
from wsol.methods.base import TrainingMethod
from wsol.methods.options import check_choice, check_names, check_share

if TYPE_CHECKING:
    import torch


ODD_SIDES = ("kept", "shorter")


class Box(NamedTuple):
    """Rows [top, bottom) and columns [left, right) in pixels; it may be empty."""

    top: int
    bottom: int
    left: int
    right: int


class Method(TrainingMethod):
    """λ · CE(logits, own label) + (1 − λ) · CE(logits, the other image's label), with λ the share that stays visible.

    beta: both parameters of the Beta distribution that λ is drawn from, above 0.
    mix_probability: probability in [0, 1] that a batch is mixed; the others are trained on as they are.
    odd_sides: "kept", or "shorter" by one pixel, as in the released code, where a side is twice its half.

    As published, one decision, one λ and one box serve the whole batch. Training accuracy is counted as published too:
    the logits of the mixed images against each image's own label, whatever part of it is left. So it looks worse than
    the network is. Network and maps are those of the plain classifier.
    """

    def __init__(self, options: dict[str, Any], label_smoothing: float = 0.0) -> None:
        check_names("cutmix", options, ("beta", "mix_probability", "odd_sides"))
        check_share("cutmix", options, "mix_probability")
        check_choice("cutmix", options, "odd_sides", ODD_SIDES)
        beta = options["beta"]
        if isinstance(beta, bool) or not isinstance(beta, int | float) or not 0 < beta < math.inf:
            raise ParameterError(
                f"params/methods/cutmix.yaml: option 'beta' is {beta!r}; give a number above 0 "
                "(mix_probability 0 turns mixing off)"
            )
        super().__init__(options, label_smoothing)

    def loss(
        self, model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        if float(torch.rand((), generator=generator)) >= self.options["mix_probability"]:
            return super().loss(model, images, labels, generator)
        height, width = images.shape[2:]
        share = draw_share(self.options["beta"], generator)
        box = draw_box(height, width, share, generator, self.options["odd_sides"])
        partners = torch.randperm(len(images), generator=generator).to(images.device)
        logits = model(paste(images, partners, box))
        visible = visible_share(box, height, width)
        return mixed_loss(logits, labels, labels[partners], visible, self.label_smoothing), logits


def draw_share(beta: float, generator: torch.Generator) -> float:
    """λ in [0, 1] from Beta(beta, beta)."""
    import numpy as np
    import torch

    # torch draws Beta from the global random state alone; NumPy's is also exact for tiny parameters, where ratios of
    # Gamma draws underflow to 0/0.
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    return float(np.random.default_rng(seed).beta(beta, beta))


def draw_box(height: int, width: int, share: float, generator: torch.Generator, odd_sides: str = "kept") -> Box:
    """A box with sides √(1 − share) of the image's, centred on any pixel alike and cut off at the border.

    Sides are whole pixels, rounded down; of odd ones see `Method`.
    """
    import torch

    ratio = (1 - share) ** 0.5
    row, column = (int(torch.randint(size, (), generator=generator)) for size in (height, width))
    lengths = [int(size * ratio) for size in (height, width)]
    if odd_sides == "shorter":
        lengths = [length - length % 2 for length in lengths]
    return Box(*_span(row, lengths[0], height), *_span(column, lengths[1], width))


def _span(centre: int, length: int, size: int) -> tuple[int, int]:
    start = centre - length // 2
    return max(0, start), min(size, start + length)


def visible_share(box: Box, height: int, width: int) -> float:
    """λ as it came out: the share of an image that the box, cut off at the border, leaves."""
    return 1 - (box.bottom - box.top) * (box.right - box.left) / (height * width)


def paste(images: torch.Tensor, partners: torch.Tensor, box: Box) -> torch.Tensor:
    """images (B, 3, H, W) → new ones in which image i shows image partners[i] within the box; partners (B,) indices."""
    mixed = images.clone()
    region = (..., slice(box.top, box.bottom), slice(box.left, box.right))
    mixed[region] = images[region][partners]
    return mixed


def mixed_loss(
    logits: torch.Tensor, own: torch.Tensor, other: torch.Tensor, share: float, label_smoothing: float = 0.0
) -> torch.Tensor:
    """Mean over the batch of share · CE(own) + (1 − share) · CE(other), in float32; logits (B, K), labels (B,)."""
    from torch.nn.functional import cross_entropy

    scores = logits.float()
    own_loss = cross_entropy(scores, own, label_smoothing=label_smoothing)
    return share * own_loss + (1 - share) * cross_entropy(scores, other, label_smoothing=label_smoothing)
