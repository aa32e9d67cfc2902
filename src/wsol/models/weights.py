"""Weights from and to files, without ever unpickling an object."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol.errors import DataError, ParameterError
from wsol.files import load_metadata, load_tensors, save_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from wsol.models.network import Network

# Files older than this BatchNorm counter lack it; it has no influence with a fixed momentum.
_OPTIONAL_SUFFIX = ".num_batches_tracked"


@dataclass
class LoadReport:
    """What `load_pretrained` did with each name of the file and of the model."""

    loaded: list[str] = field(default_factory=list)
    """Parameters and buffers of the model that now have the file's values."""
    initialised: list[str] = field(default_factory=list)
    """Those that keep their initial values: new layers."""
    dropped: list[str] = field(default_factory=list)
    """Entries of the file that the network has no use for, such as torchvision's classifier."""


def load_pretrained(model: nn.Module, path: str | os.PathLike[str]) -> LoadReport:
    """Copy released weights into a model, in place.

    The file is torchvision's state dict (`.safetensors`, `.pth` or `.pt`; bare, or under the key `state_dict`), or one
    that `save_model` wrote. Every parameter of the trunk must be there with its shape; of a file of ours the neck is
    taken where it fits, and never the classifier: as many classes need not be the same ones. A released classifier is
    taken if all of it fits (ResNet50's `fc` with 1000 classes), else the network's keeps its initial values: a bias
    without its weights would prefer some classes for no reason. Raises DataError that lists
    missing, unexpected and mismatching names, and for a file that could only be read by running code stored in it.
    """
    import torch

    entries = _read_state(Path(path))
    own = model.state_dict()
    translated, dropped = _translate(model, entries, own)
    # A scalar comes back from a file of ours with one axis.
    translated = {
        n: v.reshape(()) if n in own and own[n].ndim == 0 and v.numel() == 1 else v for n, v in translated.items()
    }
    fits = {name: value for name, value in translated.items() if name in own and own[name].shape == value.shape}
    wrong = {
        "missing": sorted(n for n in own.keys() - translated.keys() if _required(n)),
        "unexpected": sorted(n for n in translated.keys() - own.keys() if n.startswith("trunk.")),
        "of another shape": sorted(
            f"{name} ({tuple(translated[name].shape)} in the file, {tuple(own[name].shape)} in the model)"
            for name in translated.keys() & own.keys() - fits.keys()
            if name.startswith("trunk.")
        ),
    }
    if any(wrong.values()):
        detail = "; ".join(f"{kind}: {_some(names)}" for kind, names in wrong.items() if names)
        raise DataError(
            f"{path}: these weights are not of this network ({getattr(model, 'build_args', '')}): {detail}. "
            "Give the file of the same backbone; released weights need width 1.0"
        )
    with torch.no_grad():
        for name, value in fits.items():
            own[name].copy_(value)
    return LoadReport(
        loaded=sorted(fits),
        initialised=sorted(own.keys() - fits.keys()),
        dropped=sorted(dropped + [name for name in translated if name not in fits]),
    )


def save_model(
    path: str | os.PathLike[str],
    model: nn.Module,
    build_args: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Weights, buffers and what it takes to build the network, as one safetensors file; same content, same bytes.

    `build_args` are those of `wsol.models.build` (the model's own if left out); `extra` is any JSON-able mapping,
    returned by `wsol.files.load_metadata(path)["extra"]`.
    """
    arguments = dict(build_args if build_args is not None else model.build_args)  # type: ignore[arg-type]
    tensors = {name: value.detach().cpu().contiguous().numpy() for name, value in model.state_dict().items()}
    save_tensors(path, tensors, {"build_args": arguments, "extra": dict(extra or {})})


def load_model(path: str | os.PathLike[str], device: str | Any = "cpu") -> Network:
    """The network that `save_model` wrote, in evaluation mode on `device`; torch's random state stays as it was."""
    import torch

    from wsol.models.registry import rebuild

    arguments = load_metadata(path).get("build_args")
    if not isinstance(arguments, dict):
        raise DataError(
            f"{path}: no model of this package (no build_args in its header); use load_pretrained for weights"
        )
    arrays, _ = load_tensors(path)
    try:
        # Built for real and overwritten: torch's meta device would import its compiler, seconds for every job.
        with torch.random.fork_rng(devices=[]):
            model = rebuild(arguments)
    except (TypeError, ParameterError) as error:
        raise DataError(
            f"{path}: its build_args {arguments} build no network ({error}); train the model again"
        ) from error
    own = model.state_dict()
    if own.keys() != arrays.keys() or any(own[name].numel() != value.size for name, value in arrays.items()):
        differing = sorted(
            name for name in own.keys() | arrays.keys() if name not in own or name not in arrays
        ) or sorted(name for name in own if own[name].numel() != arrays[name].size)
        raise DataError(f"{path}: its tensors do not fit {arguments} ({_some(differing)}); train the model again")
    tensors = {name: torch.from_numpy(value).reshape(own[name].shape).to(device) for name, value in arrays.items()}
    model.load_state_dict(tensors, assign=True)
    return model.to(device).eval()


def _read_state(path: Path) -> dict[str, Tensor]:
    """Names and tensors of a weights file."""
    import pickle

    import torch

    if not path.is_file():
        raise DataError(
            f"{path}: no such file; give the weights file's path, or pretrained: null to start from scratch"
        )
    if path.suffix == ".safetensors":
        return {name: torch.from_numpy(value) for name, value in load_tensors(path)[0].items()}
    if path.suffix not in (".pth", ".pt"):
        raise DataError(f"{path}: weights are read from .safetensors, .pth or .pt files; convert it to .safetensors")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path}: refused: it is damaged, or holds more than tensors and could run code when read. "
            "Get the file again from its publisher, or save its state dict alone as .safetensors where you trust it"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, OSError) as error:
        raise DataError(f"{path}: not a readable weights file ({error}); fetch it again") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise DataError(f"{path}: not a state dict (names and tensors); save `model.state_dict()` alone")
    return content


def _translate(
    model: nn.Module, entries: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """Entries under the model's names, and the names that lie behind the trunk and have no place in it."""
    if any(name.startswith("trunk.") for name in entries):
        kept = {name: value for name, value in entries.items() if name.startswith(("trunk.", "head.neck."))}
        return kept, sorted(entries.keys() - kept.keys())
    trunk: Any = model.trunk
    translated, dropped = {}, []
    released = trunk.released_classifiers
    fits = all(
        name in entries and theirs in own and own[theirs].shape == entries[name].shape
        for name, theirs in released.items()
    )
    for name, value in entries.items():
        if fits and name in released:
            translated[released[name]] = value
        elif name.startswith(trunk.released_only_prefixes):
            dropped.append(name)
        else:
            translated[f"trunk.{name}"] = value
    return translated, dropped


def _required(name: str) -> bool:
    return name.startswith("trunk.") and not name.endswith(_OPTIONAL_SUFFIX)


def _some(names: list[str], limit: int = 4) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
