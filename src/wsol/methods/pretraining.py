"""The classifier that the other methods of a scale start from, as the papers' methods start from ImageNet's weights."""

from __future__ import annotations

from wsol.methods.base import TrainingMethod


class Method(TrainingMethod):
    """The plain classifier from random weights; `pretrained: checkpoint:…` of a scale names the one to start from."""
