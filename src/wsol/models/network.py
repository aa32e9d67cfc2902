"""A trunk and a head put together."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from wsol.models.trunk import Trunk


class Network(nn.Module):
    """The `wsol.models.interface.Classifier` that `build` returns: parameters `trunk.…` and `head.…`."""

    def __init__(self, trunk: Trunk, head: nn.Module, build_args: dict[str, Any]) -> None:
        super().__init__()
        self.trunk = trunk
        self.head: Any = head
        self.build_args = build_args

    @property
    def backbone(self) -> str:
        return self.build_args["backbone"]

    @property
    def num_classes(self) -> int:
        return self.build_args["num_classes"]

    @property
    def stage_names(self) -> tuple[str, ...]:
        """Keys of `stages`, in its order."""
        return (*self.trunk.stage_names, "features")

    def features(self, images: Tensor) -> Tensor:
        return self.head.neck(self.trunk(images))

    def logits(self, features: Tensor) -> Tensor:
        return self.head.logits(features)

    def class_maps(self, features: Tensor) -> Tensor:
        return self.head.class_maps(features)

    def stages(self, images: Tensor) -> dict[str, Tensor]:
        activations = dict(self.trunk.walk(images))
        activations["features"] = self.head.neck(activations[self.trunk.stage_names[-1]])
        return activations

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(self.features(images))

    def head_parameter_names(self) -> frozenset[str]:
        fast = ("head.", *(f"trunk.{prefix}" for prefix in self.trunk.head_rate_prefixes))
        return frozenset(name for name, _ in self.named_parameters() if name.startswith(fast))
