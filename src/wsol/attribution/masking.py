"""What Score-CAM and its kin have in common: the class's score of images that a channel's activation masks.

One run a channel keeps the scores of every class, so all classes cost what one costs. A channel that is constant over
the image has an empty mask, and all such channels share one forward pass of the empty image. Masks are made on the
device, a chunk at a time. On a CPU a copy of the network made for the purpose runs them, a chunk a thread
(`wsol.inference`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from wsol.attribution.capture import capturing, full_precision, passing, scores_of
from wsol.attribution.family import at_least_float, usable
from wsol.attribution.layers import chosen_layers
from wsol.attribution.targets import checked_targets, is_single
from wsol.errors import ParameterError
from wsol.inference import for_many_passes, side_by_side


@dataclass(frozen=True)
class Recipe:
    """How masks become a map; a variant of a method is one of these."""

    order: str = "resize-normalise"
    """Bilinear resize to the image, then min-max; or "normalise-resize"."""
    align_corners: bool = False
    eps: float = 0.0
    """Added to max - min."""
    score: str = "logit"
    """Or "probability", softmax over the classes."""
    weights: str = "channels"
    """Softmax of the scores over the channels, which no baseline changes; or "raw", the scores above the baseline."""
    baseline: str = "none"
    """What is taken off raw scores: nothing, that of the "zero" image, or of the whole "image"."""
    combine: str = "raw"
    """Activations in the sum: as they are; "normalised"; or "upsampled", for maps at the image's size."""
    constant: str = "empty"
    """A constant channel has an empty mask; or "skip", it takes no part."""


CHOICES = {
    "order": ("resize-normalise", "normalise-resize"),
    "align_corners": (True, False),
    "score": ("logit", "probability"),
    "weights": ("channels", "raw"),
    "baseline": ("none", "zero", "image"),
    "combine": ("raw", "normalised", "upsampled"),
    "constant": ("empty", "skip"),
}


class Copies(Protocol):
    """What is done with a channel's mask before it meets the image."""

    @property
    def steps(self) -> int:
        """Forward passes a channel."""

    @property
    def noisy(self) -> bool:
        """An empty mask gives something else than the empty image."""

    def spread(self, masks: Tensor, stream: torch.Generator | None) -> Tensor:
        """Masks (m, H, W) → (m, steps, H, W), or (m, steps, 3, H, W) where colours are masked differently."""

    def gather(self, scores: Tensor, empty: Callable[[], Tensor]) -> Tensor:
        """Scores (m, steps, K), and those (K,) of the empty image on demand → (m, K)."""

    def streams(self, images: Tensor) -> list[torch.Generator | None]:
        """One source of noise an image."""


def chosen_recipe(method: str, variants: Mapping[str, Recipe], variant: str, changes: Mapping[str, Any]) -> Recipe:
    """The variant's recipe with single entries changed. Raises ParameterError."""
    if variant not in variants:
        raise ParameterError(f"{method}: variant {variant!r} is not known; choose one of {', '.join(variants)}")
    for name, value in changes.items():
        if name not in CHOICES:
            raise ParameterError(f"{method}: option {name!r} is not known; there are {', '.join(CHOICES)}")
        if value not in CHOICES[name]:
            raise ParameterError(f"{method}: {name} {value!r} is not one of {', '.join(map(str, CHOICES[name]))}")
    return replace(variants[variant], **changes)


def explain(
    model: nn.Module, images: Tensor, targets: Any, layer: Any, recipe: Recipe, copies: Copies, chunk: int | None
) -> tuple[list[Tensor], Tensor]:
    """Maps of each layer, (B, h, w) for targets (B,) and (B, T, h, w) for (B, T) or None (all), and scores (B, K).

    chunk: masked images a forward pass; None for 256 on a GPU, and for `at_once` of them on a CPU. There each of
    torch's threads runs such a pass where the network has a copy that they may share.
    """
    if chunk is not None and chunk < 1:
        raise ParameterError(f"chunk {chunk} is not a positive number of images")
    layers = chosen_layers(model, layer, images)
    with capturing(model, layers, graph=False, images=images) as capture:
        pixels = usable(images)
        scores = capture.forward(lambda: model(pixels))
        activations = [at_least_float(activation) for activation in capture.activations]
    chosen = checked_targets(targets, scores.shape, scores.device)
    with passing(model, images.device):
        passes = copies.steps * len(pixels) * sum(activation.shape[1] for activation in activations)
        run = for_many_passes(model, pixels, passes, scores_of)
        # A model itself may keep something from pass to pass.
        threads = 1 if run is model else torch.get_num_threads()
        size = chunk or (at_once(images, threads) if images.device.type == "cpu" else 256)
        found = []
        with side_by_side(threads) as each:
            scorer = Scorer(run, pixels, recipe.score, size, threads, each)
            baseline = _baseline(recipe, scorer, scores)
            for activation in activations:
                streams = copies.streams(pixels)
                maps = []
                for index, values in enumerate(activation):
                    weights = channel_weights(values, index, scorer, recipe, copies, streams[index], baseline)
                    with full_precision(scores):
                        maps.append(weighted(values, weights[:, chosen[index]].T, recipe, pixels.shape[2:]))
                whole = torch.stack(maps)
                found.append(whole[:, 0] if is_single(targets) else whole)
    return found, scores


