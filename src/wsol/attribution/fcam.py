"""F-CAM (Belharbi et al., WACV 2022): the decoder's probability of foreground, one for each pixel of the image."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from wsol.attribution.select import of_classes
from wsol.errors import ParameterError

ONE_SCALE = True
ORDER = "as-is"


def target_maps(model: Any, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities of foreground (B, H, W) and the frozen classifier's logits (B, K), from one forward pass.

    The foreground is that of no particular class: targets (B,) must be class indices and change nothing. Raises
    ParameterError, also for a network without a decoder.
    """
    maps, logits = class_maps(model, images)
    return of_classes(maps, targets), logits


def class_maps(model: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities of foreground (B, K, H, W), repeated for every class without memory of its own, and logits."""
    if not hasattr(model, "foreground"):
        raise ParameterError(
            f"F-CAM's map is asked of a network with head {getattr(model, 'build_args', {}).get('head')!r} and no "
            "decoder; train it with one of the methods fcam_…"
        )
    foreground, logits = model.foreground(images)
    return foreground[:, None].expand(-1, logits.shape[1], -1, -1), logits


def attribute(model: Any, images: Tensor, targets: Tensor) -> Tensor:
    """Probabilities of foreground (B, H, W); targets (B,) must be class indices and change nothing."""
    return target_maps(model, images, targets)[0]
