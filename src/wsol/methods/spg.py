"""SPG (Zhang et al., ECCV 2018): the class map's sure pixels teach masks to two earlier places and one later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsol.errors import ParameterError
from wsol.methods.base import TrainingMethod, located
from wsol.methods.options import check_choice, check_names, check_share

if TYPE_CHECKING:
    import torch

    from wsol.models.heads.spg import Guidance

BRANCHES = ("b2", "b1", "c")
"""In the order of the published settings: 1h/1l belong to B2, 2h/2l to B1, 3h/3l to C."""
REFERENCE_FAST = {
    "resnet50": ("trunk.layer4.",),
    "vgg16": ("head.", *(f"trunk.features.{number}." for number in (17, 19, 21, 24, 26, 28))),
}
"""Backbone → what alone trains at the head's rate in the released evaluation code, where that is not our group."""


class Method(TrainingMethod):
    """Cross-entropy of the image label, and a binary cross-entropy of each branch against a mask.

    The mask of B2 comes from the label's class map, that of B1 from B2, that of C from the mean of B1 and B2; masks
    pass no gradient. Options: `b2_high`, `b2_low` and so on for b1 and c, all in [0, 1], not low above high: a pixel
    is foreground above the one and background below the other. `learning_rates`: "new_layers" trains every new layer
    at the head's rate; "reference" groups parameters as the released evaluation code does, where the branches on a
    ResNet50 train at the trunk's rate, and the last two blocks of a VGG16 at the head's. Raises ParameterError.
    """

    def __init__(self, options: dict[str, Any], label_smoothing: float = 0.0) -> None:
        super().__init__(options, label_smoothing)
        thresholds = [f"{branch}_{side}" for branch in BRANCHES for side in ("high", "low")]
        check_names("spg", options, (*thresholds, "learning_rates"))
        check_choice("spg", options, "learning_rates", ("new_layers", "reference"))
        for name in thresholds:
            check_share("spg", options, name)
        for branch in BRANCHES:
            high, low = options[f"{branch}_high"], options[f"{branch}_low"]
            if low > high:
                raise ParameterError(
                    f"params/methods/spg.yaml: option '{branch}_low' is {low}, above '{branch}_high', {high}; lower it"
                )

    def build(self, backbone: str, num_classes: int, architecture: dict[str, Any]) -> torch.nn.Module:
        import wsol.models.heads.spg  # noqa: F401  `build` finds it by name; the code closure only sees imports
        from wsol.models import build
        from wsol.models.reference_rates import use_reference_rates

        model = build(backbone, head="spg", num_classes=num_classes, **located(architecture))
        if self.options["learning_rates"] == "reference" and backbone in REFERENCE_FAST:
            use_reference_rates(model, REFERENCE_FAST[backbone])
        return model

    def loss(
        self, model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """CE + L(B2) + L(B1) + L(C), and the logits of the classifier."""
        from torch.nn.functional import cross_entropy

        from wsol.models.taps import tapped

        head: Any = model.head
        with tapped(model.trunk, head.taps) as seen:  # type: ignore[arg-type]
            features = model.features(images)  # type: ignore[operator]
        given = head.guidance(features, seen)
        logits = given.class_maps.mean((2, 3))
        classification = cross_entropy(logits.float(), labels, label_smoothing=self.label_smoothing)
        terms = self.mask_losses(given, labels, (images.shape[2], images.shape[3]))
        return classification + sum(terms.values()), logits

    def mask_losses(self, given: Guidance, labels: torch.Tensor, frame: tuple[int, int]) -> dict[str, torch.Tensor]:
        """Branch → its loss, in a frame (H, W) that all maps are resized to first."""
        from wsol.losses.pseudo_masks import mask_loss, pseudo_mask, resized
        from wsol.models.minmax import minmax
        from wsol.models.of_label import of_label

        # The label's map is picked before it is resized: all K of them at 224² need gigabytes.
        chosen = of_label(given.class_maps.detach(), labels)
        b1, b2, c = (resized(branch, frame) for branch in (given.b1, given.b2, given.c))
        sure_b1, sure_b2 = b1.detach().sigmoid(), b2.detach().sigmoid()
        targets = {
            # A constant map says nothing: as NaN none of its pixels is labelled.
            "b2": (b2, minmax(resized(chosen, frame), constant=float("nan"))),
            "b1": (b1, sure_b2),
            "c": (c, (sure_b1 + sure_b2) / 2),
        }
        return {
            name: mask_loss(logits, pseudo_mask(scores, self.options[f"{name}_high"], self.options[f"{name}_low"]))
            for name, (logits, scores) in targets.items()
        }
