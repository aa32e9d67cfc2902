"""Why adding up CAM's maps of all classes (CAM + 𝒴) need not show the object, measured on a trained cell.

    python studies/superset_of_all_classes.py demo synthbirds resnet50

1. The gradient of softmax cross-entropy adds up to zero over the classes (Σ_k (p_k - y_k) = 0), and so does that of a
   linear classifier's weights: training leaves Σ_k w_k as it started, but for weight decay. Whatever the classes share
   has no part in the sum of their maps.
2. Each map is brought to [0, 1] before it is added. Those of other classes than the label are often darker on the
   object than beside it.

Needs a checkpoint of CAM and the test images; the first weights of the classifier are drawn again from the seed.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, one_hot

from wsol.attribution.cam import class_maps
from wsol.config.paths import Cell, checkpoint_path, manifest_path
from wsol.config.resolve import train_settings
from wsol.data.images import ImageSet
from wsol.data.manifest import Manifest, read_manifest
from wsol.data.transforms import eval_batch
from wsol.methods import load
from wsol.models import load_model
from wsol.training.seeds import stream_seed

WEIGHT = "head.classifier.weight"


def main() -> int:
    arguments = parser().parse_args()
    cell = Cell(arguments.scale, arguments.dataset, arguments.backbone, "cam", arguments.seed)
    found = weights_sum(cell) | brightness(cell)
    print(json.dumps({name: round(value, 4) for name, value in found.items()}, indent=2))
    return 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("scale")
    result.add_argument("dataset")
    result.add_argument("backbone")
    result.add_argument("--seed", type=int, default=0)
    return result


def weights_sum(cell: Cell) -> dict[str, float]:
    """Σ_k w_k after training beside that before: cosine and ratio of lengths; and the mean cosine of single classes."""
    settings = train_settings(cell.scale, cell.dataset, cell.backbone, cell.method)
    hyper = settings["hyperparameters"]
    method = load(settings["code"]).Method(hyper["options"], hyper["label_smoothing"])
    after = dict(load_model(checkpoint_path(cell), "cpu").named_parameters())[WEIGHT].detach().flatten(1)
    # The trunk's weights are read after the head's are drawn, so leaving them out does not change the head.
    architecture = {**settings["architecture"], "pretrained": None}
    torch.manual_seed(stream_seed(cell.seed, "initialisation"))
    fresh = method.build(cell.backbone, len(after), architecture)
    before = dict(fresh.named_parameters())[WEIGHT].detach().flatten(1)
    return {
        "cosine of the weights' sum, before and after": float(cosine_similarity(before.sum(0), after.sum(0), dim=0)),
        "length of the sum, after / before": float(after.sum(0).norm() / before.sum(0).norm()),
        "cosine of one class's weights, mean": float(cosine_similarity(before, after, dim=1).mean()),
    }


def brightness(cell: Cell) -> dict[str, float]:
    """Contrast of maps in [0, 1], the mean within the boxes less that beside them, and how often it is positive.

    Of the label's map, of those of other classes, and of the sum of all.
    """
    manifest = read_manifest(manifest_path(cell.scale, cell.dataset, "test"))
    settings = train_settings(cell.scale, cell.dataset, cell.backbone, cell.method)
    images = ImageSet(manifest, settings["image_size"], threads=1, verify=True)
    model = load_model(checkpoint_path(cell), "cpu").eval()
    parts = []
    with torch.no_grad():
        for some in np.array_split(np.arange(len(manifest)), max(1, len(manifest) // 50)):
            parts.append(class_maps(model, eval_batch(torch.from_numpy(images.batch(some))))[0])
    maps = torch.cat(parts)
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    unit = (maps - low) / (high - low)
    inside = torch.stack([box_cells(manifest, index, unit.shape[2:]) for index in range(len(manifest))])[:, None]
    kept = inside.any((1, 2, 3)) & ~inside.all((1, 2, 3))
    unit, inside = unit[kept], inside[kept]
    contrast = mean_within(unit, inside) - mean_within(unit, ~inside)
    own = one_hot(torch.from_numpy(manifest.labels).long()[kept], maps.shape[1]).bool()
    summed = unit.sum(1, keepdim=True)
    of_sum = mean_within(summed, inside) - mean_within(summed, ~inside)
    found = {"label": contrast[own], "other classes": contrast[~own], "sum of all": of_sum}
    return {
        f"{what}, {name}": float(values.mean())
        for name, contrasts in found.items()
        for what, values in (("brighter on the object", (contrasts > 0).float()), ("contrast", contrasts))
    }


def box_cells(manifest: Manifest, index: int, shape: torch.Size) -> Tensor:
    """(h, w) bool: the cells of a map that a box of the image touches."""
    height, width = shape
    inside = torch.zeros(height, width, dtype=torch.bool)
    per_pixel = np.array([width, height, width, height]) / np.tile([manifest.widths[index], manifest.heights[index]], 2)
    for x0, y0, x1, y1 in np.asarray(manifest.boxes[index]) * per_pixel:
        inside[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    return inside


def mean_within(maps: Tensor, cells: Tensor) -> Tensor:
    """(B, K) means of maps (B, K, h, w) over cells (B, 1, h, w) bool."""
    return (maps * cells).sum((2, 3)) / cells.sum((2, 3))


if __name__ == "__main__":
    raise SystemExit(main())
