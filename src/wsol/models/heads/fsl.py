"""FSL's head (Choe et al., Evaluating WSOL Methods Right): one map that says object or background."""

from __future__ import annotations

from torch import Tensor, nn

from wsol.models.trunk import Trunk


def build(trunk: Trunk, num_classes: int) -> nn.Module:
    """A saliency map and a probe for the classes, both on the CAM layer of the trunk's published classifier."""
    neck, channels = trunk.make_neck()
    head = FslHead(neck, channels, num_classes)
    trunk.initialise(head)
    # Not the trunk's own scheme: He's fan-out would make a 1 × 1 convolution to one channel far too large. So a
    # training starts where every pixel is as likely object as background.
    nn.init.normal_(head.foreground.weight, 0.0, 0.01)
    return head


class FslHead(nn.Module):
    """A 1 × 1 convolution to one map, and a linear layer on the mean of the features, which gives the logits."""

    def __init__(self, neck: nn.Module, channels: int, num_classes: int) -> None:
        super().__init__()
        self.neck = neck
        self.foreground = nn.Conv2d(channels, 1, 1)
        self.probe = nn.Linear(channels, num_classes)

    def saliency(self, features: Tensor) -> Tensor:
        """Log-odds of being an object (B, h, w)."""
        return self.foreground(features)[:, 0]

    def logits(self, features: Tensor) -> Tensor:
        return self.probe(features.mean((2, 3)))

    def class_maps(self, features: Tensor) -> Tensor:
        """The saliency map for every class, without memory of its own: (B, K, h, w)."""
        return self.foreground(features).expand(-1, self.probe.out_features, -1, -1)
