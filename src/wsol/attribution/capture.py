"""What a layer gave during a forward pass, and gradients of scores with respect to it.

Nothing of the model stays changed: hooks, modes, `requires_grad`, `param.grad`, autograd's and autocast's state are as
they were when the context ends, also after an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wsol.attribution.gradients import evaluating
from wsol.attribution.layout import layout_of
from wsol.errors import ParameterError


class Call(NamedTuple):
    """One call of a module that may be a linear classifier."""

    module: nn.Module
    input: Tensor
    output: Tensor
    versions: tuple[int, int]

    @property
    def intact(self) -> bool:
        """Neither was changed in place since, as by a ReLU behind the layer."""
        return self.versions == (self.input._version, self.output._version)


class Capture:
    """The activations of the layers, in the order in which they were named, after `forward`."""

    def __init__(
        self, layers: Sequence[nn.Module], names: Sequence[str], graph: bool, size: tuple[int, int] | None
    ) -> None:
        self._layers, self._names, self._graph, self._size = layers, names, graph, size
        self._kept: dict[int, Tensor] = {}
        self.beside_tokens: list[str | None] = [None] * len(layers)
        """The layer's name where tokens of no place lie beside its maps, which the scores may read alone."""
        self.last_linear: Call | None = None
        """Of the modules given as heads the last one that was called."""

    @property
    def activations(self) -> list[Tensor]:
        """(B, C, h, w) each; with a graph the first one that was computed is its leaf. Raises ParameterError."""
        for index, name in enumerate(self._names):
            if index not in self._kept:
                raise ParameterError(f"layer {name!r} takes no part in the forward pass; name one that does")
        return [self._kept[index] for index in range(len(self._layers))]

    def forward(self, run: Callable[[], Any]) -> Tensor:
        """The scores (B, K) of `run()`; autograd records from the first of the layers on, if a graph is wanted.

        A layer that is called several times gives its last output.
        """
        # The hook turns gradients on, once the layer is reached; leaving this context turns them back.
        with torch.no_grad():
            scores = self._run(run)
        if self._graph and not scores.requires_grad:
            # Perhaps the model itself runs the layer without gradients, and so turned them off again.
            with torch.enable_grad():
                scores = self._run(run)
        return scores

    def _run(self, run: Callable[[], Any]) -> Tensor:
        self._kept.clear()
        self.last_linear = None
        return scores_of(run())

    def hook(self, index: int) -> Callable[[nn.Module, object, Any], Tensor | None]:
        def keep(module: nn.Module, inputs: object, output: Any) -> Tensor | None:
            layout = layout_of(output, self._size)
            if layout is None:
                found = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
                image = " × ".join(map(str, self._size)) if self._size else "unknown"
                raise ParameterError(
                    f"layer {self._names[index]!r} gives {found}, not maps (B, C, h, w), nor (B, h, w, C) or tokens "
                    f"(B, N, C) of a grid with the image's proportions ({image}); name a convolutional layer or a block"
                )
            self.beside_tokens[index] = self._names[index] if layout.extra else None
            maps = layout.maps(output)
            if not self._graph:
                # A copy: an in-place ReLU may follow.
                self._kept[index] = maps.detach().clone()
                return None
            torch.set_grad_enabled(True)
            kept = maps.clone() if output.requires_grad else maps.detach().requires_grad_()
            # What follows in place changes the second copy, and the gradient is that of the first.
            self._kept[index] = kept
            return layout.output(kept.clone(), output if output.requires_grad else output.detach())

        return keep

    def note_linear(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if inputs and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
            self.last_linear = Call(module, inputs[0], output, (inputs[0]._version, output._version))


@contextmanager
def capturing(
    model: nn.Module,
    layers: Mapping[str, nn.Module],
    *,
    graph: bool,
    images: Tensor | None = None,
    heads: Iterable[nn.Module] = (),
) -> Iterator[Capture]:
    """Within, `Capture.forward` runs the model in evaluation mode and keeps what the layers gave, and of `heads` the
    last call.

    `images` are those to come: their device, and their size, by which `wsol.attribution.layout` knows a layer's maps.
    With `graph`, autograd starts at the first of the layers: nothing before it is recorded. Works below `no_grad`,
    `inference_mode` and autocast.
    """
    size = None if images is None else (images.shape[2], images.shape[3])
    capture = Capture(list(layers.values()), list(layers), graph, size)
    with ExitStack() as stack:
        stack.enter_context(passing(model, None if images is None else images.device))
        for index, layer in enumerate(layers.values()):
            stack.callback(layer.register_forward_hook(capture.hook(index)).remove)
        for module in heads:
            stack.callback(module.register_forward_hook(capture.note_linear).remove)
        yield capture


@contextmanager
def passing(model: nn.Module, device: torch.device | None = None) -> Iterator[None]:
    """The model in evaluation mode, no gradients, outside of inference mode, and autocast as it is without its cache.

    Weights that are cast here without a graph must not serve a training around, hence the last.
    """
    kind = "cpu" if device is None else device.type
    with evaluating(model), torch.inference_mode(False), torch.no_grad():
        if not torch.is_autocast_enabled(kind):
            yield
            return
        with torch.autocast(kind, dtype=torch.get_autocast_dtype(kind), cache_enabled=False):
            yield


def linear_modules(model: nn.Module) -> list[nn.Module]:
    """Its linear layers and 1 × 1 convolutions."""
    return [module for module in model.modules() if _is_linear(module)]


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (
        isinstance(module, nn.Conv2d)
        and (module.kernel_size, module.stride, module.groups) == ((1, 1), (1, 1), 1)
        and module.padding in ((0, 0), "valid", "same")
    )


def gradients(scores: Tensor, activations: Sequence[Tensor], targets: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """∂ score_t / ∂A of each layer, (t, B, C, h, w), for chunks of the targets (B, T) in order.

    Several targets share one pass, as many at a time as memory for 2²⁶ values allows.
    """
    rows = torch.arange(len(targets), device=scores.device)
    chunk = max(1, 2**26 // max(1, sum(activation.numel() for activation in activations)))
    for start in range(0, targets.shape[1], chunk):
        columns = targets[:, start : start + chunk].T
        seeds = scores.new_zeros((len(columns), *scores.shape))
        seeds[torch.arange(len(columns), device=scores.device)[:, None], rows, columns] = 1
        batched = len(columns) > 1
        found = torch.autograd.grad(
            scores,
            list(activations),
            seeds if batched else seeds[0],
            retain_graph=start + chunk < targets.shape[1],
            is_grads_batched=batched,
            allow_unused=True,
        )
        if any(gradient is None for gradient in found):
            raise ParameterError("the scores do not depend on the layer's maps; name another layer")
        yield found if batched else tuple(gradient[None] for gradient in found)


def scores_of(output: Any) -> Tensor:
    """The scores (B, K) in what a classifier returned: a tensor, `.logits`, `["logits"]` or the first of a tuple."""
    if isinstance(output, Mapping) and "logits" in output:
        output = output["logits"]
    elif not isinstance(output, Tensor) and hasattr(output, "logits"):
        output = output.logits
    elif isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, Tensor) or output.ndim != 2:
        found = f"a tensor of shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise ParameterError(f"the model returns {found}, not class scores (B, K); wrap it so that it does")
    return output


@contextmanager
def full_precision(tensor: Tensor) -> Iterator[None]:
    """Autocast off on the tensor's device: for formulas on what a network gave."""
    with torch.autocast(tensor.device.type, enabled=False):
        yield
