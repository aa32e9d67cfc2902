"""CAM (Zhou et al., CVPR 2016): the class's weights on the last feature map. No ReLU.

A network of `wsol.models` gives its own maps (ACoL's and SPG's heads have theirs). Of any other classifier that ends in
global average pooling and a linear layer, in either order, the map is Σ_k w_yk A_k.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wsol.attribution.targets import checked_targets, is_single
from wsol.errors import ParameterError


def class_maps(model: torch.nn.Module, images: Tensor, layer: Any = None) -> tuple[Tensor, Tensor]:
    """Maps of every class (B, K, h, w) and logits (B, K), from one forward pass."""
    if not _has_own_maps(model, layer):
        return _linear_maps(model, images, None, layer)
    features = model.features(images)  # type: ignore[operator]
    return model.class_maps(features), model.logits(features)  # type: ignore[operator]


def target_maps(model: torch.nn.Module, images: Tensor, targets: Tensor, layer: Any = None) -> tuple[Tensor, Tensor]:
    """Maps (B, h, w) of one class an image, or (B, T, h, w) of several, and logits (B, K).

    They are those of `class_maps`, without the other classes' cost: a head whose maps cost more for each class,
    because the class changes what the network computes, gives them itself (`head.target_maps(features, targets)`, as
    ACoL's does). Raises ParameterError for what is no class, and for a model without such a head.
    """
    if not _has_own_maps(model, layer):
        return _linear_maps(model, images, targets, layer)
    features = model.features(images)  # type: ignore[operator]
    logits = model.logits(features)  # type: ignore[operator]
    chosen = checked_targets(targets, logits.shape, logits.device)
    return _own_maps(model, features, chosen, is_single(targets)), logits


def feature_maps(model: Any, features: Tensor, targets: Any) -> Tensor:
    """The same maps from activations (B, C, h, w) of the CAM layer; (B, K, h, w) for targets None."""
    if targets is None:
        return model.class_maps(features)
    chosen = checked_targets(targets, (len(features), model.num_classes), features.device)
    return _own_maps(model, features, chosen, is_single(targets))


def attribute(model: torch.nn.Module, images: Tensor, targets: Any, layer: Any = None) -> Tensor:
    """Maps (B, h, w) of the target classes, (B, T, h, w) of several or, for None, all; no ReLU."""
    if targets is None:
        return class_maps(model, images, layer)[0]
    return target_maps(model, images, targets, layer)[0]


def _has_own_maps(model: Any, layer: Any) -> bool:
    own = all(callable(getattr(model, name, None)) for name in ("features", "logits", "class_maps"))
    neck = getattr(getattr(model, "head", None), "neck", None)
    return own and (layer is None or layer == "head.neck" or (neck is not None and layer is neck))


def _own_maps(model: Any, features: Tensor, targets: Tensor, single: bool) -> Tensor:
    own = getattr(getattr(model, "head", None), "target_maps", None)
    if own is not None:
        found = torch.stack([own(features, column) for column in targets.T], 1)
    else:
        rows = torch.arange(len(targets), device=targets.device)[:, None]
        found = model.class_maps(features)[rows, targets]
    return found[:, 0] if single else found


def _linear_maps(model: torch.nn.Module, images: Tensor, targets: Any, layer: Any) -> tuple[Tensor, Tensor]:
    from wsol.attribution.capture import full_precision
    from wsol.attribution.family import at_least_float, linear_pass
    from wsol.attribution.layers import chosen_layers

    layers = chosen_layers(model, layer, images)
    found = linear_pass(model, images, layers)
    if found is None:
        raise ParameterError(
            f"cam: {', '.join(layers)} of {type(model).__name__} is not followed by global average pooling and a "
            "linear classifier alone; use gradcam, or another layer"
        )
    activation, weight, scores = found
    with torch.no_grad(), full_precision(scores):
        values = at_least_float(activation)
        chosen = weight.to(values.dtype)[None]
        if targets is not None:
            chosen = chosen[0][checked_targets(targets, scores.shape, scores.device)]
        maps = torch.matmul(chosen, values.flatten(2)).reshape(len(values), -1, *values.shape[2:])
    return maps[:, 0] if is_single(targets) else maps, scores
