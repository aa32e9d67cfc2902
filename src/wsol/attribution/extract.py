"""Maps and predictions of a whole split, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wsol.attribution import load
from wsol.data.transforms import eval_batch
from wsol.errors import DataError, ParameterError

TOP = 5


def extract_maps(
    model: Any,
    images: Any,
    labels: np.ndarray,
    *,
    attribution: str,
    options: dict[str, Any],
    supersets: list[list[int]] | None,
    device: Any,
    batch_size: int = 64,
    progress: Callable[[float], None] = lambda fraction: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Ground-truth-class maps (N, h, w) float32 at native resolution, and the five most likely classes (N, 5) int32.

    attribution: `<base>` or `<base>+<aggregation>`; an aggregation takes the maps of every class and, for each class,
    the indices of its superset. Maps of a base whose module says `ONE_SCALE = True` are added as they are, others after
    each was brought to [0, 1]. Fewer than five classes pad the predictions with -1. Ties go to the lower class index.
    """
    import torch

    from wsol.models.of_label import of_label

    base, _, aggregation = attribution.partition("+")
    module = load(base)
    combine = load(aggregation).aggregate if aggregation else None
    model.eval()
    maps: np.ndarray | None = None
    predictions = []
    members = _membership(supersets, aggregation)
    # Not inference mode: an attribution that needs gradients turns them on for itself.
    with torch.no_grad():
        for start in range(0, len(labels), batch_size):
            chosen = np.arange(start, min(start + batch_size, len(labels)))
            pixels = eval_batch(torch.from_numpy(images.batch(chosen)).to(device))
            classes = torch.from_numpy(labels[chosen]).to(device)
            if combine is None and hasattr(module, "target_maps"):
                own, logits = module.target_maps(model, pixels, classes, **options)
            else:
                every, logits = module.class_maps(model, pixels, **options)
                if combine is not None:
                    _check_classes(members, every.shape[1])
                    own = combine(every, members.to(device)[classes], normalise=not getattr(module, "ONE_SCALE", False))
                else:
                    own = of_label(every, classes)
            if maps is None:  # filled in place: maps at full resolution are not held twice
                maps = np.empty((len(labels), *own.shape[1:]), dtype=np.float32)
            maps[chosen] = own.float().cpu().numpy()
            predictions.append(_top_classes(logits))
            progress((start + len(chosen)) / len(labels))
    assert maps is not None, "a split has images"
    return maps, np.concatenate(predictions)


def _top_classes(logits: Any) -> np.ndarray:
    order = logits.float().argsort(dim=1, descending=True, stable=True)[:, :TOP].cpu().numpy().astype(np.int32)
    return np.pad(order, ((0, 0), (0, TOP - order.shape[1])), constant_values=-1)


def _membership(supersets: list[list[int]] | None, aggregation: str) -> Any:
    import torch

    if not aggregation:
        return None
    if supersets is None:
        raise ParameterError(f"aggregation {aggregation!r} needs the supersets of the data set")
    members = torch.zeros(len(supersets), len(supersets), dtype=torch.bool)
    for index, superset in enumerate(supersets):
        if index not in superset:
            raise DataError(f"class {index} is not in its own superset {superset}; make supersets.json again")
        for member in superset:
            if not 0 <= member < len(supersets):
                raise DataError(
                    f"the superset of class {index} names class {member}, but there are {len(supersets)} classes; "
                    "make supersets.json again"
                )
        members[index, superset] = True
    return members


def _check_classes(members: Any, num_classes: int) -> None:
    if len(members) != num_classes:
        raise DataError(
            f"supersets of {len(members)} classes, the network has {num_classes}; make supersets.json and the "
            "checkpoint from the same classes.json"
        )
