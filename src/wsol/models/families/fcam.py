"""F-CAM's network (Belharbi et al., WACV 2022): a frozen classifier with a decoder of its activations beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wsol.errors import ParameterError
from wsol.models.decoder import FOREGROUND, Decoder
from wsol.models.network import Network
from wsol.models.registry import build as build_classifier


def build(classifier: Mapping[str, Any]) -> FCam:
    """A network with new weights, from the `build_args` of its classifier; what `load_model` calls."""
    return FCam(build_classifier(**classifier))


class FCam(nn.Module):
    """Parameters `classifier.…`, which nothing changes any more, and `decoder.…`, which are trained.

    As a `wsol.models.interface.Classifier` it is its classifier, bit for bit: always in evaluation mode, also after
    `train()`, and without gradients of its weights. Raises ParameterError for a backbone without a decoder, and for a
    classifier that is not CAM's.
    """

    def __init__(self, classifier: Network) -> None:
        super().__init__()
        trunk = classifier.trunk
        if not trunk.decoder_skips:
            raise ParameterError(
                f"backbone {classifier.backbone!r} has no decoder; give its class `decoder_skips` (docs/fcam.md)"
            )
        if classifier.build_args["head"] != "cam":
            raise ParameterError(
                f"a decoder is built beside a classifier with head 'cam', not {classifier.build_args['head']!r}; "
                "name a method that trains one under `classifier`"
            )
        self.classifier = classifier.requires_grad_(False).eval()
        self.decoder = Decoder(
            classifier.head.classifier.weight.shape[1],
            [trunk.stage_channels[name] for name in trunk.decoder_skips],
            classifier.build_args["width"],
            trunk.decoder_centre,
        )
        self.build_args: dict[str, Any] = {"family": "fcam", "classifier": dict(classifier.build_args)}

    @property
    def backbone(self) -> str:
        return self.classifier.backbone

    @property
    def num_classes(self) -> int:
        return self.classifier.num_classes

    @property
    def head(self) -> Any:
        return self.classifier.head

    @property
    def stage_names(self) -> tuple[str, ...]:
        return self.classifier.stage_names

    def train(self, mode: bool = True) -> FCam:
        """The decoder alone is ever in training mode: batch statistics and dropout of the classifier stay fixed."""
        super().train(mode)
        self.classifier.eval()
        return self

    def features(self, images: Tensor) -> Tensor:
        return self.classifier.features(images)

    def logits(self, features: Tensor) -> Tensor:
        return self.classifier.logits(features)

    def class_maps(self, features: Tensor) -> Tensor:
        return self.classifier.class_maps(features)

    def stages(self, images: Tensor) -> dict[str, Tensor]:
        return self.classifier.stages(images)

    def forward(self, images: Tensor) -> Tensor:
        """The classifier's logits (B, K)."""
        return self.classifier(images)

    def head_parameter_names(self) -> frozenset[str]:
        """None: the decoder trains at one rate, and the head is frozen."""
        return frozenset()

    def decode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B, 2, H, W) of background and foreground, and the CAM layer's activations, detached.

        Gradients of the scores reach the decoder's parameters and nothing else.
        """
        with torch.no_grad():
            stages = self.classifier.stages(images)
        skips = [stages[name] for name in self.classifier.trunk.decoder_skips]
        size = (images.shape[2], images.shape[3])
        return self.decoder(stages["features"], skips, size), stages["features"]

    def foreground(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Probability of foreground (B, H, W) float32, and the classifier's logits (B, K), from one forward pass."""
        scores, features = self.decode(images)
        return scores.float().softmax(1)[:, FOREGROUND], self.classifier.logits(features)
