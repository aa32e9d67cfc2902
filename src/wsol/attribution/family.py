"""What the gradient family has in common: forward pass, closed form or partial backward pass, and the weighted sum.

A method is a module with two pure functions. `coefficients(activation, gradient, **options)` gives the weights
(…, C, 1, 1) or (…, C, h, w) of relu(Σ_k w_k A_k); `linear_coefficients(weight, mean, places, **options)` gives them in
closed form where the gradient is that of a linear head (`wsol.attribution.linear_head`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from wsol.attribution.capture import capturing, full_precision, gradients, linear_modules
from wsol.attribution.layers import Layer, chosen_layers
from wsol.attribution.linear_head import head_weight, linear_maps
from wsol.attribution.targets import checked_targets, is_single
from wsol.errors import ParameterError

_heads: WeakKeyDictionary[nn.Module, dict[str, nn.Module | None]] = WeakKeyDictionary()
"""Layer → the linear classifier that reads its pooled maps, or None where that was tried in vain: another forward pass
without a graph would be for nothing. What is found here is checked again in every pass."""


class Pass(NamedTuple):
    """A forward pass that autograd recorded from a layer on."""

    activations: list[Tensor]
    scores: Tensor
    beside_tokens: Sequence[str | None] = ()
    """As `wsol.attribution.capture.Capture` has it."""


def explain(
    method: str,
    model: nn.Module,
    images: Tensor,
    targets: Any,
    layer: Layer | Sequence[Layer] | None,
    options: Mapping[str, Any],
) -> tuple[list[Tensor], Tensor]:
    """Maps of each layer, (B, h, w) for targets (B,) and (B, T, h, w) for (B, T) or None (all), and scores (B, K)."""
    layers = chosen_layers(model, layer, images)
    closed = closed_form(method, model, images, targets, layers, options)
    if closed is not None:
        return [closed[0]], closed[1]
    module = _module(method)

    def reduce(activation: Tensor, gradient: Tensor) -> Tensor:
        return module.coefficients(activation, gradient, **options)

    recorded, maps = recorded_maps(model, images, targets, layers, reduce)
    return maps, recorded.scores


def closed_form(
    method: str,
    model: nn.Module,
    images: Tensor,
    targets: Any,
    layers: Mapping[str, nn.Module],
    options: Mapping[str, Any],
) -> tuple[Tensor, Tensor] | None:
    """Maps and scores from one forward pass without a graph, or None where the head is not linear in the layer."""
    found = linear_pass(model, images, layers)
    if found is None:
        return None
    activation, weight, scores = found
    with torch.no_grad(), torch.inference_mode(False), full_precision(scores):
        return _from_linear(method, activation, weight, scores, targets, options), scores


def linear_pass(
    model: nn.Module, images: Tensor, layers: Mapping[str, nn.Module]
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Activations (B, C, h, w), head weights (K, C) and scores (B, K) from a forward pass, or None as above."""
    name = next(iter(layers))
    known = _heads.setdefault(model, {})
    if len(layers) > 1 or (name in known and known[name] is None):
        return None
    head = known.get(name)
    with capturing(model, layers, graph=False, images=images, heads=_tried(model, head)) as capture:
        pixels = usable(images)
        scores = capture.forward(lambda: model(pixels))
        (activation,) = capture.activations
        with full_precision(scores):
            weight = head_weight(activation, capture.last_linear, scores)
    if weight is not None and capture.last_linear and (head or _is_read(model, layers, pixels[:1], weight)):
        known[name] = capture.last_linear.module
        return activation, weight, scores
    if head is None:
        known[name] = None
        return None
    # The classifier was replaced since.
    del known[name]
    return linear_pass(model, images, layers)


def _is_read(model: nn.Module, layers: Mapping[str, nn.Module], image: Tensor, weight: Tensor) -> bool:
    """The best class's gradient at the layer is that of a linear head W (K, C), on one image (1, 3, H, W).

    Equal values alone do not show it: a block that adds next to nothing to what passes it by, as blocks with a small
    factor do before they are trained, gives within rounding what the head reads, and the scores hardly depend on it.
    """
    with capturing(model, layers, graph=True, images=image) as capture:
        scores = capture.forward(lambda: model(image.clone()))
        if not scores.requires_grad:
            return True  # the model turns gradients off, so values are all there is to go by
        best = scores.argmax(1, keepdim=True)
        ((gradient,),) = gradients(scores, capture.activations, best)
    with torch.no_grad():
        expected = weight[best[0]].to(gradient.dtype)[0, :, None, None] / gradient.shape[-2:].numel()
        # Far from it or equal: half precision rounds by less.
        return bool((gradient[0, 0] - expected).abs().max() <= 0.1 * expected.abs().max())


def _tried(model: nn.Module, head: nn.Module | None) -> list[nn.Module]:
    return linear_modules(model) if head is None else [head]


