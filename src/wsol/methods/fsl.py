"""FSL, the few-shot baseline of Choe et al. (Evaluating WSOL Methods Right): the masks of train-fullsup, learnt from.

Weakly supervised methods spend the full supervision of that split on choosing hyperparameters; this one spends it on
training. Neither its code nor its hyperparameters were published: what the paper leaves open is decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsol.methods.base import TrainingMethod, located
from wsol.methods.options import check_names

if TYPE_CHECKING:
    import torch


class Method(TrainingMethod):
    """Binary cross-entropy of a foreground saliency map against the objects' mask; no option.

    train-weaksup is not used. The classes are learnt from the same few images by a linear probe that leaves the
    features alone, so that there are predictions to count; they are not what the network is for.
    """

    training_split = "train-fullsup"
    needs_masks = True

    def __init__(self, options: dict[str, Any], label_smoothing: float = 0.0) -> None:
        super().__init__(options, label_smoothing)
        check_names("fsl", options, ())

    def build(self, backbone: str, num_classes: int, architecture: dict[str, Any]) -> torch.nn.Module:
        import wsol.models.heads.fsl  # noqa: F401  `build` finds it by name; the code closure only sees imports
        from wsol.models import build

        return build(backbone, head="fsl", num_classes=num_classes, **located(architecture))

    def loss(
        self, model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """BCE of the saliency map + CE of the probe, whose gradient ends at the features; and the probe's logits."""
        from torch.nn.functional import cross_entropy

        from wsol.data.transforms import split_masks

        pixels, masks = split_masks(images)
        head: Any = model.head
        features = model.features(pixels)  # type: ignore[operator]
        logits = head.logits(features.detach())
        classes = cross_entropy(logits.float(), labels, label_smoothing=self.label_smoothing)
        return saliency_loss(head.saliency(features), masks) + classes, logits


def saliency_loss(saliency: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Mean binary cross-entropy over the labelled pixels of a batch; 0, without gradient, where there is none.

    saliency (B, h, w) before the sigmoid, resized bilinearly to masks (B, H, W): 1 object, 0 background, 255 left out.
    """
    from wsol.data.masks import IGNORED, OBJECT
    from wsol.losses.pseudo_masks import PseudoMask, mask_loss, resized

    return mask_loss(resized(saliency, masks.shape[1:]), PseudoMask(masks == OBJECT, masks != IGNORED))
