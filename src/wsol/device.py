"""Which device networks run on."""

from __future__ import annotations

from wsol.errors import ParameterError


def choose_device(wanted: str) -> str:
    """`auto` becomes cuda where torch sees a GPU, else cpu. Raises ParameterError for a GPU that torch does not see."""
    import torch

    available = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if available else "cpu"
    if wanted == "cuda" and not available:
        raise ParameterError(
            "device: cuda is asked for, but torch sees no GPU; set device to auto or cpu in params/config.yaml, "
            "or look at `wsol doctor`"
        )
    return wanted
