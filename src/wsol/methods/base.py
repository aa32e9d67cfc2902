"""What a training method may change. The defaults are the plain classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import torch


class TrainingMethod:
    """A method overrides what it changes; the training loop calls nothing else.

    `options` are the method's own hyperparameters (`options:` in its parameter file).
    """

    training_split: ClassVar[str] = "train-weaksup"
    """The split it trains on: train-weaksup, or train-fullsup, the few images that have masks or boxes."""
    needs_masks: ClassVar[bool] = False
    """Whether the images that `loss` gets are (B, 4, S, S), the last channel the objects' mask.

    `wsol.data.transforms.split_masks` takes it off; its values are 0, 1 and, left out of account, 255.
    """

    def __init__(self, options: dict[str, Any], label_smoothing: float = 0.0) -> None:
        self.options = options
        self.label_smoothing = label_smoothing

    def build(self, backbone: str, num_classes: int, architecture: dict[str, Any]) -> torch.nn.Module:
        """The network to train: logits (B, K) from `forward`, and class maps for the method's attribution."""
        import wsol.models.heads.cam  # noqa: F401  `build` finds it by name; the code closure only sees imports
        from wsol.models import build

        return build(backbone, head="cam", num_classes=num_classes, **located(architecture))

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Called before each 1-indexed epoch, also when a resumed run enters it in the middle."""

    def start_step(self, done: float) -> None:
        """Called before each step; `done` in [0, 1) is the share of the training's steps that lie behind it.

        What sets in during a training goes by this: by epochs it would never begin where there is one.
        """

    def loss(
        self, model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean loss of a batch and the logits that training accuracy is counted on.

        images (B, 3, S, S) normalised, with a fourth channel where the method needs masks; labels (B,) class indices;
        `generator` is this step's own random stream (CPU).
        """
        from torch.nn.functional import cross_entropy

        logits = model(images)
        return cross_entropy(logits.float(), labels, label_smoothing=self.label_smoothing), logits


def located(architecture: dict[str, Any]) -> dict[str, Any]:
    """The architecture with its weights file where it lies on this machine (`raw:` is below $WSOL_DATA)."""
    from wsol.data.images import resolve_source

    chosen = architecture.get("pretrained")
    return {**architecture, "pretrained": resolve_source(chosen) if chosen else None}
