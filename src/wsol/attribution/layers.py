"""The layers whose activations an attribution reads, by name, as modules, or found by structure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from wsol.attribution.capture import capturing, linear_modules
from wsol.attribution.layout import layout_of
from wsol.attribution.linear_head import head_weight
from wsol.errors import ParameterError
from wsol.models.network import Network

Layer = str | nn.Module
OWN_CAM_LAYER = "head.neck"
"""Of the networks of `wsol.models`: from the trunk's output to what `logits` reads."""
_found: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()


def chosen_layers(model: nn.Module, layer: Layer | Sequence[Layer] | None, images: Tensor) -> dict[str, nn.Module]:
    """Name → module of one layer or several; None is the layer before global average pooling and a linear classifier.

    Raises ParameterError for a name that the model lacks (with the nearest ones), a module that is not part of it,
    and a model where None finds nothing (with candidates).
    """
    if layer is None:
        name = OWN_CAM_LAYER if isinstance(model, Network) else cam_layer(model, images)
        return {name: model.get_submodule(name)}
    modules = dict(model.named_modules())
    wanted = list(layer) if isinstance(layer, list | tuple) else [layer]
    if not wanted:
        raise ParameterError("layer: the list is empty; name at least one layer, or leave it out")
    names = {module: name for name, module in modules.items()}
    chosen: dict[str, nn.Module] = {}
    for one in wanted:
        if isinstance(one, str):
            if one not in modules or not one:
                near = difflib.get_close_matches(one, [name for name in modules if name], n=3, cutoff=0.4)
                hint = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(list(modules)[1:9])} …"
                raise ParameterError(f"layer {one!r} is not in {type(model).__name__}; {hint}")
            chosen[one] = modules[one]
        elif isinstance(one, nn.Module):
            if one not in names:
                raise ParameterError(f"layer {type(one).__name__} is no part of {type(model).__name__}; give its own")
            chosen[names[one]] = one
        else:
            raise ParameterError(f"layer {one!r} is neither a name nor a module")
    return chosen


def cam_layer(model: nn.Module, images: Tensor) -> str:
    """The outermost module whose maps, averaged over places, are what the linear classifier reads.

    Found on a forward pass of the first image, once a model. Raises ParameterError with the last layers that give
    maps where there is none, as with fully connected layers on flattened maps.
    """
    if model in _found:
        return _found[model]
    outputs: list[tuple[str, Tensor]] = []
    candidates: list[str] = []
    attended: list[str] = []

    def note(name: str) -> Any:
        def keep(module: nn.Module, inputs: object, output: Any) -> None:
            if "attention" in type(module).__name__.lower():
                # Behind the last one a class token may be all that is read.
                attended[:] = [one for one in candidates if not one.startswith(f"{name}.")]
            layout = layout_of(output, (images.shape[2], images.shape[3]))
            if layout is not None and (maps := layout.maps(output)).shape[2] * maps.shape[3] > 1:
                del outputs[:-8]
                outputs.append((name, maps.detach().clone()))
                candidates.append(name)

        return keep

    with ExitStack() as stack:
        heads = linear_modules(model)
        capture = stack.enter_context(capturing(model, {}, graph=False, images=images, heads=heads))
        for name, module in model.named_modules():
            if name:
                stack.callback(module.register_forward_hook(note(name)).remove)
        with torch.no_grad():
            scores = capture.forward(lambda: model(images[:1].clone()))
        fitting = [name for name, output in outputs if head_weight(output, capture.last_linear, scores) is not None]
    if not fitting:
        near = list(dict.fromkeys(reversed(attended or candidates)))
        raise ParameterError(
            f"{type(model).__name__} has no layer before global average pooling and a linear classifier; "
            f"name one with layer=…, such as {', '.join(near[:5]) or 'none: no module gives maps (B, C, h, w)'}"
        )
    # A stage, its last block, that block's ReLU and a dropout behind give the same maps; the stage's name is wanted.
    _found[model] = min(fitting, key=lambda name: name.count("."))
    return _found[model]
