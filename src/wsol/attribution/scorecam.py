"""Score-CAM (Wang et al., CVPR workshops 2020): relu(Σ_k w_k A_k), w from the score of the image masked by channel k.

The mask is A_k resized to the image and brought to [0, 1] by its minimum and maximum; w is the softmax over the
channels of the masked images' scores (algorithm 1; the baseline's score cancels in it).

`variant`: "paper"; "official", the authors' code; "torch-cam" and "pytorch-grad-cam", these libraries; "f-cam", the
code of the F-CAM paper. Single entries of `wsol.attribution.masking.Recipe` can be changed beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wsol.attribution import masking
from wsol.attribution.masking import Recipe
from wsol.attribution.verbs import verbs

VARIANTS = {
    "paper": Recipe(),
    "official": Recipe(score="probability", weights="raw", combine="upsampled", constant="skip"),
    "torch-cam": Recipe(order="normalise-resize", eps=1e-8),
    "pytorch-grad-cam": Recipe(align_corners=True, eps=1e-8),
    "f-cam": Recipe(
        order="normalise-resize", score="probability", weights="raw", combine="normalised", constant="skip"
    ),
}


@dataclass(frozen=True)
class Once:
    """Each mask as it is."""

    steps: int = 1
    noisy: bool = False

    def spread(self, masks: Tensor, stream: torch.Generator | None) -> Tensor:
        return masks[:, None]

    def gather(self, scores: Tensor, empty: Any) -> Tensor:
        return scores[:, 0]

    def streams(self, images: Tensor) -> list[torch.Generator | None]:
        return [None] * len(images)


def explain(
    model: Any,
    images: Tensor,
    targets: Any,
    layer: Any = None,
    *,
    variant: str = "paper",
    chunk: int | None = None,
    **changes: Any,
) -> tuple[list[Tensor], Tensor]:
    """Maps of each layer and the scores (B, K). `changes` are entries of `wsol.attribution.masking.CHOICES`."""
    recipe = masking.chosen_recipe("scorecam", VARIANTS, variant, changes)
    return masking.explain(model, images, targets, layer, recipe, Once(), chunk)


target_maps, class_maps, attribute = verbs(explain)
