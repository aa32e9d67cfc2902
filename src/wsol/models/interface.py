"""What the rest of the package may ask of a model and of its head.

B images, K classes, C channels; images are (B, 3, H, W), normalised; maps are (B, ·, h, w) with h = H / map stride.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Classifier(Protocol):
    """A network that `wsol.models.build` returns (a `torch.nn.Module`)."""

    backbone: str
    num_classes: int
    build_args: dict[str, Any]
    """The arguments of `build` that make this network again (without its weights)."""

    def features(self, images: Tensor) -> Tensor:
        """The CAM layer's activations (B, C, h, w), what `logits` and `class_maps` read."""

    def logits(self, features: Tensor) -> Tensor:
        """Class scores before softmax (B, K)."""

    def class_maps(self, features: Tensor) -> Tensor:
        """The CAM of every class (B, K, h, w), at the features' resolution, neither rectified nor normalised."""

    def stages(self, images: Tensor) -> dict[str, Tensor]:
        """Named activations from the highest resolution to the lowest; the last, `features`, is the CAM layer."""

    def forward(self, images: Tensor) -> Tensor:
        """`logits(features(images))`."""

    def head_parameter_names(self) -> frozenset[str]:
        """Parameters that train at the head's learning rate."""


class Head(Protocol):
    """What turns a trunk's output into class scores; a `torch.nn.Module` in a file of `wsol.models.heads`."""

    def neck(self, trunk_output: Tensor) -> Tensor:
        """From the trunk's output to the CAM layer: new convolutions, or nothing."""

    def logits(self, features: Tensor) -> Tensor:
        """As `Classifier.logits`."""

    def class_maps(self, features: Tensor) -> Tensor:
        """As `Classifier.class_maps`."""
