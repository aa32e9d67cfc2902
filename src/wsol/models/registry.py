"""Backbones, heads and families by name: a file in their folder is all that it takes to add one."""

from __future__ import annotations

import inspect
import os
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol.errors import ParameterError

if TYPE_CHECKING:
    from wsol.models.network import Network

MAP_STRIDES = (8, 16)


def backbone_names() -> list[str]:
    """Names that `build` accepts as `backbone`."""
    return _modules("backbones")


def head_names() -> list[str]:
    """Names that `build` accepts as `head`."""
    return _modules("heads")


def build(
    backbone: str,
    head: str = "cam",
    num_classes: int = 1000,
    width: float = 1.0,
    pretrained: str | os.PathLike[str] | None = None,
    map_stride: int = 16,
    padded: bool = False,
) -> Network:
    """A classifier with class maps, on the CPU, in training mode, initialised from torch's global random state.

    width scales every channel count of trunk and neck, each to the nearest multiple of 8 and at least 8; at 1.0 the
    trunk has torchvision's parameters. map_stride is input over map size: 16 gives 14 × 14 maps at 224 px, 8 gives
    28 × 28. padded, for InceptionV3 alone, pads its stem as F-CAM's released code does (29 × 29). pretrained is a
    `.safetensors` or `.pth` file of torchvision's weights, or one that `save_model` wrote.
    Raises ParameterError for an unknown name or a value out of range, DataError for weights that do not fit.
    """
    _check_name("backbone", backbone, backbone_names())
    _check_name("head", head, head_names())
    if isinstance(num_classes, bool) or not isinstance(num_classes, Integral) or num_classes < 1:
        raise ParameterError(f"num_classes: {num_classes!r} is not a positive whole number")
    if isinstance(width, bool) or not isinstance(width, Real) or not 0 < width <= 16:
        raise ParameterError(f"width: {width!r} is not in (0, 16]; 1.0 is the published network, 0.25 a slim one")
    if map_stride not in MAP_STRIDES:
        raise ParameterError(f"map_stride: {map_stride!r} is not one of {MAP_STRIDES}; 16 gives 14 × 14 maps at 224 px")

    from wsol.models.network import Network

    module = import_module(f"wsol.models.backbones.{backbone}")
    if padded and "padded" not in inspect.signature(module.build).parameters:
        raise ParameterError(f"padded: {backbone} is padded everywhere already; leave the option out")
    options = {"padded": True} if padded else {}
    trunk = module.build(float(width), int(map_stride), **options)
    build_args: dict[str, Any] = {
        "backbone": backbone,
        "head": head,
        "num_classes": int(num_classes),
        "width": float(width),
        "map_stride": int(map_stride),
        **options,
    }
    model = Network(trunk, import_module(f"wsol.models.heads.{head}").build(trunk, int(num_classes)), build_args)
    if pretrained is not None:
        from wsol.models.weights import load_pretrained

        load_pretrained(model, pretrained)
    return model


def rebuild(build_args: Mapping[str, Any]) -> Any:
    """The network of a saved model's `build_args`: those of `build`, or of `wsol.models.families.<family>.build`.

    A network that is more than a trunk and a head, as F-CAM's is, says so with the key `family`. Raises ParameterError
    or TypeError for arguments that make none.
    """
    arguments = dict(build_args)
    family = arguments.pop("family", None)
    if family is None:
        return build(**arguments)
    _check_name("family", family, _modules("families"))
    return import_module(f"wsol.models.families.{family}").build(**arguments)


def _modules(folder: str) -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / folder)]))


def _check_name(kind: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise ParameterError(f"{kind}: {name!r} does not exist; choose one of {', '.join(known)}")
