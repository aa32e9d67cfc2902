"""ADL (Choe and Shim, CVPR 2019): training hides the most discriminative region of inner features, or stresses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsol.methods.base import TrainingMethod
from wsol.methods.options import check_choice, check_names, check_share

if TYPE_CHECKING:
    import torch


class Method(TrainingMethod):
    """Cross-entropy with attention-based dropout (`wsol.models.adl`) behind three layers of the plain classifier.

    drop_rate: probability in [0, 1] that a layer drops the region for this batch, else it applies the importance map;
        drawn for each layer on its own.
    threshold: γ in [0, 1]; what is dropped has at least γ of its image's largest attention.
    dropout: whether InceptionV3 keeps its ordinary dropout in the head; false is the released evaluation code (Choe et
        al., CVPR 2020). The other backbones have none.

    At evaluation the network is the plain classifier, and so are its maps.
    """

    def __init__(self, options: dict[str, Any], label_smoothing: float = 0.0) -> None:
        check_names("adl", options, ("drop_rate", "threshold", "dropout"))
        check_share("adl", options, "drop_rate")
        check_share("adl", options, "threshold")
        check_choice("adl", options, "dropout", (False, True))
        super().__init__(options, label_smoothing)

    def build(self, backbone: str, num_classes: int, architecture: dict[str, Any]) -> torch.nn.Module:
        """As the base class; raises ParameterError for a backbone without positions for the layer."""
        from wsol.models.adl import disable_dropout, positions

        positions(backbone)
        model = super().build(backbone, num_classes, architecture)
        if not self.options["dropout"]:
            disable_dropout(model)
        return model

    def loss(
        self, model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        from wsol.models.adl import inserted, positions

        if not model.training:
            return super().loss(model, images, labels, generator)
        layers = positions(model.backbone)  # type: ignore[arg-type]
        drops = (torch.rand(len(layers), generator=generator) < self.options["drop_rate"]).tolist()
        with inserted(model, layers, drops, self.options["threshold"]):
            return super().loss(model, images, labels, generator)
