"""The input pipeline of Choe et al. (2020) on whole batches: crop, flip and normalise as tensor operations.

Images come as uint8 (B, H, W, 3), already squashed to a square (`wsol.data.images`). A batch costs a few tensor
operations, whatever its size, on the device where the images are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsol.errors import ParameterError

if TYPE_CHECKING:
    import torch

# Per-channel mean and standard deviation of ImageNet's training images in [0, 1], as torchvision's weights expect them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """(B, H, W, 3) uint8 → (B, 3, H, W) float32: divided by 255, minus the ImageNet mean, over its deviation."""
    return _normalise_channels_first(images.permute(0, 3, 1, 2))


def _normalise_channels_first(images: torch.Tensor) -> torch.Tensor:
    import torch

    scaled = images.to(torch.float32, memory_format=torch.contiguous_format).div_(255.0)
    mean = scaled.new_tensor(IMAGENET_MEAN).view(3, 1, 1)
    deviation = scaled.new_tensor(IMAGENET_STD).view(3, 1, 1)
    return scaled.sub_(mean).div_(deviation)


def denormalise(tensor: torch.Tensor) -> torch.Tensor:
    """(B, 3, H, W) float → (B, H, W, 3) uint8, the inverse of `normalise` (rounded, clipped): for pictures."""
    import torch

    mean = tensor.new_tensor(IMAGENET_MEAN).view(3, 1, 1)
    deviation = tensor.new_tensor(IMAGENET_STD).view(3, 1, 1)
    pixels = (tensor * deviation + mean).mul(255.0).round().clamp(0, 255)
    return pixels.permute(0, 2, 3, 1).to(torch.uint8)


def eval_batch(images: torch.Tensor) -> torch.Tensor:
    """(B, S, S, 3) uint8 → (B, 3, S, S) float32 normalised; nothing random."""
    return normalise(images)


def train_batch(images: torch.Tensor, crop: int, generator: torch.Generator) -> torch.Tensor:
    """A random crop of side `crop` and a horizontal flip with probability ½, an image each, then `normalise`.

    `images` (B, H, W, 3) uint8 with H, W ≥ crop; the result (B, 3, crop, crop) float32. A fourth channel, a mask, is
    cropped and flipped along and keeps its values (`split_masks` takes it off again). `generator` is a CPU generator:
    it draws B row offsets, B column offsets and B flips, in this order, so the same state gives the same batch on any
    device. Raises ParameterError where the crop is larger than the images.
    """
    import torch

    count, height, width, _ = images.shape
    if not 1 <= crop <= min(height, width):
        raise ParameterError(
            f"crop {crop} does not fit images of {height}×{width}; set crop to at most the size images are resized to"
        )
    top = torch.randint(height - crop + 1, (count,), generator=generator)
    left = torch.randint(width - crop + 1, (count,), generator=generator)
    flip = torch.rand(count, generator=generator) < 0.5

    device = images.device
    windows = images.unfold(1, crop, 1).unfold(
        2, crop, 1
    )  # a view: every window at every offset, (B, y, x, 3, crop, crop)
    crops = windows[torch.arange(count, device=device), top.to(device), left.to(device)]
    crops = torch.where(flip.to(device)[:, None, None, None], crops.flip(-1), crops)
    pixels = _normalise_channels_first(crops[:, :3])
    return pixels if crops.shape[1] == 3 else torch.cat([pixels, crops[:, 3:].to(pixels.dtype)], dim=1)


def split_masks(batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A training batch (B, 4, S, S) float → images (B, 3, S, S) and masks (B, S, S) uint8.

    The images keep the batch's memory layout. Raises ParameterError for a batch without the fourth channel.
    """
    import torch

    if batch.ndim != 4 or batch.shape[1] != 4:
        raise ParameterError(
            f"a batch of shape {tuple(batch.shape)} has no mask as a fourth channel; the method that wants one must "
            'have needs_masks = True and training_split = "train-fullsup"'
        )
    last = batch.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return batch[:, :3].contiguous(memory_format=layout), batch[:, 3].to(torch.uint8)
