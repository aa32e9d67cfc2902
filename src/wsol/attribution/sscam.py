"""SS-CAM (Wang et al., 2020), type 1: Score-CAM with each score averaged over noisy copies of the mask.

w is the softmax over the channels of the mean score over N copies of mask + δ, δ ~ N(0, σ²) at each pixel; N = 35 and
σ = 2, as in the paper, on masks in [0, 1]. A dead channel adds nothing to the map and takes no part in the softmax,
which scales the map of an image and no more.

`variant`: "paper"; "torch-cam", min-max before the resize; "f-cam", F-CAM's code: min-max before the resize, the
probability as score, no softmax over the channels, normalised activations in the sum, and one noise for all channels,
but another for each colour of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wsol.attribution import masking, scorecam
from wsol.attribution.gradients import image_seeds
from wsol.attribution.verbs import verbs
from wsol.errors import ParameterError

SAMPLES, SIGMA = 35, 2.0
VARIANTS = {name: scorecam.VARIANTS[name] for name in ("paper", "torch-cam", "f-cam")}


@dataclass
class Noisy:
    """`steps` copies of each mask with noise of their own for each channel, the same for all colours of the image.

    Or, where `colours` is not 0, with noise for each of so many colours that all channels share.

    An image's stream is named by its own pixels, and drawn from channel by channel on the images' device. So neither
    batch nor chunk matter; a GPU draws other numbers than a CPU.
    """

    steps: int
    sigma: float
    seed: int
    colours: int = 0
    noisy: bool = True

    def spread(self, masks: Tensor, stream: torch.Generator | None) -> Tensor:
        assert stream is not None
        shape = (self.steps, *masks.shape[1:])
        if self.colours:
            again = torch.Generator(masks.device).manual_seed(stream.initial_seed())
            noise = self._draw((self.steps, self.colours, *masks.shape[1:]), masks, again)
            return masks[:, None, None] + self.sigma * noise
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
    copies = Noisy(samples, sigma, seed, colours=images.shape[1] if variant == "f-cam" else 0)
    return masking.explain(model, images, targets, layer, recipe, copies, chunk)


target_maps, class_maps, attribute = verbs(explain)
