"""InCA (Ki, Uh, Lee and Byun, ACCV 2020): background teaches the attention, within each image and across layers.

From the paper's abstract (certain): the contrastive attention loss (foreground and its dropped version alike, dropped
version and background unlike), the foreground consistency loss (earlier attention follows the later), non-local blocks
in place of channel-pooled attention, and dropping of the background besides the most discriminative region. Nothing
more of the text was at hand. Ours: the layers (ADL's), how a layer is masked (ADL's, dropping or importance at random),
relative thresholds, unit-length mean features with a triplet hinge, squared differences of normalised attention with
the last layer as the reference of all others, both losses as means over layers, blocks that only attend (features go on
without them, so that evaluation is the plain classifier), and all numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsol.errors import ParameterError
from wsol.methods.base import TrainingMethod, located
from wsol.methods.options import check_names, check_share

if TYPE_CHECKING:
    import torch

    from wsol.losses.inca import Thresholds
    from wsol.models.inca import View

SHARES = ("drop_rate", "background", "foreground", "peak", "ramp")
AMOUNTS = {"margin": 4, "contrastive_weight": 1000, "consistency_weight": 1000}
"""Options that are numbers from 0 to this: unit vectors are at most √4 apart."""


class Method(TrainingMethod):
    """Cross-entropy, and two losses on the attention of three layers.

    drop_rate: probability in [0, 1] that a layer drops peak and background for this batch, else it is weighted with its
        attention; drawn for each layer on its own.
    background, foreground, peak: shares in [0, 1] of the range of an image's attention, not falling: the background
        lies below the first, the foreground at and above the second, its most discriminative part at the third.
    margin: in [0, 4], of squared distances at unit length.
    contrastive_weight, consistency_weight: of the two losses, not negative.
    ramp: share of the steps in [0, 1] during which both weights grow linearly from 0; 0 gives them whole at once.

    Raises ParameterError.
    """

    def __init__(self, options: dict[str, Any], label_smoothing: float = 0.0) -> None:
        check_names("inca", options, (*SHARES, *AMOUNTS))
        for name in SHARES:
            check_share("inca", options, name)
        for name, most in AMOUNTS.items():
            value = options[name]
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                raise ParameterError(
                    f"params/methods/inca.yaml: option {name!r} is {value!r}; give a number in [0, {most}]"
                )
        rising = [options[name] for name in ("background", "foreground", "peak")]
        if rising != sorted(rising):
            raise ParameterError(
                "params/methods/inca.yaml: options 'background', 'foreground' and 'peak' are "
                f"{', '.join(map(str, rising))}; none may be below the one before"
            )
        super().__init__(options, label_smoothing)
        self.share = 1.0

    def build(self, backbone: str, num_classes: int, architecture: dict[str, Any]) -> torch.nn.Module:
        import wsol.models.heads.inca  # noqa: F401  `build` finds it by name; the code closure only sees imports
        from wsol.models import build

        return build(backbone, head="inca", num_classes=num_classes, **located(architecture))

    def start_step(self, done: float) -> None:
        ramp = self.options["ramp"]
        self.share = min(1.0, done / ramp) if ramp else 1.0

    def loss(
        self, model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """CE + share · (contrastive + consistency), each with its weight; in evaluation mode CE alone."""
        import torch

        from wsol.losses.inca import Thresholds
        from wsol.models.inca import attended

        if not model.training:
            return super().loss(model, images, labels, generator)
        thresholds = Thresholds(*(self.options[name] for name in Thresholds._fields))
        draws = torch.rand(len(model.head.attention), generator=generator)  # type: ignore[union-attr, arg-type]
        with attended(model, (draws < self.options["drop_rate"]).tolist(), thresholds) as views:
            classification, logits = super().loss(model, images, labels, generator)
        contrastive, consistency = attention_losses(views, thresholds, self.options["margin"])
        weighted = self.options["contrastive_weight"] * contrastive + self.options["consistency_weight"] * consistency
        return classification + self.share * weighted, logits


def attention_losses(views: list[View], thresholds: Thresholds, margin: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The contrastive loss, mean over all layers, and the consistency loss, mean over all but the last.

    Pixels that were dropped at a layer before the one whose attention speaks do not count.
    """
    import torch

    from wsol.losses.inca import contrastive_attention_loss, foreground_consistency_loss, regions
    from wsol.models.inca import all_kept

    *earlier, last = views
    contrastive = [
        contrastive_attention_loss(view.features, regions(view.attention, thresholds, view.counted), margin)
        for view in views
    ]
    consistency = [
        foreground_consistency_loss(
            view.attention, last.attention, all_kept(last.counted, (view.attention.shape[1], view.attention.shape[2]))
        )
        for view in earlier
    ]
    return torch.stack(contrastive).mean(), torch.stack(consistency).mean()
