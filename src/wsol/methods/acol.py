"""ACoL (Zhang et al., CVPR 2018): a second classifier learns from features without what convinces the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsol.methods.base import TrainingMethod, located
from wsol.methods.options import check_choice, check_names, check_share

if TYPE_CHECKING:
    import torch

REFERENCE_FAST = {"resnet50": ("trunk.layer4.",)}
"""Backbone → what alone trains at the head's rate in the released evaluation code, where that is not our group."""


class Method(TrainingMethod):
    """Cross-entropy of both branches; in training the features are erased by the map of the image's label.

    Options: `erase_threshold` in [0, 1], the share of a map's range from which features are erased; `learning_rates`:
    "new_layers" trains every new layer at the head's rate, "reference" groups parameters as the released evaluation
    code does, where the branches on a ResNet50 train at the trunk's rate. Raises ParameterError.
    """

    def __init__(self, options: dict[str, Any], label_smoothing: float = 0.0) -> None:
        super().__init__(options, label_smoothing)
        check_names("acol", options, ("erase_threshold", "learning_rates"))
        check_share("acol", options, "erase_threshold")
        check_choice("acol", options, "learning_rates", ("new_layers", "reference"))

    def build(self, backbone: str, num_classes: int, architecture: dict[str, Any]) -> torch.nn.Module:
        import wsol.models.heads.acol  # noqa: F401  `build` finds it by name; the code closure only sees imports
        from wsol.models import build
        from wsol.models.reference_rates import use_reference_rates

        model = build(backbone, head="acol", num_classes=num_classes, **located(architecture))
        model.head.threshold.fill_(self.options["erase_threshold"])
        if self.options["learning_rates"] == "reference" and backbone in REFERENCE_FAST:
            use_reference_rates(model, REFERENCE_FAST[backbone])
        return model

    def loss(
        self, model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """CE(A) + CE(B), and the logits of A."""
        from torch.nn.functional import cross_entropy

        head: Any = model.head
        logits_a, logits_b = head.both_logits(model.features(images), labels)  # type: ignore[operator]
        loss_a = cross_entropy(logits_a.float(), labels, label_smoothing=self.label_smoothing)
        loss_b = cross_entropy(logits_b.float(), labels, label_smoothing=self.label_smoothing)
        return loss_a + loss_b, logits_a
