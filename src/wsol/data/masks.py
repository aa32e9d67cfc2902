"""Pixel ground truth: instance masks, ignore regions and part maps of a manifest's images.

A reference is a member of the manifest's source. `<member>#<v>` means the pixels of that member equal to v, so that one
indexed PNG can hold an object and an ignore region (the trimaps of Oxford-IIIT Pet).
"""

from __future__ import annotations

import numpy as np

from wsol.data.images import ImageSource, decode_mask
from wsol.data.manifest import Manifest
from wsol.errors import DataError

OBJECT, BACKGROUND, IGNORED = 1, 0, 255


def read_binary_mask(source: ImageSource, reference: str) -> np.ndarray:
    """(H, W) uint8 in {0, 1}: pixels of the member that are not 0, or that equal v in `<member>#<v>`."""
    member, _, value = reference.partition("#")
    pixels = decode_mask(source.read(member), f"{source.path}:{member}")
    if not value:
        return (pixels > 0).astype(np.uint8)
    if not value.isdigit():
        raise DataError(f"{source.path}: mask reference {reference!r}: what follows '#' must be a pixel value 0..255")
    return (pixels == int(value)).astype(np.uint8)


def load_masks(
    manifest: Manifest, index: int, source: ImageSource | None = None
) -> tuple[list[np.ndarray], np.ndarray | None]:
    """The instance masks of one image, (H, W) uint8 in {0, 1} each, and its ignore mask or None where it has none.

    Sizes are those of the stored masks, which for OpenImages differ from the image's. Pass a `source` to reuse one
    open archive for many images.
    """
    opened = source or ImageSource(manifest.source, manifest.dataset)
    instances = [read_binary_mask(opened, reference) for reference in manifest.masks[index]]
    ignore = manifest.ignore[index]
    return instances, None if ignore is None else read_binary_mask(opened, ignore)


def load_parts(manifest: Manifest, index: int, source: ImageSource | None = None) -> np.ndarray | None:
    """(H, W) uint8 part map of one image (0 none, k part k), or None where it has none."""
    member = manifest.parts[index]
    if member is None:
        return None
    opened = source or ImageSource(manifest.source, manifest.dataset)
    return decode_mask(opened.read(member), f"{opened.path}:{member}")


def evaluation_mask(manifest: Manifest, index: int, size: int, source: ImageSource | None = None) -> np.ndarray:
    """(size, size) uint8 for PxAP: 1 object, 0 background, 255 ignored.

    Each mask is resized by nearest neighbour, the instances are joined, and the ignore region is what remains of the
    ignore mask outside them (Choe et al. 2020, evaluation code). An image without an ignore mask has no ignored pixel.
    """
    import cv2

    instances, ignore = load_masks(manifest, index, source)
    if not instances:
        raise DataError(
            f"{manifest.dataset} {manifest.split}: image {manifest.image_ids[index]!r} has no mask; "
            "score this split by its boxes, or add masks to its manifest"
        )
    joined = np.full((size, size), BACKGROUND, dtype=np.uint8)
    for instance in instances:
        joined[cv2.resize(instance, (size, size), interpolation=cv2.INTER_NEAREST) > 0] = OBJECT
    if ignore is not None:
        left_out = cv2.resize(ignore, (size, size), interpolation=cv2.INTER_NEAREST) > 0
        joined[left_out & (joined != OBJECT)] = IGNORED
    return joined
