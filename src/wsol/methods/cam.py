"""CAM (Zhou et al., CVPR 2016): a plain classifier with global average pooling; nothing changes at training time."""

from __future__ import annotations

from wsol.methods.base import TrainingMethod


class Method(TrainingMethod):
    """Cross-entropy on the image label."""
