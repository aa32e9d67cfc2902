"""SS-CAM (Wang et al., 2020), type 1: Score-CAM with each score averaged over noisy copies of the mask.

w is the softmax over the channels of the mean score over N copies of mask + δ, δ ~ N(0, σ²) at each pixel; N = 35 and
σ = 2, as in the paper, on masks in [0, 1]. A dead channel adds nothing to the map and takes no part in the softmax,
which scales the map of an image and no more.

`variant`: "paper"; "torch-cam", min-max before the resize; "f-cam", F-CAM's code: min-max before the resize, the
probability as score, no softmax over the channels, normalised activations in the sum, and one noise for all channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wsol.attribution import masking
from wsol.attribution.gradients import image_seeds
from wsol.attribution.masking import Recipe
from wsol.attribution.verbs import verbs
from wsol.errors import ParameterError

SAMPLES, SIGMA = 35, 2.0
VARIANTS = {
    "paper": Recipe(),
    "torch-cam": Recipe(order="normalise-resize", eps=1e-8),
    "f-cam": Recipe(
        order="normalise-resize", score="probability", weights="raw", combine="normalised", constant="skip"
    ),
}


@dataclass
class Noisy:
    """`steps` copies of each mask, each with its own noise, or with noise that all channels of the image share.

    An image's stream is named by its own pixels, and drawn from channel by channel on the images' device. So neither
    batch nor chunk matter; a GPU draws other numbers than a CPU.
    """

    steps: int
    sigma: float
    seed: int
    shared: bool = False
    noisy: bool = True

    def spread(self, masks: Tensor, stream: torch.Generator | None) -> Tensor:
        assert stream is not None
        shape = (self.steps, *masks.shape[1:])
        if self.shared:
            again = torch.Generator(masks.device).manual_seed(stream.initial_seed())
            return masks[:, None] + self.sigma * self._draw(shape, masks, again)
        draws = torch.stack([self._draw(shape, masks, stream) for _ in masks])
        return draws.mul_(self.sigma).add_(masks[:, None])

    def gather(self, scores: Tensor, empty: Any) -> Tensor:
        return scores.mean(1)

    def streams(self, images: Tensor) -> list[torch.Generator | None]:
        return [torch.Generator(images.device).manual_seed(number) for number in image_seeds(images, self.seed)]

    @staticmethod
    def _draw(shape: tuple[int, ...], like: Tensor, stream: torch.Generator) -> Tensor:
        return torch.randn(shape, generator=stream, device=like.device, dtype=like.dtype)


def explain(
    model: Any,
    images: Tensor,
    targets: Any,
    layer: Any = None,
    *,
    variant: str = "paper",
    samples: int = SAMPLES,
    sigma: float = SIGMA,
    seed: int = 0,
    chunk: int | None = None,
    **changes: Any,
) -> tuple[list[Tensor], Tensor]:
    """Maps of each layer and the scores (B, K). `changes` are entries of `wsol.attribution.masking.CHOICES`."""
    if samples < 1 or sigma < 0:
        raise ParameterError(
            f"sscam: samples {samples} must be at least 1, sigma {sigma} not negative; the paper's 35, 2"
        )
    recipe = masking.chosen_recipe("sscam", VARIANTS, variant, changes)
    copies = Noisy(samples, sigma, seed, shared=variant == "f-cam")
    return masking.explain(model, images, targets, layer, recipe, copies, chunk)


target_maps, class_maps, attribute = verbs(explain)