def at_once(images: Tensor, threads: int = 1) -> int:
    """Images (B, 3, H, W) to a forward pass on a CPU, 1 to 32: as many as have the pixels of eight of 224 px.

    More of large ones no longer fit its caches (ResNet50 took a sixth longer with 32 at 224 px), fewer of small ones do
    not repay the start of each layer. From nine threads on fewer, for all of them together need the memory.
    """
    alone = min(32, 8 * 224**2 // (images.shape[2] * images.shape[3]))
    return max(1, min(alone, 8 * alone // threads))


class Scorer:
    """Scores of masked images, `chunk` to a pass and `threads` passes at a time, which the map `each` runs."""

    def __init__(
        self, model: Callable[[Tensor], Any], images: Tensor, score: str, chunk: int, threads: int, each: Any
    ) -> None:
        self._model, self._images, self._score = model, images, score
        self._chunk, self._threads, self._each = chunk, threads, each
        self.at_once = chunk * threads
        self._empty: Tensor | None = None
        self.size = (images.shape[2], images.shape[3])

    def masked(self, index: int, masks: Tensor) -> Tensor:
        """(m, K) of image number `index` times masks (m, H, W) or (m, 3, H, W)."""
        planes = (masks if masks.ndim == 4 else masks[:, None]).to(self._images.dtype)
        # All threads get their share of a few masks as well.
        parts = planes.split(min(self._chunk, -(-len(planes) // self._threads)))
        return torch.cat(list(self._each(lambda part: self.of(self._model(self._images[index] * part)), parts)))

    def empty(self) -> Tensor:
        """(K,) of the image that is zero everywhere; computed once."""
        if self._empty is None:
            self._empty = self.of(self._model(torch.zeros_like(self._images[:1])))[0]
        return self._empty

    def of(self, output: Any) -> Tensor:
        scores = at_least_float(scores_of(output))
        return scores.softmax(1) if self._score == "probability" else scores


def channel_weights(
    activation: Tensor,
    index: int,
    scorer: Scorer,
    recipe: Recipe,
    copies: Copies,
    stream: torch.Generator | None,
    baseline: Tensor,
) -> Tensor:
    """(C, K) from one image's activations (C, h, w); 0 for a channel that takes no part."""
    flat = activation.flatten(1)
    # With noise a constant channel's mask is not empty; of a dead one the weight does not matter.
    used = (flat != 0).any(1) if copies.noisy else flat.amax(1) > flat.amin(1)
    channels = used.nonzero()[:, 0]
    at_once = max(1, scorer.at_once // copies.steps)
    parts = []
    for some in channels.split(at_once) if len(channels) else ():
        masks = copies.spread(channel_masks(activation[some], scorer.size, recipe), stream)
        scores = torch.cat([scorer.masked(index, part) for part in masks.flatten(0, 1).split(scorer.at_once)])
        parts.append(copies.gather(scores.unflatten(0, masks.shape[:2]), scorer.empty))
    # The network need not see the empty image where its score changes nothing.
    fill = recipe.constant == "empty" and not copies.noisy and len(channels) < len(flat)
    counted = torch.ones_like(used) if fill else used
    scores = activation.new_zeros(len(flat), baseline.shape[1])
    if parts:
        scores[channels] = torch.cat(parts).to(scores.dtype)
    if fill:
        scores[~used] = scorer.empty().to(scores.dtype)
    if recipe.weights == "channels":
        # All channels dead: nothing to show, and no softmax over no channel.
        return scores.masked_fill(~counted[:, None], -torch.inf).softmax(0) if counted.any() else scores
    return torch.where(counted[:, None], scores - baseline[index], 0.0)


def channel_masks(activation: Tensor, size: tuple[int, int], recipe: Recipe) -> Tensor:
    """Masks (m, H, W) in [0, 1] of channels (m, h, w); a constant channel's is 0."""
    if recipe.order == "normalise-resize":
        activation = normalised(activation, recipe.eps)
    masks = interpolate(activation[:, None], size, mode="bilinear", align_corners=recipe.align_corners)[:, 0]
    return masks if recipe.order == "normalise-resize" else normalised(masks, recipe.eps)


def normalised(maps: Tensor, eps: float) -> Tensor:
    """Maps (m, h, w), each brought to [0, 1]; a constant one becomes 0."""
    low = maps.amin((1, 2), keepdim=True)
    extent = maps.amax((1, 2), keepdim=True) - low
    return (maps - low) / torch.where(extent == 0, 1.0, extent + eps)


def weighted(activation: Tensor, weights: Tensor, recipe: Recipe, size: Any) -> Tensor:
    """relu(Σ_k w_k A_k) (T, h, w), or (T, H, W) if upsampled, from A (C, h, w) and w (T, C)."""
    if recipe.combine == "normalised":
        activation = normalised(activation, recipe.eps)
    maps = torch.einsum("tc,chw->thw", weights.to(activation.dtype), activation)
    if recipe.combine == "upsampled":
        # The resize is linear: of the sum it is the sum of the resized channels.
        maps = interpolate(maps[None], tuple(size), mode="bilinear", align_corners=recipe.align_corners)[0]
    return maps.relu()


def _baseline(recipe: Recipe, scorer: Scorer, scores: Tensor) -> Tensor:
    """(B, K), subtracted from raw scores."""
    if recipe.weights == "raw" and recipe.baseline == "image":
        return scorer.of(scores)
    if recipe.weights == "raw" and recipe.baseline == "zero":
        return scorer.empty().expand(len(scores), -1)
    return torch.zeros_like(at_least_float(scores))