def recorded_maps(
    model: nn.Module,
    images: Tensor,
    targets: Any,
    layers: Mapping[str, nn.Module],
    reduce: Callable[[Tensor, Tensor], Tensor],
) -> tuple[Pass, list[Tensor]]:
    """relu(Σ_k w_k A_k) of each layer, w = reduce(A, ∂ score / ∂A), by a backward pass that ends at the layer."""
    with capturing(model, layers, graph=True, images=images) as capture:
        pixels = usable(images)
        scores = capture.forward(lambda: model(pixels))
        recorded = Pass(capture.activations, scores, capture.beside_tokens)
        return Pass(recorded.activations, scores.detach()), reduced_maps(recorded, targets, reduce)


def reduced_maps(recorded: Pass, targets: Any, reduce: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
    """relu(Σ_k reduce(A, G)_k A_k) of each activation of the pass, for the targets."""
    chosen = checked_targets(targets, recorded.scores.shape, recorded.scores.device)
    parts: list[list[Tensor]] = [[] for _ in recorded.activations]
    for found in class_gradients(recorded, chosen):
        with torch.no_grad(), full_precision(recorded.scores):
            for part, activation, gradient in zip(parts, recorded.activations, found, strict=True):
                values = at_least_float(activation.detach())
                part.append(combine(values, reduce(values, gradient)))
    whole = [torch.cat(part).transpose(0, 1) for part in parts]
    return [part[:, 0] for part in whole] if is_single(targets) else whole


def class_gradients(recorded: Pass, targets: Tensor) -> Any:
    """∂ score_t / ∂A of each layer (t, B, C, h, w), at least float32, for chunks of targets (B, T) in order."""
    if not recorded.scores.requires_grad:
        raise ParameterError(
            "no gradient reaches the layer: the scores do not depend on it, or the model turns gradients off behind "
            "it; name another layer"
        )
    for found in gradients(recorded.scores, recorded.activations, targets):
        for name, gradient in zip(recorded.beside_tokens, found, strict=False):
            if name is not None and not gradient.any():
                raise ParameterError(
                    f"the scores read only tokens of layer {name!r} that belong to no place, such as a class token: "
                    "name a layer before the last attention, such as the normalisation that it reads"
                )
        yield [at_least_float(gradient) for gradient in found]


def combine(activation: Tensor, coefficients: Tensor) -> Tensor:
    """relu(Σ_k w_k A_k) (t, B, h, w) from A (B, C, h, w) and w (t, B, C, 1, 1) or (t, B, C, h, w)."""
    if coefficients.shape[-2:] == (1, 1):
        return torch.einsum("tbc,bchw->tbhw", coefficients[..., 0, 0], activation).relu_()
    return torch.einsum("tbchw,bchw->tbhw", coefficients, activation).relu_()


def features_maps(method: str, model: Any, features: Tensor, targets: Any, options: Mapping[str, Any]) -> Tensor:
    """What `wsol.attribution.linear_head.maps_from_features` promises."""
    if method == "cam":
        from wsol.attribution.cam import feature_maps

        return feature_maps(model, features, targets)
    if method not in FAMILY:
        raise ParameterError(f"maps from features: method {method!r} is not one of cam, {', '.join(FAMILY)}")
    module = _module(method)
    heads = linear_modules(getattr(model, "head", model))
    with capturing(model, {}, graph=False, images=features, heads=heads) as capture:
        leaf = usable(features)
        scores = capture.forward(lambda: model.logits(leaf))
        with full_precision(scores):
            weight = head_weight(leaf, capture.last_linear, scores)
            if weight is not None:
                closed = getattr(module, "closed_options", dict)(options)
                return _from_linear(method, leaf, weight, scores, targets, closed)
        if not hasattr(module, "coefficients"):
            raise ParameterError(
                f"{method} from features alone: the head is not global average pooling and a linear layer, so its "
                "gradients depend on noisy copies of the image; ask attribute() instead"
            )
        with torch.enable_grad():
            leaf = leaf.detach().clone().requires_grad_()
            # A copy behind the leaf: the head may begin with an in-place ReLU.
            recorded = Pass([leaf], model.logits(leaf.clone()))
        return reduced_maps(recorded, targets, lambda a, g: module.coefficients(a, g, **options))[0]


FAMILY = ("gradcam", "gradcam_pp", "smooth_gradcam_pp", "xgradcam", "layercam")


def usable(images: Tensor) -> Tensor:
    """A tensor that autograd may save, without a graph of its own."""
    return images.detach().clone() if images.is_inference() else images.detach()


def at_least_float(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _from_linear(
    method: str, activation: Tensor, weight: Tensor, scores: Tensor, targets: Any, options: Mapping[str, Any]
) -> Tensor:
    chosen = checked_targets(targets, scores.shape, scores.device)
    found = linear_maps(_module(method), activation, weight, None if targets is None else chosen, **options)
    return found[:, 0] if is_single(targets) else found


def _module(method: str) -> Any:
    return import_module(f"wsol.attribution.{method}")
