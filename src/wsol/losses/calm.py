"""CALM (Kim et al., ICCV 2021): a classifier whose cue location z is a latent variable.

Two maps of one image make all of it: f (B, K, h, w), any value, and h (B, 1, h, w), not negative.

    p(y|x,z) = softmax over classes of f at z          p(z|x) = h_z / Σ_l h_l
    p(y,z|x) = p(y|x,z) · p(z|x)                       p(y|x) = Σ_z p(y,z|x)

Everything is computed as logarithms, so that neither a confident f nor a tiny p(y|x) is rounded to zero; a location
with h = 0 has log p(z|x) = -inf, probability 0, and passes no gradient. Half-precision maps are computed with in
float32.

Where h is 0 at every location of an image, p(z|x) is not defined (0/0). It is taken to be uniform then, with the
gradient of an h that is 1 everywhere, 1/(hw) - p(z|x,y): h rises where the posterior is above average. Without that
gradient (the head lets it through its ReLU, see `wsol.models.heads.calm.rectified`) a dead h stays dead, and networks
trained from scratch lose all of it within some dozen steps: p(z|x) sums to one, so what the background loses is easily
more than what the cue has.

`normaliser`, in the objectives:

`exact` (default) is the formulas above. The gradient sees that p(z|x) sums to one: a location only gains what others
lose.

`reference` is the released code's arithmetic, with its rounding guards. There Σ h is a constant to the gradient, so
that h grows wherever the posterior is positive and nothing pulls it down elsewhere: it hardly dies, and p(z|x) stays
spread out when trained from scratch. The E-step divides by p(y|x) + 1e-10, which switches off images with a much
smaller p(y|x); the M-step adds 1e-8 to each p(z|x) below 1e-8; p(y|x) = 0 gives an infinite objective, and an h of
zeros NaN. The values agree with `exact` where no guard bites, the gradients with respect to h do not.

With either of them, EM whose posterior comes from the weights that it trains (as in the released code) has the gradient
of ML: ∇ -log Σ_z p(y,z|x) = -Σ_z p(z|x,y) ∇ log p(y,z|x) (Fisher's identity). They differ in value, by the entropy of
the posterior, and in gradient once the posterior is of other weights, or a guard of `reference` bites.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wsol.errors import ParameterError
from wsol.models.of_label import of_label

NORMALISERS = ("exact", "reference")

_POSTERIOR_GUARD = 1e-10
_LOCATION_GUARD = 1e-8


def log_location(h: Tensor) -> Tensor:
    """log p(z|x) (B, 1, h, w) from h of that shape; -inf where h is 0, uniform where h is 0 all over an image."""
    h = _wide(h)
    # The reciprocal of a smaller number is infinite, and with it the gradient of the logarithm.
    tiny = torch.finfo(h.dtype).tiny
    dead = (h < tiny).all(dim=(2, 3), keepdim=True)
    h = torch.where(dead, 1 + h - h.detach(), h)
    zero = h < tiny
    log_h = torch.where(zero, torch.ones_like(h), h).log().masked_fill(zero, -torch.inf)
    return log_h - log_h.logsumexp((2, 3), keepdim=True)


def log_joint(f: Tensor, h: Tensor) -> Tensor:
    """log p(y,z|x) (B, K, h, w); its exponentials sum to one over classes and locations of an image."""
    return _wide(f).log_softmax(1) + log_location(h)


def log_class(f: Tensor, h: Tensor) -> Tensor:
    """log p(y|x) (B, K)."""
    return log_joint(f, h).logsumexp((2, 3))


def log_posterior(f: Tensor, h: Tensor) -> Tensor:
    """log p(z|x,y) (B, K, h, w); its exponentials sum to one over the locations, for each class (equation k)."""
    joint = log_joint(f, h)
    return joint.flatten(2).log_softmax(2).view_as(joint)


def maximum_likelihood(f: Tensor, h: Tensor, labels: Tensor, normaliser: str = "exact") -> Tensor:
    """CALM_ML: -log p(y|x) of each image (B,); labels (B,) are class indices. ParameterError for the normaliser."""
    if _is_reference(normaliser):
        return -_reference_joint(f, h, labels).sum((1, 2)).log()
    return -of_label(log_joint(f, h), labels).logsumexp((1, 2))


def expectation_maximisation(
    f: Tensor, h: Tensor, labels: Tensor, normaliser: str = "exact", posterior: Tensor | None = None
) -> Tensor:
    """CALM_EM: -Σ_z p'(z|x,y) log p(y,z|x) of each image (B,), an upper bound of -log p(y|x) (equation i).

    posterior (B, h, w): p'(z|x,y) of the label, a constant to the gradient; by default that of f and h themselves, as
    in the released code. labels (B,) are class indices. Raises ParameterError for an unknown normaliser.
    """
    if _is_reference(normaliser):
        if posterior is None:
            joint = _reference_joint(f, h, labels)
            posterior = joint / (joint.sum((1, 2), keepdim=True) + _POSTERIOR_GUARD)
        location = _reference_location(h)
        guarded = location + _LOCATION_GUARD * (location < _LOCATION_GUARD)
        return expected_loss(of_label(_wide(f).log_softmax(1) + guarded.log(), labels), posterior)
    joint = of_label(log_joint(f, h), labels)
    if posterior is None:
        # Not exp(joint - log p(y|x)), whose sum strays from one where p(y|x) is tiny and float32 coarse.
        posterior = joint.flatten(1).softmax(1).view_as(joint)
    return expected_loss(joint, posterior)


def expected_loss(log_joint_of_label: Tensor, posterior: Tensor) -> Tensor:
    """-Σ_z q(z) log p(y,z|x) (B,) of maps (B, h, w), with no gradient to q; a location with q = 0 counts nothing."""
    weights = posterior.detach().to(log_joint_of_label.dtype)
    # 0 · log 0 = 0, in value and gradient.
    return -(weights * log_joint_of_label.masked_fill(weights == 0, 0.0)).sum((1, 2))


def _reference_location(h: Tensor) -> Tensor:
    h = _wide(h)
    return h / h.sum((2, 3), keepdim=True).detach()


def _reference_joint(f: Tensor, h: Tensor, labels: Tensor) -> Tensor:
    return of_label(_wide(f).softmax(1), labels) * _reference_location(h)[:, 0]


def _is_reference(normaliser: str) -> bool:
    if normaliser not in NORMALISERS:
        raise ParameterError(f"normaliser {normaliser!r} is not one of {', '.join(NORMALISERS)}")
    return normaliser == "reference"


def _wide(values: Tensor) -> Tensor:
    """Half precision to float32: a probability below 6e-8 is 0 in float16, and one of a thousand locations is near."""
    return values if values.dtype == torch.float64 else values.float()
