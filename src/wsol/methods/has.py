"""Hide-and-Seek (Singh and Lee, ICCV 2017): random cells of a grid are hidden from each training image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsol.errors import ParameterError
from wsol.methods.base import TrainingMethod
from wsol.methods.options import check_names, check_share

if TYPE_CHECKING:
    import torch

REFERENCE_SIDE = 224
"""Side in pixels of the images that the published patches were chosen on."""


class Method(TrainingMethod):
    """Cross-entropy on images with hidden cells; network and maps are those of the plain classifier.

    patch: side of a square cell. From 1 on it counts pixels of a 224 px image, as published, and grows and shrinks with
        the side of the images; below 1 it is the share of that side. So 56 and 0.25 say the same. 0 hides nothing.
    drop_rate: probability in [0, 1] with which a cell is hidden, drawn for each cell of each image; 0 hides nothing.
    """

    def __init__(self, options: dict[str, Any], label_smoothing: float = 0.0) -> None:
        check_names("has", options, ("patch", "drop_rate"))
        check_share("has", options, "drop_rate")
        patch = options["patch"]
        if isinstance(patch, bool) or not isinstance(patch, int | float) or not 0 <= patch <= REFERENCE_SIDE:
            raise ParameterError(
                f"params/methods/has.yaml: option 'patch' is {patch!r}; give the pixels of a 224 px image (1 to 224), "
                "a share of the side (below 1), or 0 to hide nothing"
            )
        super().__init__(options, label_smoothing)

    def loss(
        self, model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        side = patch_pixels(self.options["patch"], min(images.shape[2:]))
        return super().loss(model, hide_cells(images, side, self.options["drop_rate"], generator), labels, generator)


def patch_pixels(patch: float, image_side: int) -> int:
    """Side of a cell in pixels of an image of side `image_side`, to the nearest, at least 1; 0 for `patch` 0."""
    if patch == 0:
        return 0
    share = patch if patch < 1 else patch / REFERENCE_SIDE
    return max(1, int(share * image_side + 0.5))


def hide_cells(images: torch.Tensor, side: int, rate: float, generator: torch.Generator) -> torch.Tensor:
    """images (B, 3, H, W) normalised → the same with zeros, the mean colour, in the hidden cells.

    The cells of `side` pixels begin at the upper left corner; those at the right and lower border are cut off there.
    One is hidden where its uniform draw in [0, 1) is ≤ rate, as in the released evaluation code (Choe et al., CVPR
    2020). A side or a rate of 0 draws nothing and returns the images themselves.
    """
    import torch

    if side == 0 or rate == 0:
        return images
    count, _, height, width = images.shape
    draws = torch.rand(count, -(-height // side), -(-width // side), generator=generator)
    cells = (draws <= rate).to(images.device)
    rows = torch.arange(height, device=images.device) // side
    columns = torch.arange(width, device=images.device) // side
    # On a clone, which keeps the memory layout that masked_fill would lose.
    return images.clone().masked_fill_(cells[:, rows[:, None], columns][:, None], 0.0)
