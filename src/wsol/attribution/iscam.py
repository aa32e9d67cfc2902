"""IS-CAM (Naidu et al., 2020): Score-CAM with each score averaged over N strengths of the mask.

w is the softmax over the channels of the mean score over N = 10 copies s_i · mask · image.

`schedule` gives s_1 … s_N: "paper", as printed, s_i = Σ_{j<i} j / N (0, 0.1, 0.3, … 4.5); "torch-cam", which starts one
step later (0.1, 0.3, … 5.5), as F-CAM's code does; "path", s_i = i / N, which alone ends at the mask itself; None, that
of the variant. A strength of 0 costs nothing: its score is that of the empty image.

`variant` is one of Score-CAM's recipes: "paper", "torch-cam", "f-cam".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from wsol.attribution import masking, scorecam
from wsol.attribution.verbs import verbs
from wsol.errors import ParameterError

SAMPLES = 10
SCHEDULES = ("paper", "torch-cam", "path")
SCHEDULE_OF = {"paper": "paper", "torch-cam": "torch-cam", "f-cam": "torch-cam"}
VARIANTS = {name: scorecam.VARIANTS[name] for name in SCHEDULE_OF}


def strengths(schedule: str, samples: int) -> list[float]:
    """s_1 … s_N. Raises ParameterError."""
    if schedule not in SCHEDULES or samples < 2:
        raise ParameterError(
            f"iscam: schedule {schedule!r} with {samples} samples; choose one of {', '.join(SCHEDULES)}, and at least 2"
        )
    if schedule == "path":
        return [step / samples for step in range(1, samples + 1)]
    first = 0 if schedule == "paper" else 1
    return [step * (step + 1) / 2 / samples for step in range(first, samples + first)]


class Scaled:
    """Each mask at every strength that is not 0."""

    noisy = False

    def __init__(self, scales: list[float]) -> None:
        self._count, self._scales = len(scales), [scale for scale in scales if scale]
        self.steps = len(self._scales)

    def spread(self, masks: Tensor, stream: torch.Generator | None) -> Tensor:
        return masks[:, None] * masks.new_tensor(self._scales)[:, None, None]

    def gather(self, scores: Tensor, empty: Callable[[], Tensor]) -> Tensor:
        total = scores.sum(1)
        zeros = self._count - self.steps
        return (total + zeros * empty() if zeros else total) / self._count

    def streams(self, images: Tensor) -> list[torch.Generator | None]:
        return [None] * len(images)


def explain(
    model: Any,
    images: Tensor,
    targets: Any,
    layer: Any = None,
    *,
    variant: str = "paper",
    samples: int = SAMPLES,
    schedule: str | None = None,
    chunk: int | None = None,
    **changes: Any,
) -> tuple[list[Tensor], Tensor]:
    """Maps of each layer and the scores (B, K). `changes` are entries of `wsol.attribution.masking.CHOICES`."""
    recipe = masking.chosen_recipe("iscam", VARIANTS, variant, changes)
    scales = strengths(SCHEDULE_OF[variant] if schedule is None else schedule, samples)
    return masking.explain(model, images, targets, layer, recipe, Scaled(scales), chunk)


target_maps, class_maps, attribute = verbs(explain)
