"""Smooth Grad-CAM++ (Omeiza et al., 2019): Grad-CAM++ with derivatives averaged over noisy copies of the image.

α = D2 / (2 D2 + (Σ_ab A) D3) and w_k = Σ_ij α · relu(D1), where Dp is the mean over the copies of (∂ score_y / ∂A)^p
and A is that of the clean image.

The paper prints D1 as the numerator of α. With no noise that would not be Grad-CAM++, which it smooths; the second
derivative is what every released implementation takes, and the default. `numerator="first"` is what is printed.

`variant="torch-cam"` is what torch-cam does: Σ_ab A · D3 in the denominator instead of (Σ_ab A) · D3, an ε of 1e-8
there, relu(G) of the last copy, and in the sum the activations of that copy. `variant="f-cam"` is what F-CAM's code
does: the same without ε, and a channel that has 0 / 0 somewhere counts as nothing. Where gradients are small, as
behind a pooling of many places, ε outweighs them, and the two differ widely.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wsol.attribution import family, gradcam_pp
from wsol.attribution.capture import capturing, full_precision
from wsol.attribution.gradients import with_noise
from wsol.attribution.layers import chosen_layers
from wsol.attribution.targets import checked_targets, is_single
from wsol.attribution.verbs import verbs
from wsol.errors import ParameterError

VARIANTS = ("paper", "torch-cam", "f-cam")
NUMERATORS = ("second", "first")
SAMPLES, SIGMA = 4, 0.3
"""Copies, and σ of the noise on normalised images: F-CAM's, and torch-cam's defaults."""
EPS = {"torch-cam": 1e-8, "f-cam": 0.0}
MEMORY = 2**26
"""Largest number of gradient values (classes × activations) that are held at a time."""


def smooth_coefficients(
    activation: Tensor, first: Tensor, second: Tensor, third: Tensor, numerator: str = "second"
) -> Tensor:
    """w (…, C, 1, 1) from clean A (…, C, h, w) and the means of G, G² and G³ over the copies; α is 0 for 0 / 0."""
    total = activation.sum((-2, -1), keepdim=True)
    denominator = 2 * second + total * third
    above = second if numerator == "second" else first
    alpha = torch.where(denominator == 0, 0.0, above / torch.where(denominator == 0, 1.0, denominator))
    return (alpha * first.relu()).sum((-2, -1), keepdim=True)


def torchcam_coefficients(activation: Tensor, last: Tensor, second: Tensor, third: Tensor, eps: float) -> Tensor:
    """w (…, C, 1, 1) as torch-cam computes it, 0 where 0 / 0 is among its terms; `last` is G of the last copy."""
    mixed = (third * activation).sum((-2, -1), keepdim=True)
    weights = (second / (2 * second + mixed + eps) * last.relu()).sum((-2, -1), keepdim=True)
    return torch.where(weights.isnan(), 0.0, weights)


def linear_coefficients(weight: Tensor, mean: Tensor, places: int, numerator: str = "second") -> Tensor:
    """Where ∂ score_y / ∂A_k = w_yk / n whatever the image: relu(w) / (2 + w · mean), Grad-CAM++ without noise.

    For numerator first 1[w > 0] · n / (2 + w · mean).
    """
    if numerator == "second":
        return gradcam_pp.linear_coefficients(weight, mean, places)
    denominator = 2 + weight * mean
    safe = torch.where(denominator == 0, 1.0, denominator)
    return torch.where((weight > 0) & (denominator != 0), places / safe, 0.0)


def closed_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of the options those that the closed form depends on. Raises ParameterError."""
    _check(**options)
    if options.get("variant", "paper") != "paper":
        raise ParameterError(
            f"smooth_gradcam_pp: variant {options['variant']} shows the activations of a noisy copy: give images"
        )
    return {"numerator": options.get("numerator", "second")}


def _check(
    samples: int = SAMPLES, sigma: float = SIGMA, seed: int = 0, numerator: str = "second", variant: str = "paper"
) -> None:
    if samples < 1 or sigma < 0:
        raise ParameterError(f"samples {samples} must be at least 1 and sigma {sigma} not negative; F-CAM's 4, 0.3")
    if variant not in VARIANTS or numerator not in NUMERATORS:
        raise ParameterError(
            f"smooth_gradcam_pp: variant {variant!r}, numerator {numerator!r}; choose of {', '.join(VARIANTS)} "
            f"and of {', '.join(NUMERATORS)}"
        )


def explain(
    model: Any,
    images: Tensor,
    targets: Any,
    layer: Any = None,
    *,
    samples: int = SAMPLES,
    sigma: float = SIGMA,
    seed: int = 0,
    numerator: str = "second",
    variant: str = "paper",
) -> tuple[list[Tensor], Tensor]:
    """Maps of each layer, (B, h, w) or (B, T, h, w), and the scores (B, K) of the clean images. ParameterError."""
    _check(samples, sigma, seed, numerator, variant)
    layers = chosen_layers(model, layer, images)
    if variant == "paper":
        closed = family.closed_form("smooth_gradcam_pp", model, images, targets, layers, {"numerator": numerator})
        if closed is not None:
            return [closed[0]], closed[1]
    with capturing(model, layers, graph=False, images=images) as capture:
        pixels = family.usable(images)
        scores = capture.forward(lambda: model(pixels))
        clean = [family.at_least_float(activation) for activation in capture.activations]
    chosen = checked_targets(targets, scores.shape, scores.device)
    at_once = max(1, MEMORY // sum(activation.numel() for activation in clean))
    if chosen.shape[1] > at_once:
        # Gradients of every class at a time are too many: again with the same noise for the next ones.
        given = {"samples": samples, "sigma": sigma, "seed": seed, "numerator": numerator, "variant": variant}
        parts = [explain(model, images, some, layer, **given)[0] for some in chosen.split(at_once, 1)]  # type: ignore[arg-type]
        return [torch.cat(part, 1) for part in zip(*parts, strict=True)], scores
    powers: list[list[Tensor]] = []
    shown = clean
    for copy in with_noise(pixels, samples, sigma, seed):
        with capturing(model, layers, graph=True, images=images) as capture:
            noisy_scores = capture.forward(lambda pixels=copy: model(pixels))  # type: ignore[misc]
            recorded = family.Pass(capture.activations, noisy_scores, capture.beside_tokens)
            # The classes of one copy are held together, for their powers are averaged over the copies.
            per_layer = [torch.cat(part) for part in zip(*family.class_gradients(recorded, chosen), strict=True)]
        if not powers:
            powers = [[torch.zeros_like(g) for _ in range(3)] for g in per_layer]
        for sums, gradient in zip(powers, per_layer, strict=True):
            for power, total in enumerate(sums, 1):
                total += gradient**power / samples
        if variant in EPS:
            shown = [family.at_least_float(activation.detach()) for activation in recorded.activations]
    maps = []
    with torch.no_grad(), full_precision(scores):
        for activation, seen, (first, second, third), last in zip(clean, shown, powers, per_layer, strict=True):
            if variant in EPS:
                weights = torchcam_coefficients(activation, last, second, third, EPS[variant])
            else:
                weights = smooth_coefficients(activation, first, second, third, numerator)
            found = family.combine(seen, weights).transpose(0, 1)
            maps.append(found[:, 0] if is_single(targets) else found)
    return maps, scores


target_maps, class_maps, attribute = verbs(explain)
