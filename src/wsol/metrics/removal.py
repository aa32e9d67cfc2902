"""Remove-and-classify (CALM, ICCV 2021, main paper): does the network fail when the pixels a map points at are removed?

For a share k, the int(k·H·W) highest pixels of each image's map are set to 0, the mean colour of the normalised input;
the baseline removes as many pixels at random. R_k = #correct(highest) / #correct(random), and 1 by definition where
nothing or everything is removed. Lower is better: the map found what the network needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsol.errors import DataError, ParameterError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Counts:
    """Of `n_images`, how many are classified correctly.

    top[i] and random[i]: without shares[i] of the pixels; intact: with all of them; blank: with none.
    """

    shares: tuple[float, ...]
    top: tuple[int, ...]
    random: tuple[int, ...]
    intact: int
    blank: int
    n_images: int

    def __add__(self, other: Counts) -> Counts:
        """The counts of both sets of images. Raises ParameterError where the shares differ."""
        if other.shares != self.shares:
            raise ParameterError(f"counts at shares {self.shares} and {other.shares} cannot be added; use one list")
        return Counts(
            self.shares,
            tuple(a + b for a, b in zip(self.top, other.top, strict=True)),
            tuple(a + b for a, b in zip(self.random, other.random, strict=True)),
            self.intact + other.intact,
            self.blank + other.blank,
            self.n_images + other.n_images,
        )


def ratio(correct_top: int, correct_random: int) -> float | None:
    """R_k; None where the baseline has no image right, since nothing can be said about 0/0, nor about 3/0."""
    return correct_top / correct_random if correct_random else None


def image_keys(image_ids: Sequence[str], seed: int) -> list[int]:
    """A signed 64-bit key of each image, from its id and the seed: its random pixels depend on nothing else."""
    digests = (hashlib.sha256(f"{seed}:{image_id}".encode()).digest() for image_id in image_ids)
    return [int.from_bytes(digest[:8], "little", signed=True) for digest in digests]


def random_order(keys: Tensor, pixels: int) -> Tensor:
    """A random order (B, pixels) of each image's pixel indices, from its int64 key (B,) alone.

    Pixels are sorted by a hash of key and index (SplitMix64), in integers: the same on every device and however images
    are batched, and drawn for all images at once.
    """
    import torch

    index = torch.arange(1, pixels + 1, dtype=torch.int64, device=keys.device)
    mixed = keys[:, None] + index * _signed(0x9E3779B97F4A7C15)
    mixed = (mixed ^ _shifted(mixed, 30)) * _signed(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ _shifted(mixed, 27)) * _signed(0x94D049BB133111EB)
    mixed = mixed ^ _shifted(mixed, 31)
    return mixed.argsort(dim=1, stable=True)


def removal_order(scores: Tensor, at_random: Tensor) -> Tensor:
    """The order (B, P) in which pixels of scores (B, P) are removed, highest first.

    Equal scores go in the random order (B, P), so a constant map removes what the baseline removes and has R_k = 1; an
    order by position would favour the corner where it begins. A map with a value that is not finite counts as constant.
    """
    import torch

    usable = torch.isfinite(scores).all(dim=1, keepdim=True)
    shuffled = torch.where(usable, scores, torch.zeros_like(scores)).gather(1, at_random)
    return at_random.gather(1, shuffled.argsort(dim=1, descending=True, stable=True))


def remove(images: Tensor, order: Tensor, count: int) -> Tensor:
    """A copy of normalised images (B, C, H, W) with the first `count` pixels of the order (B, H·W) set to 0."""
    import torch

    kept = torch.ones(order.shape, dtype=images.dtype, device=images.device)
    kept.scatter_(1, order[:, :count], 0.0)
    return images * kept.view(len(images), 1, *images.shape[2:])


def upsample(maps: Tensor, height: int, width: int) -> Tensor:
    """Maps (B, h, w) bilinearly at (B, height, width), half-pixel centres."""
    from torch.nn.functional import interpolate

    return interpolate(maps[:, None], size=(height, width), mode="bilinear", align_corners=False)[:, 0]


def count_correct(
    classify: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    maps: Tensor,
    keys: Tensor,
    shares: Sequence[float],
) -> Counts:
    """The counts of one batch.

    classify: images (B, 3, H, W) → scores of the classes (B, K), of which the highest is the prediction; images
    normalised; labels (B,) int64; maps (B, h, w) at any resolution; keys (B,) int64 of `image_keys`; all on one device.
    Costs 2·len(shares) + 2 passes through the network.

    Raises ParameterError for a share outside (0, 1), DataError where the lengths differ.
    """
    import torch

    if not shares or not all(0 < share < 1 for share in shares):
        raise ParameterError(f"shares {list(shares)}: give shares of the pixels between 0 and 1, both excluded")
    if not len(images) == len(labels) == len(maps) == len(keys):
        raise DataError(f"{len(images)} images, {len(labels)} labels, {len(maps)} maps, {len(keys)} keys; give as many")
    height, width = images.shape[2:]
    pixels = height * width
    at_random = random_order(keys, pixels)
    by_score = removal_order(upsample(maps, height, width).flatten(1), at_random)

    def correct(batch: Tensor) -> int:
        return int((classify(batch).argmax(dim=1) == labels).sum())

    with torch.no_grad():
        removed = [int(share * pixels) for share in shares]
        return Counts(
            shares=tuple(float(share) for share in shares),
            top=tuple(correct(remove(images, by_score, count)) for count in removed),
            random=tuple(correct(remove(images, at_random, count)) for count in removed),
            intact=correct(images),
            blank=correct(torch.zeros_like(images)),
            n_images=len(images),
        )


def _signed(value: int) -> int:
    """The int64 with the bits of an unsigned 64-bit number; torch's int64 products wrap as unsigned ones do."""
    return value - 2**64 if value >= 2**63 else value


def _shifted(value: Tensor, bits: int) -> Tensor:
    """Logical shift to the right; that of int64 would drag the sign along."""
    return (value >> bits) & (2 ** (64 - bits) - 1)
