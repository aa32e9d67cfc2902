"""What CALM_EM and CALM_ML share (Kim et al., Keep CALM and Improve Visual Feature Attribution, ICCV 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from wsol.errors import ParameterError
from wsol.methods.base import TrainingMethod, located
from wsol.methods.options import check_choice, check_names

if TYPE_CHECKING:
    import torch

NORMALISERS = ("exact", "reference")
REFERENCE_FAST = {
    "resnet50": (
        *("head.", "trunk.bn1.", "trunk.layer4.0.downsample."),
        *(f"trunk.layer4.{block}.{part}" for block in range(3) for part in ("bn", "conv2.", "conv3.")),
    )
}
"""Backbone → what alone trains at the head's rate in CALM's released code, where that is not our group.

It takes names with `conv1` or `layer1` to `layer3` in them for the trunk's.
"""


class CalmMethod(TrainingMethod):
    """The network with the heads f and h, trained on `objective`; predictions are log p(y|x).

    Options: `normaliser`, exact or reference (`wsol.losses.calm` says how they differ); `map_stride`, input over map
    size, in place of the scale's (8: 28 × 28 at 224 px, as published), or null for the scale's; `learning_rates`:
    "new_layers" trains the head and ResNet50's layer4 at the head's rate, "reference" groups by the names of
    parameters as the released code does, where the first batch normalisation trains at the head's rate as well and the
    first convolutions of layer4's blocks at the trunk's.
    """

    name: ClassVar[str]

    def __init__(self, options: dict[str, Any], label_smoothing: float = 0.0) -> None:
        check_names(self.name, options, ("normaliser", "map_stride", "learning_rates"))
        check_choice(self.name, options, "normaliser", NORMALISERS)
        check_choice(self.name, options, "learning_rates", ("new_layers", "reference"))
        check_choice(self.name, options, "map_stride", (None, 8, 16))
        if label_smoothing:
            raise ParameterError(
                f"params/methods/{self.name}.yaml: label_smoothing is {label_smoothing}, but CALM's objectives are "
                "of one label; set it to 0"
            )
        super().__init__(options, label_smoothing)

    def build(self, backbone: str, num_classes: int, architecture: dict[str, Any]) -> torch.nn.Module:
        """The network to train, with `map_stride` in place of the architecture's unless it is null."""
        import wsol.models.heads.calm  # noqa: F401  `build` finds it by name; the code closure only sees imports
        from wsol.models import build
        from wsol.models.reference_rates import use_reference_rates

        chosen = located(architecture)
        if self.options["map_stride"] is not None:
            chosen["map_stride"] = self.options["map_stride"]
        model = build(backbone, head="calm", num_classes=num_classes, **chosen)
        if self.options["learning_rates"] == "reference" and backbone in REFERENCE_FAST:
            use_reference_rates(model, REFERENCE_FAST[backbone])
        return model

    def objective(self, f: torch.Tensor, h: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of each image (B,)."""
        raise NotImplementedError

    def loss(
        self, model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        from wsol.losses.calm import log_class

        f, h = model.head.evidence(model.features(images))  # type: ignore[operator, union-attr]
        with torch.no_grad():
            logits = log_class(f, h)
        return self.objective(f, h, labels).mean(), logits
