"""InCA (Ki et al., ACCV 2020): the plain classifier, and beside it blocks that see where training shall attend.

`attention` holds one non-local block for each layer of the trunk, or of the head, in PLACES. They take part in training
alone (`wsol.models.inca`): logits, class maps and the names of all other parameters are those of head `cam`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

from wsol.errors import ParameterError
from wsol.models.heads import cam
from wsol.models.nonlocal_block import NonLocalBlock
from wsol.models.trunk import Trunk


class Place(NamedTuple):
    """One layer that is attended to, named as in the whole network."""

    layer: str
    source: str
    """The module of the trunk that knows the channels of its output (`out_channels`); empty: the CAM layer's."""


PLACES = {
    # Behind the third pooling and the ReLUs of conv4_3 and conv5_3.
    "conv5": (
        Place("trunk.features.16", "features.14"),
        Place("trunk.features.22", "features.21"),
        Place("trunk.features.29", "features.28"),
    ),
    # Behind the first block of layer3, and the first and the last of layer4.
    "layer4": (
        Place("trunk.layer3.0", "layer3.0.conv3"),
        Place("trunk.layer4.0", "layer4.0.conv3"),
        Place("trunk.layer4.2", "layer4.2.conv3"),
    ),
    # Behind Mixed_5d, Mixed_6e and the ReLU of the second new convolution.
    "mixed6": (
        Place("trunk.Mixed_5d", "Mixed_5d"),
        Place("trunk.Mixed_6e", "Mixed_6e"),
        Place("head.neck", ""),
    ),
}
"""Last stage of a trunk → layers in the order of the forward pass: those of ADL, whose scheme InCA extends (ours)."""


def build(trunk: Trunk, num_classes: int) -> nn.Module:
    """Head `cam` with one block a place, drawn after all else. Raises ParameterError for a trunk not in `PLACES`."""
    stage = trunk.stage_names[-1]
    if stage not in PLACES:
        raise ParameterError(f"head inca: no layers to attend to in a trunk that ends in {stage!r}; add it to PLACES")
    head: Any = cam.build(trunk, num_classes)
    classifier = head.classifier
    last = classifier.in_channels if isinstance(classifier, nn.Conv2d) else classifier.in_features
    blocks = (
        NonLocalBlock(int(trunk.get_submodule(source).out_channels) if source else int(last))  # type: ignore[arg-type]
        for _, source in PLACES[stage]
    )
    head.attention = nn.ModuleList(blocks)
    head.attended_layers = tuple(place.layer for place in PLACES[stage])
    return head
