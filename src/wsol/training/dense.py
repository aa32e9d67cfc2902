"""Training images with what a fully supervised method learns from: the mask of the objects as a fourth channel."""

from __future__ import annotations

from typing import Any

import numpy as np

from wsol.data.images import ImageSet
from wsol.data.manifest import Manifest
from wsol.data.masks import BACKGROUND, OBJECT
from wsol.errors import DataError
from wsol.scoring import GroundTruth


class MaskedImageSet(ImageSet):
    """An `ImageSet` whose batches are (n, size, size, 4) uint8: red, green, blue and `object_mask`.

    Raises DataError for a manifest with an image that has neither mask nor box, as all of train-weaksup.
    """

    channels = 4

    def __init__(self, manifest: Manifest, size: int, **options: Any) -> None:
        bare = np.flatnonzero(manifest.instances_per_image() == 0)
        if bare.size:
            raise DataError(
                f"{manifest.dataset} {manifest.split}: image {manifest.image_ids[bare[0]]!r} has neither mask nor box "
                f"to learn from ({bare.size} of {len(manifest)}); a method with needs_masks = True must have "
                'training_split = "train-fullsup"'
            )
        super().__init__(manifest, size, **options)
        # The cached pixels hold the masks already.
        self.truth = GroundTruth(manifest, keep_masks=False)

    def _load(self, index: int) -> np.ndarray:
        return np.dstack([super()._load(index), object_mask(self.truth, index, self.size)])


def object_mask(truth: GroundTruth, index: int, size: int) -> np.ndarray:
    """(size, size) uint8 of one image: 1 object, 0 background, 255 ignored, in the frame that is scored at this size.

    A data set of masks gives the mask of PxAP. One of boxes gives the union of its boxes, filled; their corners, moved
    to the frame as the box metrics move them, both lie inside (IoU counts pixels the same way), and nothing is ignored.
    """
    masks = truth.masks(index, index + 1, size)
    if masks is not None:
        return masks[0]
    filled = np.full((size, size), BACKGROUND, dtype=np.uint8)
    for x0, y0, x1, y1 in (truth.boxes(index, index + 1, size) or [np.zeros((0, 4))])[0].astype(int):
        filled[y0 : y1 + 1, x0 : x1 + 1] = OBJECT
    return filled
