"""What F-CAM's authors timed for a baseline: its map from a forward pass that is there, by a backward pass all the way.

Their code calls `backward()` on the score, so gradients go through the whole network to every weight, though the map
needs those of the CAM layer alone; Smooth-Grad-CAM++ does so for noisy copies of the image, forward passes included.
Our own maps of these networks need no backward pass, so this is how the paper's comparison of costs can be made again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wsol import attribution

if TYPE_CHECKING:
    from torch import Tensor

NOISY = "smooth_gradcam_pp"


def released_call(name: str, model: Any, image: Tensor, target: Tensor) -> Callable[[], Tensor]:
    """A call that makes the map (1, h, w) of an image (1, 3, H, W) and a class (1,); made ready outside of it.

    name: cam, gradcam, gradcam_pp, smooth_gradcam_pp, xgradcam or layercam.
    """
    import torch

    if name == "cam":
        with torch.no_grad():
            features = model.features(image)
        return lambda: model.class_maps(features)[:, target[0]]
    module = attribution.load(name)
    if name == NOISY:
        return lambda: _smooth(module, model, image, target)
    activation, score = _forward(model, image, target)

    def call() -> Tensor:
        gradient = _backward(model, activation, score)
        with torch.no_grad():
            return (module.coefficients(activation, gradient) * activation).sum(1).relu()

    return call


def _smooth(module: Any, model: Any, image: Tensor, target: Tensor) -> Tensor:
    import torch

    first = second = third = activation = torch.zeros(())
    for _ in range(module.SAMPLES):
        activation, score = _forward(model, image + module.SIGMA * torch.randn_like(image), target)
        gradient = _backward(model, activation, score)
        first, second, third = first + gradient, second + gradient**2, third + gradient**3
    with torch.no_grad():
        means = (total / module.SAMPLES for total in (first, second, third))
        return (module.smooth_coefficients(activation, *means) * activation).sum(1).relu()


def _forward(model: Any, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The CAM layer's activations (1, C, h, w) and the class's score, with their graph."""
    import torch

    with torch.enable_grad():
        activation = model.features(image)
        return activation, model.logits(activation)[0, target[0]]


def _backward(model: Any, activation: Tensor, score: Tensor) -> Tensor:
    """∂ score / ∂ activation, with the gradients of every weight, which are not used."""
    import torch

    wanted = [activation, *(weight for weight in model.parameters() if weight.requires_grad)]
    return torch.autograd.grad(score, wanted, retain_graph=True, allow_unused=True)[0]
